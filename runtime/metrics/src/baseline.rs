//! What has changed since a reader last asked.
//!
//! 1. A baseline has the numbers of every series at its last collection, by serial number, so that a
//!    series of the name of an evicted one begins at 0.
//! 2. The first collection on a new baseline finds no changes.
//! 3. Readers have baselines of their own and all see the same changes.

use crate::json::labels_of;
use crate::registry::{Identity, Registered, Registry};
use serde_json::{Value as Json, json};
use std::collections::HashMap;
use std::sync::PoisonError;

/// The numbers of a histogram: cumulative counts and sum.
type HistogramNumbers = (Vec<u64>, u64);

/// The numbers of all series at one moment.
#[derive(Debug, Default)]
struct Numbers {
    counters: HashMap<u64, u64>,
    gauges: HashMap<u64, i64>,
    histograms: HashMap<u64, HistogramNumbers>,
}

impl Numbers {
    fn of(registered: &Registered) -> Numbers {
        let counters = registered.counters.iter().map(|series| (series.serial, series.cell.get()));
        let gauges = registered.gauges.iter().map(|series| (series.serial, series.cell.get()));
        let histograms = registered
            .histograms
            .iter()
            .map(|series| (series.serial, (series.cell.cumulative(), series.cell.sum_us())));
        Numbers {
            counters: counters.collect(),
            gauges: gauges.collect(),
            histograms: histograms.collect(),
        }
    }
}

/// Where a reader's next differences begin.
#[derive(Debug, Default)]
pub struct Baseline {
    /// When it was taken; `None` before the first collection.
    taken_us: Option<u64>,
    numbers: Numbers,
}

impl Baseline {
    /// A baseline of which the first collection finds no changes.
    pub fn new() -> Baseline {
        Baseline::default()
    }

    /// A baseline of an empty registry at the beginning of time.
    pub(crate) fn of_nothing() -> Baseline {
        Baseline { taken_us: Some(0), numbers: Numbers::default() }
    }
}

/// A change of one series.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Change {
    Counter { by: u64 },
    Gauge { to: i64 },
    Histogram { bounds_us: Vec<u64>, by: Vec<u64>, sum_us: u64 },
}

/// What has changed between two collections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delta {
    at_us: u64,
    interval_us: u64,
    changes: Vec<(Identity, Change)>,
}

impl Registry {
    /// What has changed since `baseline` was taken, which is taken anew at `now_us`.
    pub fn delta(&self, baseline: &mut Baseline, now_us: u64) -> Delta {
        let registered = self.registered();
        let numbers = Numbers::of(&registered);
        let before = std::mem::replace(&mut baseline.numbers, numbers);
        let taken_us = baseline.taken_us.replace(now_us);
        let changes = match taken_us {
            Some(_) => changes(&registered, &before, &baseline.numbers),
            None => Vec::new(),
        };
        let interval_us = now_us.saturating_sub(taken_us.unwrap_or(now_us));
        Delta { at_us: now_us, interval_us, changes }
    }

    /// The same for the one baseline that readers share that have none of their own.
    pub fn global_delta(&self, now_us: u64) -> Delta {
        let mut baseline = self.global.lock().unwrap_or_else(PoisonError::into_inner);
        self.delta(&mut baseline, now_us)
    }
}

/// The changes, in the order counters, gauges, histograms.
fn changes(registered: &Registered, before: &Numbers, now: &Numbers) -> Vec<(Identity, Change)> {
    let mut changes = Vec::new();
    for series in &registered.counters {
        let old = before.counters.get(&series.serial).copied().unwrap_or(0);
        let by = now.counters[&series.serial].saturating_sub(old);
        if by > 0 {
            changes.push((series.identity.clone(), Change::Counter { by }));
        }
    }
    for series in &registered.gauges {
        let to = now.gauges[&series.serial];
        if to != before.gauges.get(&series.serial).copied().unwrap_or(0) {
            changes.push((series.identity.clone(), Change::Gauge { to }));
        }
    }
    for series in &registered.histograms {
        let (counts, sum_us) = &now.histograms[&series.serial];
        let nothing: HistogramNumbers = (vec![0; counts.len()], 0);
        let (old, old_sum_us) = before.histograms.get(&series.serial).unwrap_or(&nothing);
        let by: Vec<u64> = counts.iter().zip(old).map(|(new, old)| new - old).collect();
        if by.last().is_some_and(|count| *count > 0) {
            let bounds_us = series.cell.bounds_us().to_vec();
            let sum_us = sum_us.saturating_sub(*old_sum_us);
            let change = Change::Histogram { bounds_us, by, sum_us };
            changes.push((series.identity.clone(), change));
        }
    }
    changes
}

impl Change {
    fn json(&self, identity: &Identity) -> Json {
        let name = &identity.name;
        let mut json = match self {
            Change::Counter { by } => json!({ "n": name, "t": "c", "d": by }),
            Change::Gauge { to } => json!({ "n": name, "t": "g", "v": to }),
            Change::Histogram { bounds_us, by, sum_us } => {
                let bounds = bounds_us.iter().map(|bound| json!(*bound as f64 / 1e6));
                let bounds = bounds.chain([json!("+Inf")]);
                let buckets: Vec<Json> =
                    bounds.zip(by).map(|(le, count)| json!({ "le": le, "d": count })).collect();
                json!({ "n": name, "t": "h", "c": by.last(), "s": sum_us, "b": buckets })
            }
        };
        if let Some(labels) = labels_of(identity) {
            json["l"] = labels;
        }
        json
    }
}

impl Delta {
    /// `{"ts", "interval_us", "changed", "counters_changed", "gauges_changed",
    /// "histograms_changed", "deltas": […]}`; times in microseconds.
    pub fn to_json(&self) -> Json {
        let count =
            |is: fn(&Change) -> bool| self.changes.iter().filter(|(_, change)| is(change)).count();
        let deltas: Vec<Json> =
            self.changes.iter().map(|(identity, change)| change.json(identity)).collect();
        json!({
            "ts": self.at_us,
            "interval_us": self.interval_us,
            "changed": self.changes.len(),
            "counters_changed": count(|change| matches!(change, Change::Counter { .. })),
            "gauges_changed": count(|change| matches!(change, Change::Gauge { .. })),
            "histograms_changed": count(|change| matches!(change, Change::Histogram { .. })),
            "deltas": deltas,
        })
    }
}
