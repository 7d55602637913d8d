//! What recorders keep: handles of the numbers of one series.
//!
//! All operations are relaxed: a number is exact once its recorders have finished. Count, sum and
//! buckets of a histogram are not read at one instant.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};

/// A handle of the numbers of one series.
pub(crate) trait Cell: Clone {
    /// A number that is another one when the series has changed.
    fn state(&self) -> u64;
}

impl Cell for Counter {
    fn state(&self) -> u64 {
        self.get()
    }
}

impl Cell for Gauge {
    fn state(&self) -> u64 {
        self.get() as u64
    }
}

impl Cell for Histogram {
    fn state(&self) -> u64 {
        self.0.buckets.iter().map(|bucket| bucket.load(Relaxed)).sum()
    }
}

/// A number that only grows; clones are handles of the same.
#[derive(Clone, Debug, Default)]
pub struct Counter(Arc<AtomicU64>);

impl Counter {
    /// Counts one.
    pub fn increment(&self) {
        self.add(1);
    }

    /// Counts `count`.
    pub fn add(&self, count: u64) {
        self.0.fetch_add(count, Relaxed);
    }

    /// Raises the number to a total that is counted elsewhere; a smaller total changes nothing.
    pub fn raise_to(&self, total: u64) {
        self.0.fetch_max(total, Relaxed);
    }

    /// The number.
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// A number that goes up and down; clones are handles of the same.
#[derive(Clone, Debug, Default)]
pub struct Gauge(Arc<AtomicI64>);

impl Gauge {
    /// Sets the number.
    pub fn set(&self, number: i64) {
        self.0.store(number, Relaxed);
    }

    /// Adds to the number.
    pub fn add(&self, difference: i64) {
        self.0.fetch_add(difference, Relaxed);
    }

    /// The number.
    pub fn get(&self) -> i64 {
        self.0.load(Relaxed)
    }
}

/// A distribution of durations; clones are handles of the same.
#[derive(Clone, Debug)]
pub struct Histogram(Arc<HistogramCells>);

#[derive(Debug)]
struct HistogramCells {
    /// Upper bounds of the buckets but the last, in microseconds, inclusive, ascending.
    bounds_us: Box<[u64]>,
    /// One more than bounds.
    buckets: Box<[AtomicU64]>,
    sum_us: AtomicU64,
}

impl Histogram {
    /// An empty histogram with these bounds.
    pub(crate) fn new(bounds_us: &[u64]) -> Histogram {
        let mut bounds_us = bounds_us.to_vec();
        bounds_us.sort_unstable();
        bounds_us.dedup();
        let buckets = (0..=bounds_us.len()).map(|_| AtomicU64::new(0)).collect();
        let bounds_us = bounds_us.into();
        Histogram(Arc::new(HistogramCells { bounds_us, buckets, sum_us: AtomicU64::new(0) }))
    }

    /// Records a duration.
    pub fn observe_us(&self, duration_us: u64) {
        let cells = &*self.0;
        let bucket = cells.bounds_us.partition_point(|bound| *bound < duration_us);
        cells.buckets[bucket].fetch_add(1, Relaxed);
        cells.sum_us.fetch_add(duration_us, Relaxed);
    }

    /// The upper bounds of the buckets but the last, in microseconds.
    pub fn bounds_us(&self) -> &[u64] {
        &self.0.bounds_us
    }

    /// How many durations each bucket and those before it have; the last number counts all.
    pub fn cumulative(&self) -> Vec<u64> {
        let mut total = 0;
        let add = |bucket: &AtomicU64| {
            total += bucket.load(Relaxed);
            total
        };
        self.0.buckets.iter().map(add).collect()
    }

    /// All durations together, in microseconds.
    pub fn sum_us(&self) -> u64 {
        self.0.sum_us.load(Relaxed)
    }
}
