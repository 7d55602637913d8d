//! The registry as JSON.
//!
//! `{"uptime_seconds", "counters": [{"name", "value", "labels"}], "gauges": [the same],
//! "histograms": [{"name", "count", "sum_us", "labels", "buckets": [{"le", "count"}]}]}`. Labels are
//! an object and left out when there are none. Bucket counts are cumulative; `le` is in seconds, the
//! last is the text `+Inf`. How full the registry is has an object of its own.

use crate::registry::{Identity, Registered, Registry, Series, Usage};
use serde_json::{Map, Value as Json, json};
use std::collections::HashSet;
use std::time::Duration;

impl Registry {
    /// All series, for a registry that has existed for so long.
    pub fn to_json(&self, uptime: Duration) -> Json {
        let registered = self.registered();
        let counters: Vec<Json> = registered
            .counters
            .iter()
            .map(|series| with_labels(&series.identity, json!({ "value": series.cell.get() })))
            .collect();
        let gauges: Vec<Json> = registered
            .gauges
            .iter()
            .map(|series| with_labels(&series.identity, json!({ "value": series.cell.get() })))
            .collect();
        let histograms: Vec<Json> = registered.histograms.iter().map(histogram).collect();
        json!({
            "uptime_seconds": (uptime.as_secs_f64() * 100.0).floor() / 100.0,
            "counters": counters,
            "gauges": gauges,
            "histograms": histograms,
        })
    }
}

/// Texts that earlier versions could keep; shown as the capacity of what has no limit now.
const STRINGS_SHOWN: usize = 4096;

impl Registry {
    /// How full the registry is, and the time in microseconds that it took to find out all numbers.
    pub fn usage_json(&self, collect_time_us: u64) -> Json {
        let kind = |usage: Usage| {
            json!({
                "active": usage.active,
                "hwm": usage.high_water,
                "capacity": usage.capacity,
                "free": usage.free,
            })
        };
        let usage = self.usage();
        let [counters, gauges, histograms] = usage.map(kind);
        let evicted = usage.map(|usage| usage.evicted);
        let strings = self.registered().strings();
        json!({
            "counters": counters,
            "gauges": gauges,
            "histograms": histograms,
            "summaries": { "active": 0, "hwm": 0, "capacity": 0, "free": 0 },
            "string_pool": { "used": strings, "capacity": strings.max(STRINGS_SHOWN) },
            "evictions": {
                "total": evicted.iter().sum::<u64>(),
                "counters": evicted[0],
                "gauges": evicted[1],
                "histograms": evicted[2],
                "summaries": 0,
            },
            "collect_time_us": collect_time_us,
        })
    }
}

impl Registered {
    /// How many different texts names and labels are made of.
    fn strings(&self) -> usize {
        let counters = self.counters.iter().map(|series| &series.identity);
        let gauges = self.gauges.iter().map(|series| &series.identity);
        let histograms = self.histograms.iter().map(|series| &series.identity);
        let identities = counters.chain(gauges).chain(histograms);
        let texts = identities.flat_map(|identity| {
            let labels = identity.labels.iter().flat_map(|(key, value)| [key, value]);
            labels.chain([&identity.name])
        });
        texts.collect::<HashSet<&String>>().len()
    }
}

/// Adds name and labels to the numbers of a series.
fn with_labels(identity: &Identity, mut numbers: Json) -> Json {
    numbers["name"] = json!(identity.name);
    if let Some(labels) = labels_of(identity) {
        numbers["labels"] = labels;
    }
    numbers
}

/// The labels as an object; `None` when there are none.
pub(crate) fn labels_of(identity: &Identity) -> Option<Json> {
    let labels = identity.labels.iter().map(|(key, value)| (key.clone(), json!(value)));
    (!identity.labels.is_empty()).then(|| Json::Object(labels.collect::<Map<String, Json>>()))
}

fn histogram(series: &Series<crate::Histogram>) -> Json {
    let counts = series.cell.cumulative();
    let bounds = series.cell.bounds_us().iter().map(|bound| json!(*bound as f64 / 1e6));
    let bounds = bounds.chain([json!("+Inf")]);
    let bucket = |(bound, count): (Json, &u64)| json!({ "le": bound, "count": count });
    let buckets: Vec<Json> = bounds.zip(&counts).map(bucket).collect();
    let numbers = json!({
        "count": counts.last(),
        "sum_us": series.cell.sum_us(),
        "buckets": buckets,
    });
    with_labels(&series.identity, numbers)
}
