//! The layout of values, cells and the nursery for native code, which the VM's compiler generates
//! and which accesses them without the functions of this crate.
//!
//! The constants are derived from `value` and `object`.

use crate::values::object::{self, Header, Kind};
use crate::values::value;
use crate::values::value::Value;
use std::sync::atomic::{AtomicU64, AtomicUsize};

/// The bits of a word that tell references, numbers and immediates apart.
pub const TAG_MASK: i8 = value::TAG_MASK as i8;
/// Tag of a reference to a pair.
pub const TAG_PAIR: i8 = value::TAG_PAIR as i8;
/// Tag of a reference to an object, whose address is the word less this.
pub const TAG_OBJECT: i8 = value::TAG_OBJECT as i8;
/// Low bits of a quoted reference to a pair.
pub const QUOTED_PAIR: i8 = (value::TAG_PAIR | value::QUOTED) as i8;
/// Clears everything but the address in a reference to a pair.
pub const ADDRESS_MASK: i8 = !(value::LOW_BITS as i8);

/// Bytes of a pair: head, tail.
pub const PAIR_BYTES: i32 = object::PAIR_BYTES as i32;
/// Distance from an object to the byte with its kind.
pub const KIND_OFFSET: i32 = std::mem::offset_of!(Header, kind) as i32;
/// Distance from an object to the byte with its flags.
pub const FLAGS_OFFSET: i32 = std::mem::offset_of!(Header, flags) as i32;
/// Flag of an old object that has to be remembered before a reference is written to it.
pub const UNLOGGED: i8 = object::UNLOGGED as i8;

/// Distance from an object to a field.
pub const fn field_offset(index: usize) -> i32 {
    object::field_address(0, index) as i32
}

/// Bytes of an object with that many fields.
pub const fn object_bytes(fields: usize) -> i32 {
    object::fields_bytes(fields) as i32
}

/// First word of a young object of a kind that has fields.
pub const fn header(kind: Kind, fields: u32) -> u64 {
    kind as u64 | (fields as u64) << 32
}

/// The state of a mutator that its native code works on. Valid until the heap is used in another
/// way; before that, [`crate::Heap::set_cursor`] takes [`NativeContext::cursor`] back.
#[derive(Debug)]
#[repr(C)]
pub struct NativeContext {
    /// Address of the next young cell: a multiple of 16.
    pub cursor: usize,
    /// No cell may end beyond this address.
    pub limit: usize,
    /// Not 0 when the mutator is wanted at a safepoint.
    pub poll_flag: *const AtomicUsize,
    /// The global variables by symbol.
    pub globals: *const AtomicU64,
}

const _: () = assert!(
    header(Kind::Closure, 3) == {
        let header = Header::new(Kind::Closure, 0, 3);
        header.kind as u64 | (header.flags as u64) << 8 | (header.len as u64) << 32
    }
);
const _: () = assert!(Value::NIL.bits() < 128 && Value::UNDEFINED.bits() < 128);
