//! Object layouts: the words of each kind of cell.
//!
//! | cell | layout |
//! |---|---|
//! | pair | head, tail |
//! | fields (Error … Vector) | header (`len` = fields), field 0, field 1, … |
//! | String | header (`len` = bytes), bytes, padding |
//! | String that is a slice | header (`len` = fields), the whole String, first byte, bytes |
//! | Integer (boxed) | header, the 64 bits |
//! | Decimal | header, the 128 bits, padding |
//! | Host | header, the two words of a `Box<dyn HostObject>` |
//!
//! 1. Every cell is 16-byte aligned and a multiple of 16 bytes long. Addresses have at most 56
//!    bits.
//! 2. `kind` is a [`Kind`] from creation on; only the collector overwrites it, in the nursery
//!    (`forwarding`) and only until the nursery is emptied.
//! 3. [`UNLOGGED`] is set exactly on old objects that are not in a remembered set. It is the one
//!    part of a header that mutators change, so they read and write that byte apart, atomically.
//! 4. Fields are written and read atomically: a write publishes what it refers to. Pairs and
//!    the bytes of strings do not change once another mutator may have them; what is known of those
//!    bytes (`text`) is written atomically beside the length.
//! 5. The whole that a slice refers to is no slice itself.
//!
//! Does not know values, spaces or collections.

use std::sync::atomic::{AtomicU8, AtomicU16, AtomicU64, Ordering};

use crate::memory::address::at;

/// What a value is; the same for immediates and heap objects.
#[repr(u8)]
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A 64-bit integer, boxed or not.
    Integer = 0,
    /// An interned name, keyword or not.
    Symbol,
    /// The empty list.
    Nil,
    /// A list cell.
    Pair,
    /// A function of the VM's table.
    Builtin,
    /// No value.
    Undefined,
    /// Immutable bytes with their length. Objects of this kind have one of two layouts, and so the
    /// next number is theirs too.
    String,
    /// An error: message, location, trace, cause.
    Error = 8,
    /// One mutable variable.
    Cell,
    /// Code and captured values.
    Closure,
    /// A function and the arguments it already has.
    Partial,
    /// Stack slots from a prompt to a capture.
    Continuation,
    /// A table of bindings.
    Environment,
    /// Fields with no further meaning.
    Record,
    /// A version of a persistent map.
    Map,
    /// A version of a persistent vector.
    Vector,
    /// A native object behind a box.
    Host,
    /// A fixed-point number.
    Decimal,
}

impl Kind {
    const ALL: [Kind; 19] = [
        Kind::Integer,
        Kind::Symbol,
        Kind::Nil,
        Kind::Pair,
        Kind::Builtin,
        Kind::Undefined,
        Kind::String,
        Kind::String,
        Kind::Error,
        Kind::Cell,
        Kind::Closure,
        Kind::Partial,
        Kind::Continuation,
        Kind::Environment,
        Kind::Record,
        Kind::Map,
        Kind::Vector,
        Kind::Host,
        Kind::Decimal,
    ];

    /// Whether objects of this kind consist of fields.
    pub const fn has_fields(self) -> bool {
        self as u8 >= Kind::Error as u8 && self as u8 <= Kind::Vector as u8
    }
}

/// The kind in the header of a String that is a slice of another: [`Kind::String`] to all but the
/// collector, to which it is an object with fields.
pub(crate) const STRING_SLICE: u8 = Kind::String as u8 + 1;
const _: () = assert!(STRING_SLICE + 1 == Kind::Error as u8);
/// Field of a slice: the String of which it is a part.
pub(crate) const SLICE_WHOLE: usize = 0;
/// Field of a slice: its first byte in the whole.
pub(crate) const SLICE_START: usize = 1;
/// Field of a slice: its number of bytes.
pub(crate) const SLICE_LENGTH: usize = 2;
/// Number of fields of a slice.
pub(crate) const SLICE_FIELDS: usize = 3;

/// Field of an Error object: its message, a String.
pub const ERROR_MESSAGE: usize = 0;
/// Field of an Error object: where it was raised.
pub const ERROR_LOCATION: usize = 1;
/// Field of an Error object: the call trace.
pub const ERROR_TRACE: usize = 2;
/// Field of an Error object: the error that led to it.
pub const ERROR_CAUSE: usize = 3;
/// Number of fields of an Error object.
pub const ERROR_FIELDS: usize = 4;

/// Header flag: old, and not in the remembered set.
pub(crate) const UNLOGGED: u8 = 1;

/// The first word of every object that is not a pair.
#[repr(C, align(8))]
#[derive(Copy, Clone)]
pub(crate) struct Header {
    pub kind: u8,
    pub flags: u8,
    pub aux: u16,
    pub len: u32,
}

const _: () = assert!(size_of::<Header>() == 8 && align_of::<Header>() == 8);
const _: () = assert!(std::mem::offset_of!(Header, kind) == 0 && cfg!(target_endian = "little"));
const _: () = assert!(std::mem::offset_of!(Header, flags) == 1);
const _: () = assert!(std::mem::offset_of!(Header, len) == 4);
const _: () = assert!(cfg!(target_pointer_width = "64"), "addresses fill a 64-bit word");

/// Bytes of a pair.
pub(crate) const PAIR_BYTES: usize = 16;
/// Bytes of a boxed integer.
pub(crate) const INTEGER_BYTES: usize = 16;
/// Bytes of a decimal.
pub(crate) const DECIMAL_BYTES: usize = 32;
/// Bytes of a host object before rounding.
pub(crate) const HOST_BYTES: usize = 24;
/// Alignment and unit of size of every cell.
pub(crate) const GRANULE_BYTES: usize = 16;

/// Rounds up to whole granules; an object is never smaller than one.
#[inline(always)]
pub(crate) const fn round_to_granules(bytes: usize) -> usize {
    (bytes + (GRANULE_BYTES - 1)) & !(GRANULE_BYTES - 1)
}

/// Size of an object with that many fields.
#[inline(always)]
pub(crate) const fn fields_bytes(count: usize) -> usize {
    round_to_granules(Header::BYTES + count * 8)
}

/// Size of a string of that many bytes.
#[inline(always)]
pub(crate) const fn string_bytes(length: usize) -> usize {
    round_to_granules(Header::BYTES + length)
}

/// The kind that a header's byte stands for.
#[inline(always)]
pub(crate) fn kind_of(byte: u8) -> Kind {
    Kind::ALL[usize::from(byte)]
}

/// Whether objects whose header has this kind consist of fields that the VM knows.
#[inline(always)]
pub(crate) const fn has_fields(kind: u8) -> bool {
    kind.wrapping_sub(Kind::Error as u8) <= Kind::Vector as u8 - Kind::Error as u8
}

/// Whether objects whose header has this kind are strings.
#[inline(always)]
pub(crate) const fn is_string(kind: u8) -> bool {
    kind.wrapping_sub(Kind::String as u8) <= STRING_SLICE - Kind::String as u8
}

/// The kind in the header of the object at `address`.
///
/// # Safety
/// `address` is that of an initialised object (or of poison).
#[inline(always)]
pub(crate) unsafe fn kind_at(address: usize) -> u8 {
    // SAFETY: the caller's promise; the kind is a byte of the header.
    unsafe { at::<u8>(address + std::mem::offset_of!(Header, kind)).read() }
}

/// The length in the header of the object at `address`.
///
/// # Safety
/// As [`kind_at`].
#[inline(always)]
pub(crate) unsafe fn len_at(address: usize) -> usize {
    // SAFETY: the caller's promise; the length is a part of the header.
    unsafe { at::<u32>(address + std::mem::offset_of!(Header, len)).read() as usize }
}

/// The 16 bits beside the length in the header of the object at `address`.
///
/// # Safety
/// As [`kind_at`].
#[inline(always)]
pub(crate) unsafe fn aux_at(address: usize) -> u16 {
    // SAFETY: the caller's promise; they are a part of the header.
    unsafe { at::<u16>(address + std::mem::offset_of!(Header, aux)).read() }
}

/// The same, which other mutators may be reading and writing: neither publishes anything else.
///
/// # Safety
/// As [`kind_at`].
#[inline(always)]
pub(crate) unsafe fn shared_aux_at<'a>(address: usize) -> &'a AtomicU16 {
    // SAFETY: the caller's promise; they are an aligned part of the header.
    unsafe { &*at::<AtomicU16>(address + std::mem::offset_of!(Header, aux)) }
}

/// Writes the 16 bits beside the length.
///
/// # Safety
/// As [`kind_at`], and no other mutator has the object.
pub(crate) unsafe fn set_aux_at(address: usize, aux: u16) {
    // SAFETY: the caller's promise; they are a part of the header.
    unsafe { at::<u16>(address + std::mem::offset_of!(Header, aux)).write(aux) }
}

impl Header {
    pub const BYTES: usize = 8;

    #[inline(always)]
    pub const fn new(kind: Kind, flags: u8, len: u32) -> Header {
        Header { kind: kind as u8, flags, aux: 0, len }
    }

    /// Whether the object consists of fields, be it a slice.
    #[inline(always)]
    pub const fn has_fields(self) -> bool {
        self.kind.wrapping_sub(STRING_SLICE) <= Kind::Vector as u8 - STRING_SLICE
    }

    /// Bytes the object occupies.
    pub fn object_bytes(self) -> usize {
        if self.has_fields() {
            fields_bytes(self.len as usize)
        } else if self.kind == Kind::String as u8 {
            string_bytes(self.len as usize)
        } else if self.kind == Kind::Host as u8 {
            round_to_granules(HOST_BYTES)
        } else if self.kind == Kind::Decimal as u8 {
            DECIMAL_BYTES
        } else {
            INTEGER_BYTES
        }
    }

    /// # Safety
    /// `address` is that of an initialised object (or of poison).
    #[inline(always)]
    pub unsafe fn load(address: usize) -> Header {
        // SAFETY: the caller's promise; cells are 16-byte aligned.
        unsafe { at::<Header>(address).read() }
    }

    /// The header that is this word.
    #[inline(always)]
    pub const fn from_bits(bits: u64) -> Header {
        let [kind, flags, aux @ .., _, _, _, _] = bits.to_le_bytes();
        Header { kind, flags, aux: u16::from_le_bytes(aux), len: (bits >> 32) as u32 }
    }

    /// # Safety
    /// `address` is that of a cell of at least one granule that the caller may write.
    #[inline(always)]
    pub unsafe fn store(self, address: usize) {
        // SAFETY: the caller's promise; cells are 16-byte aligned.
        unsafe { at::<Header>(address).write(self) }
    }
}

/// Fills freed memory in debug builds: read as a value it is an immediate of no kind, read as a
/// header it has no kind either.
pub(crate) const POISON: u64 = 0xF7F7_F7F7_F7F7_F7F7;

/// Fills freed memory so that following a stale value panics.
#[cfg(debug_assertions)]
pub(crate) fn poison(base: usize, bytes: usize) {
    // SAFETY: called on mapped ranges of whole granules that hold nothing live.
    unsafe {
        at::<u8>(base).write_bytes(POISON as u8, bytes);
    }
}

/// Asks the processor to have what lies at `address` in its cache soon.
#[inline(always)]
pub(crate) fn prefetch(address: usize) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a hint, at any address: it neither reads nor fails.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(at(address));
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = address;
}

/// # Safety
/// `address` is that of an initialised word of a live cell.
#[inline(always)]
pub(crate) unsafe fn load(address: usize) -> u64 {
    // SAFETY: the caller's promise; cells consist of aligned words.
    unsafe { at::<u64>(address).read() }
}

/// # Safety
/// `address` is that of a word of a cell that the caller may write.
#[inline(always)]
pub(crate) unsafe fn store(address: usize, word: u64) {
    // SAFETY: the caller's promise; cells consist of aligned words.
    unsafe { at::<u64>(address).write(word) }
}

/// The word of a field that other mutators may be writing (rule 4).
///
/// # Safety
/// As [`load`].
#[inline(always)]
pub(crate) unsafe fn load_field(address: usize) -> u64 {
    // SAFETY: the caller's promise.
    unsafe { &*at::<AtomicU64>(address) }.load(Ordering::Acquire)
}

/// Writes a field that other mutators may be reading (rule 4).
///
/// # Safety
/// As [`store`].
#[inline(always)]
pub(crate) unsafe fn store_field(address: usize, word: u64) {
    // SAFETY: the caller's promise.
    unsafe { &*at::<AtomicU64>(address) }.store(word, Ordering::Release);
}

/// Kind and flags of the object at `address`, for the write barrier.
///
/// # Safety
/// `address` is that of an initialised object.
#[inline(always)]
unsafe fn flags_of<'a>(address: usize) -> &'a AtomicU8 {
    // SAFETY: the caller's promise; the flags are a byte of the header.
    unsafe { &*at::<AtomicU8>(address + std::mem::offset_of!(Header, flags)) }
}

/// Whether the object at `address` is old and in no remembered set.
///
/// # Safety
/// `address` is that of an initialised object.
#[inline(always)]
pub(crate) unsafe fn is_unlogged(address: usize) -> bool {
    // SAFETY: the caller's promise. Relaxed: `log` checks it again.
    unsafe { flags_of(address) }.load(Ordering::Relaxed) & UNLOGGED != 0
}

/// Notes the object at `address` as remembered; true for the one mutator that did.
///
/// # Safety
/// `address` is that of an initialised object.
pub(crate) unsafe fn log(address: usize) -> bool {
    // SAFETY: the caller's promise. Relaxed: nothing but the bit is published.
    unsafe { flags_of(address) }.fetch_and(!UNLOGGED, Ordering::Relaxed) & UNLOGGED != 0
}

/// The first word of a young cell, which another tracer may be forwarding.
///
/// # Safety
/// As [`load`].
#[inline(always)]
pub(crate) unsafe fn load_shared(address: usize) -> u64 {
    // SAFETY: the caller's promise. Relaxed: of a forwarded cell only the address is used.
    unsafe { &*at::<AtomicU64>(address) }.load(Ordering::Relaxed)
}

/// Replaces the first word of a young cell, which was `seen`, by `forward`. Returns the word found
/// there if another tracer was faster.
///
/// # Safety
/// As [`store`].
#[inline(always)]
pub(crate) unsafe fn forward_shared(address: usize, seen: u64, forward: u64) -> Result<(), u64> {
    // SAFETY: the caller's promise.
    let word = unsafe { &*at::<AtomicU64>(address) };
    // Relaxed: a tracer that finds the word uses the address in it, not the contents of the cell
    // there.
    word.compare_exchange(seen, forward, Ordering::Relaxed, Ordering::Relaxed).map(drop)
}

/// Address of field `index` of the object at `address`.
#[inline(always)]
pub(crate) const fn field_address(address: usize, index: usize) -> usize {
    address + Header::BYTES + index * 8
}

/// Where the bytes of the string at `address` begin.
#[inline(always)]
pub(crate) fn bytes_of(address: usize) -> *mut u8 {
    at(address + Header::BYTES)
}
