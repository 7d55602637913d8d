//! Strings: where their bytes are, slices that share them, strings that grow, and what is known of
//! their encoding.
//!
//! 1. A slice shares the bytes of its whole if it has at least a quarter of them; otherwise it is a
//!    string of its own. So what a slice keeps alive is at most four times its size, and taking one
//!    costs no more than what is taken.
//! 2. A *growing* whole has room behind its bytes and begins with their number. Appending to the
//!    string that ends there claims room by raising the number, writes into it, and makes a slice;
//!    no slice made before has those bytes. Appending to another string copies it. So text that is
//!    built up from left to right is copied a bounded number of times, and stays a value.
//! 3. The first question for the encoding of a string is answered by reading it; the answer is kept
//!    beside the length. Slices and longer strings inherit it where it follows.

use crate::memory::address;
use crate::mutator::heap::Heap;
use crate::values::object::{
    self, Header, Kind, SLICE_FIELDS, SLICE_LENGTH, SLICE_START, SLICE_WHOLE, STRING_SLICE,
};
use crate::values::value::Value;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

/// Shortest slice that shares, in bytes: below, a copy is not larger than a slice.
const SLICE_BYTES_MIN: usize = 48;
/// A slice shares if it has this part of its whole.
const SLICE_WHOLE_DIVISOR: usize = 4;
/// Shortest string that gets room to grow, in bytes.
const GROWING_BYTES_MIN: usize = 256;
/// An appended string gets room to grow if what is appended is less than this part of it.
const GROWING_STEP_DIVISOR: usize = 4;
/// Room of a growing string, as a part of its bytes.
const GROWING_ROOM_DIVISOR: usize = 2;
/// Bytes at the start of a growing whole that hold the number of those in use, themselves included.
const USED_BYTES: usize = size_of::<u64>();

/// The encoding is not known (beside the length, as the next three).
const UNKNOWN: u16 = 0;
const ASCII: u16 = 1;
/// UTF-8, perhaps ASCII.
const UTF8: u16 = 2;
const NOT_UTF8: u16 = 3;
/// A growing whole, which no program has.
const GROWING: u16 = 4;

/// The bytes of a string: a part of a whole.
#[derive(Copy, Clone)]
struct Part {
    whole: Value,
    start: usize,
    length: usize,
}

impl Part {
    /// The part that a string is.
    #[inline(always)]
    fn of(string: Value) -> Part {
        if string.object_kind() != STRING_SLICE {
            return Part { whole: string, start: 0, length: string.object_len() };
        }
        // SAFETY: a slice has these fields.
        let field = |index| unsafe {
            Value::from_bits(object::load_field(object::field_address(string.address(), index)))
        };
        Part {
            whole: field(SLICE_WHOLE),
            start: field(SLICE_START).as_fixnum() as usize,
            length: field(SLICE_LENGTH).as_fixnum() as usize,
        }
    }

    /// Address of the first byte.
    #[inline(always)]
    fn first(self) -> *mut u8 {
        object::bytes_of(self.whole.address() + self.start)
    }
}

/// The bytes of a string.
///
/// # Safety
/// `string` is one, and stays where it is while the slice lives.
#[inline(always)]
pub(crate) unsafe fn bytes<'a>(string: Value) -> &'a [u8] {
    let part = Part::of(string);
    // SAFETY: the caller's promise; rules 1 and 2 of `Value`. The bytes of a part are initialised,
    // and nothing writes to them (rule 2).
    unsafe { std::slice::from_raw_parts(part.first(), part.length) }
}

impl Value {
    /// What is known of a string's encoding.
    #[inline(always)]
    fn known_encoding(self) -> u16 {
        // SAFETY: every object begins with a header. Relaxed: nothing else is published.
        unsafe { object::shared_aux_at(self.address()) }.load(Ordering::Relaxed)
    }

    /// The encoding of a string, found out if it is not known.
    #[inline]
    fn encoding(self, heap: &Heap) -> u16 {
        match self.known_encoding() {
            UNKNOWN => self.find_encoding(heap),
            known => known,
        }
    }

    #[cold]
    fn find_encoding(self, heap: &Heap) -> u16 {
        let bytes = self.bytes(heap);
        let found = if bytes.is_ascii() {
            ASCII
        } else if std::str::from_utf8(bytes).is_ok() {
            UTF8
        } else {
            NOT_UTF8
        };
        // SAFETY: every object begins with a header. Relaxed: all mutators find the same.
        unsafe { object::shared_aux_at(self.address()) }.store(found, Ordering::Relaxed);
        found
    }

    /// Whether this is a string known to be ASCII. Reads a string once in its life.
    #[inline]
    pub fn is_ascii(self, heap: &Heap) -> bool {
        self.is_string() && self.encoding(heap) == ASCII
    }

    /// The text, if this is a string. Reads a string once in its life.
    ///
    /// # Errors
    /// The first byte that is not UTF-8.
    #[inline]
    pub fn as_text(self, heap: &Heap) -> Option<Result<&str, usize>> {
        let bytes = self.as_bytes(heap)?;
        if self.encoding(heap) == NOT_UTF8 {
            let at = std::str::from_utf8(bytes).map_or_else(|error| error.valid_up_to(), str::len);
            return Some(Err(at));
        }
        // SAFETY: rule 3; the bytes were found to be UTF-8, or follow from such.
        Some(Ok(unsafe { std::str::from_utf8_unchecked(bytes) }))
    }
}

/// What follows for a slice from what is known of a string.
fn inherited(known: u16, bytes: &[u8], range: &Range<usize>) -> u16 {
    let begins = |at: usize| bytes.get(at).is_none_or(|byte| byte & 0xC0 != 0x80);
    match known {
        ASCII => ASCII,
        UTF8 if begins(range.start) && begins(range.end) => UTF8,
        _ => UNKNOWN,
    }
}

/// Whether a slice of so many bytes shares those of its whole (rule 1).
fn is_shared(length: usize, whole: Value) -> bool {
    length >= SLICE_BYTES_MIN && whole.object_len() / SLICE_WHOLE_DIVISOR <= length
}

impl Heap {
    /// A string of these bytes.
    ///
    /// # Panics
    /// Above 4 GiB; ask [`Heap::room`] first.
    pub fn string(&mut self, bytes: &[u8]) -> Value {
        let at = self.allocate_string(bytes.len());
        // SAFETY: the string's bytes are fresh memory of that length.
        unsafe {
            object::bytes_of(at).copy_from_nonoverlapping(bytes.as_ptr(), bytes.len());
        }
        Value::from_object_address(at)
    }

    /// The bytes of a string that the runtime uses as a table of its own and that only the caller
    /// uses at the moment, so that no program has it as a value.
    ///
    /// # Panics
    /// When this is not a string, or a slice.
    #[inline]
    pub fn bytes_mut(&mut self, string: Value) -> &mut [u8] {
        assert!(
            string.kind() == Kind::String && string.object_kind() == Kind::String as u8,
            "bytes of {string:?}, expected a String that is no slice"
        );
        let length = string.object_len();
        // SAFETY: a string's header is followed by `len` initialised bytes; the exclusive borrow of
        // the heap excludes collections and every slice made by this handle's `as_bytes`; the
        // caller makes sure that no other mutator has it.
        unsafe { std::slice::from_raw_parts_mut(object::bytes_of(string.address()), length) }
    }

    /// A string of `length` bytes, zeroed, then written by `fill`.
    ///
    /// # Panics
    /// Above 4 GiB; ask [`Heap::room`] first.
    pub fn string_from(&mut self, length: usize, fill: impl FnOnce(&mut [u8])) -> Value {
        let at = self.allocate_string(length);
        let bytes = object::bytes_of(at);
        // SAFETY: the string's bytes are fresh memory of that length, initialised here before they
        // are borrowed, and no other thread has them.
        fill(unsafe {
            bytes.write_bytes(0, length);
            std::slice::from_raw_parts_mut(bytes, length)
        });
        Value::from_object_address(at)
    }

    fn allocate_string(&mut self, length: usize) -> usize {
        let len = u32::try_from(length)
            .unwrap_or_else(|_| panic!("a string of {length} bytes, the most is {}", u32::MAX));
        self.allocate(object::string_bytes(length), Header::new(Kind::String, 0, len))
    }

    /// These bytes of a string, as a string (rule 1).
    ///
    /// # Panics
    /// When it has no such bytes, or this is not a string.
    pub fn slice(&mut self, string: Value, range: Range<usize>) -> Value {
        let bytes = string.bytes(self);
        let encoding = inherited(string.known_encoding(), bytes, &range);
        let part = Part::of(string);
        assert!(
            range.start <= range.end && range.end <= part.length,
            "bytes {range:?} of a string of {}",
            part.length
        );
        let length = range.len();
        if length == part.length {
            return string;
        }
        let slice = Part { start: part.start + range.start, length, ..part };
        if is_shared(length, part.whole) {
            return self.slice_of(slice, encoding);
        }
        let at = self.allocate_string(length);
        // SAFETY: the whole did not move, for allocation never collects; the memory is fresh and
        // as long.
        unsafe { object::bytes_of(at).copy_from_nonoverlapping(slice.first(), length) };
        with_encoding(at, encoding)
    }

    /// Bytes that a string of so many takes.
    #[inline]
    pub const fn string_bytes(length: usize) -> usize {
        object::string_bytes(length)
    }

    /// Bytes that [`Heap::slice`] allocates for so many bytes of a string.
    #[inline]
    pub fn slice_bytes(&self, string: Value, length: usize) -> usize {
        if is_shared(length, Part::of(string).whole) {
            return object::fields_bytes(SLICE_FIELDS);
        }
        object::string_bytes(length)
    }

    fn slice_of(&mut self, part: Part, encoding: u16) -> Value {
        let header =
            Header { kind: STRING_SLICE, ..Header::new(Kind::String, 0, SLICE_FIELDS as u32) };
        let at = self.allocate(object::fields_bytes(SLICE_FIELDS), header);
        let fields = [
            (SLICE_WHOLE, part.whole),
            (SLICE_START, Value::fixnum(part.start as i64)),
            (SLICE_LENGTH, Value::fixnum(part.length as i64)),
        ];
        for (index, value) in fields {
            // SAFETY: the object has these fields.
            unsafe { object::store(object::field_address(at, index), value.bits()) };
        }
        with_encoding(at, encoding)
    }

    /// The string with these bytes behind its own (rule 2).
    ///
    /// # Panics
    /// Above 4 GiB, and when this is not a string; ask [`Heap::room`] for
    /// [`Heap::append_bytes`] first.
    pub fn append(&mut self, string: Value, more: &[u8]) -> Value {
        let part = Part::of(string);
        let length = part.length + more.len();
        let encoding = match string.known_encoding() {
            ASCII if more.is_ascii() => ASCII,
            ASCII | UTF8 if std::str::from_utf8(more).is_ok() => UTF8,
            _ => UNKNOWN,
        };
        if let Some(room) = claim(part, more.len()) {
            // SAFETY: these bytes are in the whole, and claimed: nothing else reads or writes them.
            unsafe { room.copy_from_nonoverlapping(more.as_ptr(), more.len()) };
            return self.slice_of(Part { length, ..part }, encoding);
        }
        let whole_bytes = appended_bytes(part.length, more.len());
        let is_growing = whole_bytes > length;
        let at = self.allocate_string(whole_bytes);
        let start = if is_growing { USED_BYTES } else { 0 };
        // SAFETY: the memory is fresh, and long enough; the part did not move, for allocation never
        // collects.
        unsafe {
            let first = object::bytes_of(at + start);
            first.copy_from_nonoverlapping(part.first(), part.length);
            first.add(part.length).copy_from_nonoverlapping(more.as_ptr(), more.len());
        }
        if !is_growing {
            return with_encoding(at, encoding);
        }
        // SAFETY: as above; the number is the first word of the whole, which is aligned.
        unsafe { object::store(at + Header::BYTES, (start + length) as u64) };
        let whole = with_encoding(at, GROWING);
        self.slice_of(Part { whole, start, length }, encoding)
    }

    /// Bytes that [`Heap::append`] allocates at most, for so many bytes behind those of a string.
    pub fn append_bytes(&self, string: Value, more: usize) -> usize {
        let part = Part::of(string);
        let slice = object::fields_bytes(SLICE_FIELDS);
        if has_room(part, more) {
            return slice;
        }
        object::string_bytes(appended_bytes(part.length, more)) + slice
    }
}

/// Bytes of the string that so many bytes behind those of another make, room to grow included.
fn appended_bytes(length: usize, more: usize) -> usize {
    let all = length + more;
    if all < GROWING_BYTES_MIN || more > all / GROWING_STEP_DIVISOR {
        return all;
    }
    (USED_BYTES + all + all / GROWING_ROOM_DIVISOR).min(u32::MAX as usize).max(all)
}

/// The number of bytes in use of a growing whole.
fn used<'a>(whole: Value) -> Option<&'a AtomicU64> {
    if whole.known_encoding() != GROWING {
        return None;
    }
    // SAFETY: rule 2; the number is the first word of a growing whole. Both callers let go of the
    // reference at once, before anything can move.
    Some(unsafe { &*address::at::<AtomicU64>(whole.address() + Header::BYTES) })
}

/// Whether so many bytes fit behind a part, and it ends where its whole does.
fn has_room(part: Part, more: usize) -> bool {
    let end = part.start + part.length;
    let fits = end + more <= part.whole.object_len();
    // Relaxed: the bytes before the end were published together with the part.
    fits && used(part.whole).is_some_and(|used| used.load(Ordering::Relaxed) == end as u64)
}

/// Takes room for so many bytes behind a part, if it is the last of a whole that has it.
fn claim(part: Part, more: usize) -> Option<*mut u8> {
    if !has_room(part, more) {
        return None;
    }
    let end = part.start + part.length;
    let (now, then) = (end as u64, (end + more) as u64);
    // Relaxed: as in `has_room`; what is written is published with the slice that will have it.
    used(part.whole)?.compare_exchange(now, then, Ordering::Relaxed, Ordering::Relaxed).ok()?;
    Some(object::bytes_of(part.whole.address() + end))
}

/// The object at `at`, of which so much is known.
fn with_encoding(at: usize, encoding: u16) -> Value {
    // SAFETY: made a moment ago; no other mutator has it.
    unsafe { object::set_aux_at(at, encoding) };
    Value::from_object_address(at)
}
