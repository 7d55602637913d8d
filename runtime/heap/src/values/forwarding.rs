//! Forwarding words: what a collection leaves in the first word of a cell that it has moved.
//!
//! The new address follows a mark in the low byte, which neither a live head nor a live header has.

use crate::values::value::Value;

/// Header kind of an object that was moved; the rest of the header is the new address.
pub(crate) const FORWARDED: u8 = 0xFF;
/// Where in a forwarding word the address begins, in bits; below it, the mark that it is one.
const FORWARD_SHIFT: u32 = 8;

/// The word that the collector puts in the place of the head of a pair that it has moved to `to`.
#[inline(always)]
pub(crate) const fn forward_pair(to: usize) -> u64 {
    (to as u64) << FORWARD_SHIFT | Value::FORWARD.bits()
}

/// Where a pair with this head was moved to, if it was.
#[inline(always)]
pub(crate) const fn pair_moved_to(head: u64) -> Option<usize> {
    if head as u8 == Value::FORWARD.bits() as u8 {
        Some((head >> FORWARD_SHIFT) as usize)
    } else {
        None
    }
}

/// The word that the collector puts in the place of the header of an object that it has moved.
#[inline(always)]
pub(crate) const fn forward_object(to: usize) -> u64 {
    (to as u64) << FORWARD_SHIFT | FORWARDED as u64
}

/// Where an object with this header was moved to, if it was.
#[inline(always)]
pub(crate) const fn object_moved_to(header: u64) -> Option<usize> {
    if header as u8 == FORWARDED { Some((header >> FORWARD_SHIFT) as usize) } else { None }
}
