//! The value word: the only module that knows how a value is encoded in 64 bits.
//!
//! | low 3 bits | meaning |
//! |---|---|
//! | `x00` | fixnum: a 62-bit signed integer in the upper bits |
//! | `q01` | pair: address of a 16-byte headerless cell, `q` = the reference's quoted bit |
//! | `010` | object: address of an 8-byte header followed by fields or bytes |
//! | `x11` | immediate: kind in bits 2..8, payload in bits 32..64 |
//!
//! Rules the accessors that dereference rely on:
//!
//! 1. A pointer-tagged word is only made by the heap, for a cell it has initialised.
//! 2. A collection invalidates every `Value` that was not shown to it (the contract of
//!    [`crate::Heap::collect`]), as does dropping the heap. Debug builds poison what was freed, so
//!    following a stale `Value` panics there.
//!
//! Does not know where cells lie or when they move.

use std::fmt;

use crate::memory::address;
use crate::values::object::{self, Header, Kind, POISON};
use crate::values::symbol::SymbolId;

pub(crate) const TAG_MASK: u64 = 0b11;
const TAG_FIXNUM: u64 = 0b00;
pub(crate) const TAG_PAIR: u64 = 0b01;
pub(crate) const TAG_OBJECT: u64 = 0b10;
const TAG_IMMEDIATE: u64 = 0b11;

pub(crate) const QUOTED: u64 = 0b100;
/// Every bit that is not address: cells are 16-byte aligned.
pub(crate) const LOW_BITS: u64 = 0b1111;

const KIND_SHIFT: u32 = 2;
const PAYLOAD_SHIFT: u32 = 32;
const KIND_NIL: u64 = 0;
const KIND_UNDEFINED: u64 = 1;
const KIND_SYMBOL: u64 = 2;
/// Differs from `KIND_SYMBOL` in one bit, so that one mask tests for both.
const KIND_KEYWORD: u64 = 3;
const KIND_BUILTIN: u64 = 4;
const KIND_FORWARD: u64 = 5;

const fn immediate(kind: u64, payload: u32) -> Value {
    Value((payload as u64) << PAYLOAD_SHIFT | kind << KIND_SHIFT | TAG_IMMEDIATE)
}

/// One value of the language: an integer, an immediate or a reference into the heap.
///
/// Equality and hash are those of the word: identity for heap values, so two boxed integers or two
/// strings with equal contents differ, and so do two references to one pair that disagree about
/// quotedness.
#[repr(transparent)]
#[derive(Copy, Clone, PartialEq, Eq, Hash)]
pub struct Value(u64);

const _: () = assert!(size_of::<Value>() == 8 && align_of::<Value>() == 8);

impl Value {
    /// The empty list.
    pub const NIL: Value = immediate(KIND_NIL, 0);
    /// No value: an unbound variable, an empty slot. Programs never see it.
    pub const UNDEFINED: Value = immediate(KIND_UNDEFINED, 0);
    /// The integer 0.
    pub const ZERO: Value = Value::fixnum(0);
    /// The integer 1.
    pub const ONE: Value = Value::fixnum(1);
    /// The mark in the head of a pair that the collector has moved; the address replaces the
    /// payload.
    pub(crate) const FORWARD: Value = immediate(KIND_FORWARD, 0);

    /// Smallest integer that needs no box.
    pub const FIXNUM_MIN: i64 = -(1 << 61);
    /// Largest integer that needs no box.
    pub const FIXNUM_MAX: i64 = (1 << 61) - 1;

    /// The word itself, for hashing, tables and the VM's registers.
    #[inline(always)]
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// The value that [`Value::bits`] was taken from.
    ///
    /// # Safety
    /// `bits` came from [`Value::bits`] and, if it is a reference, no collection has
    /// happened since.
    #[inline(always)]
    pub const unsafe fn from_bits(bits: u64) -> Value {
        Value(bits)
    }

    // ---- integers ----

    /// An unboxed integer; `number` must satisfy [`Value::fits_fixnum`].
    #[inline(always)]
    pub const fn fixnum(number: i64) -> Value {
        debug_assert!(Value::fits_fixnum(number));
        Value((number as u64) << 2)
    }

    /// Whether `number` is representable without a box.
    #[inline(always)]
    pub const fn fits_fixnum(number: i64) -> bool {
        number >= Value::FIXNUM_MIN && number <= Value::FIXNUM_MAX
    }

    /// Whether this is an unboxed integer.
    #[inline(always)]
    pub const fn is_fixnum(self) -> bool {
        self.0 & TAG_MASK == TAG_FIXNUM
    }

    /// The integer of a fixnum; meaningless for any other value.
    #[inline(always)]
    pub const fn as_fixnum(self) -> i64 {
        debug_assert!(self.is_fixnum());
        (self.0 as i64) >> 2
    }

    /// Whether `a` and `b` are both unboxed integers, in one test.
    #[inline(always)]
    pub const fn both_fixnum(a: Value, b: Value) -> bool {
        (a.0 | b.0) & TAG_MASK == TAG_FIXNUM
    }

    /// The integer, boxed or not.
    #[inline]
    pub fn as_integer(self) -> Option<i64> {
        if self.is_fixnum() {
            return Some(self.as_fixnum());
        }
        if self.is_object() && self.kind() == Kind::Integer {
            // SAFETY: rules 1 and 2; an Integer object is one header and one word.
            return Some(unsafe { object::load(self.address() + Header::BYTES) } as i64);
        }
        None
    }

    /// The units of a decimal.
    #[inline]
    pub fn as_decimal_units(self) -> Option<i128> {
        if !self.is_object_of(Kind::Decimal) {
            return None;
        }
        let at = self.address() + Header::BYTES;
        // SAFETY: rules 1 and 2; a Decimal object is one header and two words.
        let (low, high) = unsafe { (object::load(at), object::load(at + 8)) };
        Some((u128::from(high) << 64 | u128::from(low)) as i128)
    }

    // ---- immediates ----

    /// A symbol whose name does not start with `:`. [`Heap::intern`](crate::Heap::intern) chooses for you.
    #[inline(always)]
    pub const fn symbol(id: SymbolId) -> Value {
        immediate(KIND_SYMBOL, id.0)
    }

    /// A symbol whose name starts with `:`.
    #[inline(always)]
    pub const fn keyword(id: SymbolId) -> Value {
        immediate(KIND_KEYWORD, id.0)
    }

    /// The built-in function with this index in the VM's table.
    #[inline(always)]
    pub const fn builtin(index: u32) -> Value {
        immediate(KIND_BUILTIN, index)
    }

    /// The identifier of a symbol or keyword.
    #[inline(always)]
    pub const fn as_symbol(self) -> Option<SymbolId> {
        if self.is_symbol() { Some(SymbolId((self.0 >> PAYLOAD_SHIFT) as u32)) } else { None }
    }

    /// The index of a built-in function.
    #[inline(always)]
    pub const fn as_builtin(self) -> Option<u32> {
        if self.0 as u32 == Value::builtin(0).0 as u32 {
            Some((self.0 >> PAYLOAD_SHIFT) as u32)
        } else {
            None
        }
    }

    /// Whether this is a symbol or a keyword.
    #[inline(always)]
    pub const fn is_symbol(self) -> bool {
        let either = KIND_SYMBOL ^ KIND_KEYWORD;
        self.0 as u32 & !((either << KIND_SHIFT) as u32) == Value::symbol(SymbolId(0)).0 as u32
    }

    /// Whether this is a symbol whose name starts with `:`.
    #[inline(always)]
    pub const fn is_keyword(self) -> bool {
        self.0 as u32 == Value::keyword(SymbolId(0)).0 as u32
    }

    /// Whether this is the empty list.
    #[inline(always)]
    pub const fn is_nil(self) -> bool {
        self.0 == Value::NIL.0
    }

    /// Whether conditions take this as false: zero, as an integer or as a decimal, and the empty
    /// list.
    #[inline(always)]
    pub fn is_false(self) -> bool {
        self.0 == Value::ZERO.0 || self.is_nil() || self.as_decimal_units() == Some(0)
    }

    /// Whether this is [`Value::UNDEFINED`].
    #[inline(always)]
    pub const fn is_undefined(self) -> bool {
        self.0 == Value::UNDEFINED.0
    }

    // ---- references ----

    /// Whether this is a list cell.
    #[inline(always)]
    pub const fn is_pair(self) -> bool {
        self.0 & TAG_MASK == TAG_PAIR
    }

    /// Whether this is a list: a cell or the empty list.
    #[inline(always)]
    pub const fn is_list(self) -> bool {
        self.is_pair() || self.is_nil()
    }

    /// Whether this is a reference to an object with a header (anything on the heap but a pair).
    #[inline(always)]
    pub const fn is_object(self) -> bool {
        self.0 & TAG_MASK == TAG_OBJECT
    }

    /// Whether this refers to heap memory at all.
    #[inline(always)]
    pub(crate) const fn is_reference(self) -> bool {
        (self.0 ^ (self.0 >> 1)) & 1 == 1
    }

    /// Whether this reference to a pair carries the quoted bit; false for all other values.
    #[inline(always)]
    pub const fn is_quoted(self) -> bool {
        self.0 & (QUOTED | TAG_MASK) == QUOTED | TAG_PAIR
    }

    /// The same pair through a reference with the given quoted bit; other values as they are.
    #[inline(always)]
    #[must_use]
    pub const fn with_quoted(self, quoted: bool) -> Value {
        if self.is_pair() { Value(self.0 & !QUOTED | (quoted as u64) << 2) } else { self }
    }

    /// The address of the cell a reference points to: stable for old cells, so side tables may
    /// key on it. Meaningless for other values.
    #[inline(always)]
    pub const fn address(self) -> usize {
        debug_assert!(self.is_reference());
        (self.0 & !LOW_BITS) as usize
    }

    #[inline(always)]
    pub(crate) const fn from_pair_address(address: usize, quoted: bool) -> Value {
        debug_assert!(address as u64 & LOW_BITS == 0);
        Value(address as u64 | TAG_PAIR | (quoted as u64) << 2)
    }

    #[inline(always)]
    pub(crate) const fn from_object_address(address: usize) -> Value {
        debug_assert!(address as u64 & LOW_BITS == 0);
        Value(address as u64 | TAG_OBJECT)
    }

    /// This reference, with its tag and quoted bit, to another address.
    #[inline(always)]
    pub(crate) const fn moved_to(self, address: usize) -> Value {
        Value(address as u64 | self.0 & LOW_BITS)
    }

    /// The first word of a pair.
    #[inline(always)]
    #[must_use]
    pub fn head(self) -> Value {
        debug_assert!(self.is_pair(), "head of {self:?}, expected a pair");
        // SAFETY: rules 1 and 2; a pair is two words.
        let head = Value(unsafe { object::load(self.address()) });
        debug_assert!(head.0 != POISON, "head of a pair that a collection has freed");
        head
    }

    /// The second word of a pair.
    #[inline(always)]
    #[must_use]
    pub fn tail(self) -> Value {
        debug_assert!(self.is_pair(), "tail of {self:?}, expected a pair");
        // SAFETY: rules 1 and 2; a pair is two words.
        let tail = Value(unsafe { object::load(self.address() + 8) });
        debug_assert!(tail.0 != POISON, "tail of a pair that a collection has freed");
        tail
    }

    /// The whole header; its flags are read apart where mutators may be changing them.
    #[inline(always)]
    pub(crate) fn header(self) -> Header {
        debug_assert!(self.is_object(), "header of {self:?}, expected an object");
        // SAFETY: rules 1 and 2; every object begins with a header.
        let header = unsafe { Header::load(self.address()) };
        debug_assert!(header.kind != POISON as u8, "an object that a collection has freed");
        header
    }

    /// The byte of the kind of an object.
    #[inline(always)]
    pub(crate) fn object_kind(self) -> u8 {
        debug_assert!(self.is_object(), "kind of {self:?}, expected an object");
        // SAFETY: rules 1 and 2; every object begins with a header.
        let kind = unsafe { object::kind_at(self.address()) };
        debug_assert!(kind != POISON as u8, "an object that a collection has freed");
        kind
    }

    /// Fields or bytes of an object.
    #[inline(always)]
    pub(crate) fn object_len(self) -> usize {
        debug_assert!(self.object_kind() != POISON as u8, "an object that a collection has freed");
        // SAFETY: rules 1 and 2; every object begins with a header.
        unsafe { object::len_at(self.address()) }
    }

    /// What this value is.
    #[inline(always)]
    pub fn kind(self) -> Kind {
        match self.0 & TAG_MASK {
            TAG_FIXNUM => Kind::Integer,
            TAG_PAIR => Kind::Pair,
            TAG_OBJECT => object::kind_of(self.object_kind()),
            _ => self.immediate_kind(),
        }
    }

    #[inline]
    fn immediate_kind(self) -> Kind {
        match u64::from(self.0 as u8) >> KIND_SHIFT {
            KIND_NIL => Kind::Nil,
            KIND_SYMBOL | KIND_KEYWORD => Kind::Symbol,
            KIND_BUILTIN => Kind::Builtin,
            kind => {
                debug_assert!(kind == KIND_UNDEFINED, "{self:?} is no value of the mutator");
                Kind::Undefined
            }
        }
    }

    #[inline(always)]
    fn is_object_of(self, kind: Kind) -> bool {
        self.is_object() && self.object_kind() == kind as u8
    }

    /// Whether this is a closure object.
    #[inline(always)]
    pub fn is_closure(self) -> bool {
        self.is_object_of(Kind::Closure)
    }

    /// Whether this is an error object.
    #[inline(always)]
    pub fn is_error(self) -> bool {
        self.is_object_of(Kind::Error)
    }

    /// Whether this is a string.
    #[inline(always)]
    pub fn is_string(self) -> bool {
        self.is_object() && object::is_string(self.object_kind())
    }

    // ---- contents of objects ----

    /// Number of fields of an object that has fields; zero for strings, slices too, hosts and
    /// numbers.
    #[inline(always)]
    pub fn field_count(self) -> usize {
        if object::has_fields(self.object_kind()) { self.object_len() } else { 0 }
    }

    /// Field `index` of an object with fields; the index is checked in debug builds only.
    #[inline(always)]
    #[must_use]
    pub fn field(self, index: usize) -> Value {
        debug_assert!(index < self.field_count(), "field {index} of {}", self.field_count());
        // SAFETY: rules 1 and 2; the caller's index is below the field count.
        Value(unsafe { object::load_field(object::field_address(self.address(), index)) })
    }

    /// The 16 bits beside an object's length, whose meaning the creator of the object chooses.
    #[inline(always)]
    pub fn aux(self) -> u16 {
        debug_assert!(self.object_kind() != POISON as u8, "an object that a collection has freed");
        // SAFETY: rules 1 and 2; every object begins with a header.
        unsafe { object::aux_at(self.address()) }
    }
}

/// Shows the word without following it, so that it is usable on broken heaps.
impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let payload = self.0 >> PAYLOAD_SHIFT;
        match self.0 & TAG_MASK {
            TAG_FIXNUM => write!(f, "Fixnum({})", self.as_fixnum()),
            TAG_PAIR if self.is_quoted() => write!(f, "QuotedPair({:#x})", self.address()),
            TAG_PAIR => write!(f, "Pair({:#x})", self.address()),
            TAG_OBJECT => write!(f, "Object({:#x})", self.address()),
            _ => match u64::from(self.0 as u8) >> KIND_SHIFT {
                KIND_NIL => f.write_str("Nil"),
                KIND_UNDEFINED => f.write_str("Undefined"),
                KIND_SYMBOL => write!(f, "Symbol({payload})"),
                KIND_KEYWORD => write!(f, "Keyword({payload})"),
                KIND_BUILTIN => write!(f, "Builtin({payload})"),
                KIND_FORWARD => f.write_str("Forward"),
                _ => write!(f, "Invalid({:#x})", self.0),
            },
        }
    }
}

/// The words of a pair or the fields of an object, as a slice that may be changed.
///
/// # Safety
/// `first` is the address of `count` initialised value words, which nothing else accesses while
/// the slice lives.
#[inline(always)]
pub(crate) unsafe fn slots<'a>(first: usize, count: usize) -> &'a mut [Value] {
    // SAFETY: the caller's promise; `Value` is a transparent word.
    unsafe { std::slice::from_raw_parts_mut(address::at::<Value>(first), count) }
}
