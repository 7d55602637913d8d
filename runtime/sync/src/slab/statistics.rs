//! Counters of a slab.
//!
//! No structure depends on these numbers, so every access is relaxed and models do not see them.

use crate::cache_padded::CachePadded;
use crate::shim::{Ordering::Relaxed, StatisticU64};

/// Numbers of a slab.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Statistics {
    /// Number of slots.
    pub slots: usize,
    /// Slots in use.
    pub in_use: usize,
    /// Most slots that were in use at a time.
    pub high_water: usize,
    /// Slots taken since the beginning.
    pub acquired: u64,
    /// Attempts that found no free slot.
    pub refused: u64,
}

impl Statistics {
    /// Slots that are free.
    pub fn free(&self) -> usize {
        self.slots.saturating_sub(self.in_use)
    }

    /// Slots put back since the beginning.
    pub fn released(&self) -> u64 {
        self.acquired.saturating_sub(self.in_use as u64)
    }

    /// Version of the usage bitmap: the number of changes to it, one for each slot taken or put
    /// back.
    pub fn bitmap_version(&self) -> u64 {
        self.acquired + self.released()
    }

    /// Whether as many slots were put back as taken since `before`, numbers of the same slab.
    pub fn is_balanced_since(&self, before: &Statistics) -> bool {
        self.in_use == before.in_use
    }
}

/// The counters, on lines apart from the head of the stack, which is contended.
#[derive(Default)]
pub(super) struct Counts(CachePadded<Numbers>);

#[derive(Default)]
struct Numbers {
    in_use: StatisticU64,
    high_water: StatisticU64,
    acquired: StatisticU64,
    refused: StatisticU64,
}

impl Counts {
    /// A slot was taken from the stack.
    pub(super) fn taken(&self) {
        let counts = &self.0.0;
        let in_use = counts.in_use.fetch_add(1, Relaxed).wrapping_add(1);
        counts.high_water.fetch_max(in_use, Relaxed);
        counts.acquired.fetch_add(1, Relaxed);
    }

    /// A slot is about to be put back on the stack (rule 6).
    pub(super) fn put_back(&self) {
        self.0.0.in_use.fetch_sub(1, Relaxed);
    }

    /// There was no free slot.
    pub(super) fn refused(&self) {
        self.0.0.refused.fetch_add(1, Relaxed);
    }

    pub(super) fn statistics(&self, slots: usize) -> Statistics {
        let counts = &self.0.0;
        Statistics {
            slots,
            in_use: counts.in_use.load(Relaxed) as usize,
            high_water: counts.high_water.load(Relaxed) as usize,
            acquired: counts.acquired.load(Relaxed),
            refused: counts.refused.load(Relaxed),
        }
    }
}
