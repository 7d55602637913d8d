//! Every bound of the heap with its unit, and the arithmetic of when to collect.
//!
//! Pure: knows numbers, not objects.

use crate::collector::schedule::Stress;
use crate::error::HeapError;
use crate::memory::os::GRAIN_BYTES;

/// Nursery size unless configured, in bytes: about a second-level cache.
pub const DEFAULT_NURSERY_BYTES: usize = 1 << 20;
/// Hard limit unless configured, in bytes.
pub const DEFAULT_HARD_LIMIT_BYTES: usize = 512 << 20;
/// Objects larger than this, header included, lie apart from the size classes once old, in bytes.
pub const LARGE_OBJECT_BYTES: usize = 8 << 10;
/// Objects larger than this are not born in the nursery but old, in bytes. Copying a large
/// survivor once is cheaper than mapping memory for every large object that dies young.
pub const YOUNG_OBJECT_MAX_BYTES: usize = 64 << 10;
/// Share of the hard limit above which old memory asks for a full collection, in percent.
pub(crate) const DEFAULT_THRESHOLD_PERCENT: u8 = 75;
/// No full collection is due below this many old bytes for each running mutator: two mutators that
/// make garbage in one heap do not stop more often than one in each of two heaps.
pub(crate) const FULL_FLOOR_BYTES: usize = 16 << 20;
/// Old memory may grow to this multiple of what the last full collection left.
const FULL_GROWTH_FACTOR: usize = 2;
/// Empty pages kept resident for the next allocations, in pages of 64 KiB, at least.
pub(crate) const RESIDENT_FREE_PAGES: usize = 32;
/// Empty pages kept resident, as a divisor of the pages in use, when that is more.
pub(crate) const RESIDENT_FREE_DIVISOR: usize = 2;
/// Most address space reserved for the nursery and its overflow room, in bytes.
pub(crate) const YOUNG_RESERVE_MAX_BYTES: usize = 64 << 30;
/// Bytes allocated directly in the old space between two looks at the trigger.
pub(crate) const TRIGGER_CHECK_BYTES: usize = 16 << 10;
/// Cells that the leader traces alone before GC workers take part: waking them takes about as long.
pub(crate) const SERIAL_TRACE_CELLS: usize = 2048;
/// With fewer GC workers than this, tracing is serial: in parallel, forwarding or marking a cell is
/// an atomic operation, which costs about as much as two cells otherwise (docs/performance.md).
pub(crate) const GC_WORKERS_MIN: usize = 4;
/// When so many bytes have survived a minor collection, the next one is parallel from the start.
pub(crate) const PARALLEL_SURVIVAL_BYTES: usize = 64 << 10;
/// Full collections less than this apart, in milliseconds, leave the memory resident that a small
/// heap is about to fill until the next one.
pub(crate) const FULL_SOON_MS: u128 = 1_000;
/// Work list kept between collections, in entries.
pub(crate) const RETAINED_WORK_ENTRIES: usize = 64 << 10;

/// How a heap is set up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Nursery bytes after which a collection is asked for; rounded up to 64 KiB.
    pub nursery_bytes: usize,
    /// Bytes in use above which the program gets an error.
    pub hard_limit_bytes: usize,
    /// Share of the hard limit above which full collections are asked for, 1 to 100 percent.
    pub threshold_percent: u8,
    /// Forced collections.
    pub stress: Stress,
    /// With a seed, some requests for memory are refused though there is enough: to see what a
    /// program makes of that.
    pub refuse: Option<u64>,
    /// Threads that can work on the heap at a time, at least 1. Each costs address space of the
    /// hard limit's size.
    pub mutators_max: usize,
    /// False makes every collection full, which then needs no write barrier: a test oracle.
    pub generational: bool,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            nursery_bytes: DEFAULT_NURSERY_BYTES,
            hard_limit_bytes: DEFAULT_HARD_LIMIT_BYTES,
            threshold_percent: DEFAULT_THRESHOLD_PERCENT,
            stress: Stress::Off,
            refuse: None,
            mutators_max: 1,
            generational: true,
        }
    }
}

/// The limits in force.
#[derive(Clone, Debug)]
pub(crate) struct Limits {
    pub hard_bytes: usize,
    pub threshold_percent: u8,
    /// Tenured bytes above which the next automatic collection is full.
    pub full_at_bytes: usize,
    /// Mutators that ran when a full collection came last.
    pub running: usize,
}

impl Limits {
    pub fn new(config: &Config) -> Result<Limits, HeapError> {
        let minimum = config.nursery_bytes.saturating_add(GRAIN_BYTES);
        if config.hard_limit_bytes < minimum {
            return Err(HeapError::LimitBelowNursery { limit: config.hard_limit_bytes, minimum });
        }
        let mut limits = Limits {
            hard_bytes: config.hard_limit_bytes,
            threshold_percent: config.threshold_percent.clamp(1, 100),
            full_at_bytes: 0,
            running: 1,
        };
        limits.rearm(0);
        Ok(limits)
    }

    /// The soft limit in bytes.
    pub fn soft_bytes(&self) -> usize {
        soft_limit(self.hard_bytes, self.threshold_percent)
    }

    /// Below so many old bytes no full collection is asked for.
    pub fn floor_bytes(&self) -> usize {
        FULL_FLOOR_BYTES.saturating_mul(self.running)
    }

    /// Sets the next trigger after a full collection that left `live_bytes`.
    pub fn rearm(&mut self, live_bytes: usize) {
        self.full_at_bytes = next_full(live_bytes, self.floor_bytes(), self.soft_bytes());
    }
}

/// `percent` of `hard` bytes, without overflow.
pub(crate) const fn soft_limit(hard: usize, percent: u8) -> usize {
    hard / 100 * percent as usize + hard % 100 * percent as usize / 100
}

/// Tenured bytes that ask for the next full collection: twice what is live, at least the floor,
/// and no more than the soft limit, except that live data above it must grow by an eighth first:
/// otherwise a program living near its limit would collect at every safepoint.
pub(crate) const fn next_full(live: usize, floor: usize, soft: usize) -> usize {
    let doubled = live.saturating_mul(FULL_GROWTH_FACTOR);
    let wanted = if doubled > floor { doubled } else { floor };
    let grown = live.saturating_add(live / 8).saturating_add(GRAIN_BYTES);
    let ceiling = if soft > grown { soft } else { grown };
    if wanted < ceiling { wanted } else { ceiling }
}
