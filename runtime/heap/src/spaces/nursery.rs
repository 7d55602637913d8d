//! A mutator's nursery: an area of the young region, in which objects are allocated by moving a
//! pointer.
//!
//! 1. The first `nursery_bytes` are the nursery proper. When they are full the limit moves once to
//!    the end of the area (*overflow room*), because allocation never waits for a collection; the
//!    heap requests one at the next safepoint.
//! 2. A collection empties the area and returns the overflow room to the system.
//!
//! Does not know what is allocated.

use crate::memory::os;
use crate::values::object::PAIR_BYTES;

#[derive(Clone)]
pub(crate) struct Nursery {
    /// Where the next cell goes.
    pub cursor: usize,
    /// No cell may end beyond this address.
    pub limit: usize,
    base: usize,
    reserved_bytes: usize,
    proper_bytes: usize,
}

impl Nursery {
    /// An empty area of `reserved_bytes` at `base`, both multiples of 64 KiB, with a nursery of
    /// `nursery_bytes` (rounded up to that, but within the area).
    pub fn new(base: usize, reserved_bytes: usize, nursery_bytes: usize) -> Nursery {
        let nursery_bytes = os::round_to_grains(nursery_bytes.max(1)).unwrap_or(reserved_bytes);
        let nursery_bytes = nursery_bytes.min(reserved_bytes);
        Nursery {
            cursor: base,
            limit: base + nursery_bytes,
            base,
            reserved_bytes,
            proper_bytes: nursery_bytes,
        }
    }

    /// Base and length of the area.
    pub fn area(&self) -> (usize, usize) {
        (self.base, self.reserved_bytes)
    }

    pub fn nursery_bytes(&self) -> usize {
        self.proper_bytes
    }

    pub fn used_bytes(&self) -> usize {
        self.cursor - self.base
    }

    /// Whether that many bytes at `address` lie in the area and were allocated.
    pub fn holds(&self, address: usize, bytes: usize) -> bool {
        address >= self.base && address + bytes <= self.cursor
    }

    /// Bumps after the limit was hit: opens the overflow room if that is still closed. `None`
    /// when the reservation is exhausted.
    pub fn bump_overflow(&mut self, bytes: usize) -> Option<usize> {
        self.limit = self.base + self.reserved_bytes;
        let at = self.cursor;
        if bytes > self.limit - at {
            return None;
        }
        self.cursor = at + bytes;
        Some(at)
    }

    /// Whether the overflow room is open.
    pub fn overflows(&self) -> bool {
        self.limit > self.base + self.proper_bytes
    }

    /// Ends the nursery proper after `bytes`, this time, or where allocation is if that is later.
    pub fn shorten(&mut self, bytes: usize) {
        let end = self.base + bytes.min(self.proper_bytes) / PAIR_BYTES * PAIR_BYTES;
        self.limit = end.max(self.cursor);
    }

    /// Empties the region. Every live cell has been moved out.
    pub fn reset(&mut self) {
        let base = self.base;
        #[cfg(debug_assertions)]
        crate::values::object::poison(base, self.used_bytes().min(self.proper_bytes));
        let used_grains = self.used_bytes().next_multiple_of(os::GRAIN_BYTES);
        if used_grains > self.proper_bytes {
            // SAFETY: the range is the touched part of this area's overflow room, in grains
            // (base and nursery size are multiples), and the region is empty.
            unsafe { os::decommit(base + self.proper_bytes, used_grains - self.proper_bytes) };
        }
        self.cursor = base;
        self.limit = base + self.proper_bytes;
    }
}
