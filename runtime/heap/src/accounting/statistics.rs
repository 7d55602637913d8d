//! Counters and sizes of a heap, as snapshots. Counting costs the mutators nothing.

use crate::collector::collection::{Collected, Collection};

/// Upper bounds of the buckets of [`Statistics::pauses`], in microseconds, exclusive; the last
/// bucket has none.
pub const PAUSE_BOUNDS_US: [u64; 8] = [50, 100, 250, 500, 1_000, 5_000, 10_000, 16_000];

/// Counters since the heap was made, and sizes at the moment of asking.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Collections of the nursery only.
    pub collections_minor: u64,
    /// Collections of everything.
    pub collections_full: u64,
    /// Full collections forced because a minor one left the heap over its hard limit.
    pub collections_emergency: u64,
    /// Collections of one nursery, by its mutator, while the others ran; counted in
    /// `collections_minor` too.
    pub collections_local: u64,
    /// Collections that GC workers traced in parallel.
    pub collections_parallel: u64,
    /// Times the nursery overflowed before a safepoint came.
    pub nursery_overflows: u64,
    /// Bytes allocated by the mutator.
    pub allocated_bytes: u64,
    /// Bytes of the nursery that were in use when collections began.
    pub young_collected_bytes: u64,
    /// Bytes copied from the nursery to the old space.
    pub promoted_bytes: u64,
    /// Cells copied from the nursery to the old space.
    pub promoted_cells: u64,
    /// Slots changed because what they refer to had moved.
    pub updated_slots: u64,
    /// Bytes freed, in either space.
    pub reclaimed_bytes: u64,
    /// Native objects dropped by collections.
    pub hosts_finalised: u64,
    /// Length of the last collection in microseconds.
    pub pause_us_last: u64,
    /// Length of the longest collection in microseconds.
    pub pause_us_max: u64,
    /// Length of all collections together in microseconds.
    pub pause_us_total: u64,
    /// Length of all full collections together in microseconds.
    pub pause_us_full: u64,
    /// Collections by length; see [`PAUSE_BOUNDS_US`].
    pub pauses: [u64; PAUSE_BOUNDS_US.len() + 1],
    /// Times from the request to collect until all other mutators had stopped, by length; see
    /// [`PAUSE_BOUNDS_US`]. Only of collections of a heap with other mutators.
    pub stops: [u64; PAUSE_BOUNDS_US.len() + 1],
    /// The longest of these times in microseconds.
    pub stop_us_max: u64,
    /// Share of the bytes in use that the last collection freed, in percent, rounded down.
    pub efficiency_percent: u8,
    /// Bytes in use, garbage included: nursery, old space, large objects, symbols, external.
    pub used_bytes: usize,
    /// The largest `used_bytes` seen at the start or end of a collection, or now.
    pub used_bytes_peak: usize,
    /// The most bytes of the nursery in use at the start of a collection, or now.
    pub young_bytes_peak: usize,
    /// Bytes of the nursery in use.
    pub young_bytes: usize,
    /// Bytes of the old space in use, large objects included.
    pub old_bytes: usize,
    /// Bytes of memory held from the operating system for objects.
    pub committed_bytes: usize,
    /// Number of large objects.
    pub large_objects: usize,
    /// Bytes held outside the heap that count against its limit.
    pub external_bytes: usize,
    /// Nursery size in bytes.
    pub nursery_bytes: usize,
    /// Hard limit in bytes.
    pub hard_limit_bytes: usize,
    /// Soft limit in bytes.
    pub soft_limit_bytes: usize,
}

/// Occupancy of one size class of the old space.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct ClassUsage {
    /// Size of a slot in bytes.
    pub slot_bytes: usize,
    /// Slots in use, garbage included.
    pub slots_used: usize,
    /// Slots of all pages of the class.
    pub slots_total: usize,
}

impl Statistics {
    /// Adds one finished collection.
    pub(crate) fn count(&mut self, collected: &Collected, hosts: usize) {
        let Collected { reclaimed_bytes, used_bytes, pause_us, .. } = *collected;
        self.reclaimed_bytes += reclaimed_bytes as u64;
        self.young_collected_bytes += collected.young_bytes as u64;
        self.promoted_bytes += collected.promoted_bytes as u64;
        self.hosts_finalised += hosts as u64;
        self.pause_us_last = pause_us;
        self.pause_us_max = self.pause_us_max.max(pause_us);
        self.pause_us_total += pause_us;
        if collected.kind == Collection::Full {
            self.pause_us_full += pause_us;
        }
        self.pauses[bucket(pause_us)] += 1;
        self.efficiency_percent = percent(reclaimed_bytes, reclaimed_bytes + used_bytes);
    }

    /// Adds the time that it took to stop others.
    pub(crate) fn count_stop(&mut self, stop_us: u64) {
        self.stops[bucket(stop_us)] += 1;
        self.stop_us_max = self.stop_us_max.max(stop_us);
    }

    /// Collections of both kinds.
    pub fn collections(&self) -> u64 {
        self.collections_minor + self.collections_full
    }

    /// Share of the nursery that survived its first collection, in percent, rounded down.
    pub fn survival_percent(&self) -> u8 {
        percent(self.promoted_bytes as usize, self.young_collected_bytes as usize)
    }

    /// Share of the memory held for old objects that holds none, in percent, rounded down.
    pub fn fragmentation_percent(&self) -> u8 {
        let held = self.committed_bytes - self.nursery_bytes.max(self.young_bytes);
        percent(held.saturating_sub(self.old_bytes), held)
    }
}

/// Where a time is counted.
fn bucket(microseconds: u64) -> usize {
    PAUSE_BOUNDS_US.partition_point(|bound| *bound <= microseconds)
}

/// `part` of `whole` in percent, 0 of nothing, at most 100.
fn percent(part: usize, whole: usize) -> u8 {
    let percent = (part as u128 * 100).checked_div(whole as u128).unwrap_or(0);
    percent.min(100) as u8
}
