//! A claimed range of positions: its items are taken one by one, or dropped.

use super::ring::Ring;
use std::ops::Range;

/// The items at consecutive filled positions. Dropping it drops those that were not taken, because
/// a claimed slot that is never freed would end the queue.
pub(super) struct Batch<'a, T> {
    ring: &'a Ring<T>,
    positions: Range<u64>,
}

impl<'a, T> Batch<'a, T> {
    /// The items at `positions`, which the caller has claimed from `head` (rule 1).
    pub(super) fn new(ring: &'a Ring<T>, positions: Range<u64>) -> Self {
        Self { ring, positions }
    }

    /// Number of items not taken yet.
    pub(super) fn len(&self) -> usize {
        (self.positions.end - self.positions.start) as usize
    }
}

impl<T> Iterator for Batch<'_, T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        // First the position, so that no panic can have an item taken twice.
        let position = self.positions.next()?;
        // SAFETY: rule 1: this batch owns the position, and this is the only time it comes up.
        Some(unsafe { self.ring.empty(position) })
    }
}

impl<T> Drop for Batch<'_, T> {
    fn drop(&mut self) {
        self.for_each(drop);
    }
}
