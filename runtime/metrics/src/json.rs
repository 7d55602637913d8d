//! The registry as JSON.
//!
//! `{"uptime_seconds", "counters": [{"name", "value", "labels"}], "gauges": [the same],
//! "histograms": [{"name", "count", "sum_us", "labels", "buckets": [{"le", "count"}]}]}`. Labels are
//! an object and left out when there are none. Bucket counts are cumulative; `le` is in seconds, the
//! last is the text `+Inf`.

use crate::registry::{Identity, Registry, Series};
use serde_json::{Map, Value as Json, json};
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

/// Adds name and labels to the numbers of a series.
fn with_labels(identity: &Identity, mut numbers: Json) -> Json {
    numbers["name"] = json!(identity.name);
    if !identity.labels.is_empty() {
        let labels = identity.labels.iter().map(|(key, value)| (key.clone(), json!(value)));
        numbers["labels"] = Json::Object(labels.collect::<Map<String, Json>>());
    }
    numbers
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
