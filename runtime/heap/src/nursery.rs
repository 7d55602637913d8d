//! The young region: one reserved range where objects are born by bumping a pointer.
//!
//! 1. The first `nursery_bytes` are the nursery proper. When they are full the limit moves once to
//!    the end of the reservation (*overflow room*), because allocation never waits for a
//!    collection; the heap asks for one at the next safepoint.
//! 2. Young is exactly what lies in the reservation: one subtraction and one comparison.
//! 3. A collection empties the whole region and returns the overflow room to the system.
//!
//! Does not know what is allocated.

use crate::error::HeapError;
use crate::object::PAIR_BYTES;
use crate::os::{self, Mapping};

pub(crate) struct Young {
    /// Where the next cell goes.
    pub cursor: usize,
    /// No cell may end beyond this address.
    pub limit: usize,
    mapping: Mapping,
    nursery_bytes: usize,
}

impl Young {
    /// A nursery of `nursery_bytes` (rounded up to 64 KiB) with overflow room up to `reserve_bytes`.
    pub fn new(nursery_bytes: usize, reserve_bytes: usize) -> Result<Young, HeapError> {
        let mapping = Mapping::new(reserve_bytes.max(nursery_bytes).max(1))?;
        // Cannot overflow: the mapping is at least as large, and rounded the same way.
        let nursery_bytes = os::round_to_grains(nursery_bytes.max(1)).unwrap_or(mapping.bytes());
        let base = mapping.base();
        Ok(Young { cursor: base, limit: base + nursery_bytes, mapping, nursery_bytes })
    }

    pub fn base(&self) -> usize {
        self.mapping.base()
    }

    pub fn reserved_bytes(&self) -> usize {
        self.mapping.bytes()
    }

    pub fn nursery_bytes(&self) -> usize {
        self.nursery_bytes
    }

    pub fn used_bytes(&self) -> usize {
        self.cursor - self.mapping.base()
    }

    #[inline(always)]
    pub fn contains(&self, address: usize) -> bool {
        address.wrapping_sub(self.mapping.base()) < self.mapping.bytes()
    }

    /// Bumps after the limit was hit: opens the overflow room if that is still closed. `None`
    /// when the reservation is exhausted.
    pub fn bump_overflow(&mut self, bytes: usize) -> Option<usize> {
        self.limit = self.mapping.base() + self.mapping.bytes();
        let at = self.cursor;
        if bytes > self.limit - at {
            return None;
        }
        self.cursor = at + bytes;
        Some(at)
    }

    /// Whether the overflow room is open.
    pub fn overflows(&self) -> bool {
        self.limit > self.mapping.base() + self.nursery_bytes
    }

    /// Ends the nursery proper after `bytes`, this time, or where allocation is if that is later.
    pub fn shorten(&mut self, bytes: usize) {
        let end = self.mapping.base() + bytes.min(self.nursery_bytes) / PAIR_BYTES * PAIR_BYTES;
        self.limit = end.max(self.cursor);
    }

    /// Empties the region. Every live cell has been moved out.
    pub fn reset(&mut self) {
        let base = self.mapping.base();
        #[cfg(debug_assertions)]
        poison(base, self.used_bytes().min(self.nursery_bytes));
        let used_grains = self.used_bytes().next_multiple_of(os::GRAIN_BYTES);
        if used_grains > self.nursery_bytes {
            // SAFETY: the range is the touched part of this mapping's overflow room, in grains
            // (base and nursery size are multiples), and the region is empty.
            unsafe { os::decommit(base + self.nursery_bytes, used_grains - self.nursery_bytes) };
        }
        self.cursor = base;
        self.limit = base + self.nursery_bytes;
    }
}

/// Fills freed memory so that a stale value is recognised when it is followed.
#[cfg(debug_assertions)]
pub(crate) fn poison(base: usize, bytes: usize) {
    // SAFETY: called on mapped ranges of whole granules that hold nothing live.
    unsafe {
        crate::object::at::<u8>(base).write_bytes(crate::value::POISON as u8, bytes);
    }
}
