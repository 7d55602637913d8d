//! What the heap reports to those who read metrics: the group `gc`.

use super::statistics::{PAUSE_BOUNDS_US, Statistics};
use crate::mutator::heap::Heap;
use valk_metrics::{Kind, Number, Report, Reporter, Sample};

/// Buckets of pauses as they are shown: name and bounds in microseconds, the upper one exclusive.
const PAUSE_BUCKETS: [(&str, u64, u64); 5] = [
    ("0_1ms", 0, 1000),
    ("1_5ms", 1000, 5000),
    ("5_10ms", 5000, 10_000),
    ("10_16ms", 10_000, 16_000),
    ("16ms_plus", 16_000, u64::MAX),
];

impl Reporter for Heap {
    fn report(&self, report: &mut Report) {
        let seen = self.statistics();
        collections(&seen, report);
        occupancy(&seen, report);
        let row = |class: crate::ClassUsage| {
            vec![
                ("size", class.slot_bytes as u64),
                ("used", class.slots_used as u64),
                ("total", class.slots_total as u64),
            ]
        };
        let classes = self.class_usage().into_iter().map(row).collect();
        report.add(Sample::new("gc", "size_classes", Number::Rows(classes)));
    }
}

fn collections(seen: &Statistics, report: &mut Report) {
    let cycles = seen.collections();
    report.add(Sample::count("gc", "cycles_total", cycles).compact("gc", "cycles").exposed(
        "valk_gc_cycles_total",
        Kind::Counter,
        "Collections.",
    ));
    let total = Number::Microseconds(seen.pause_us_total);
    report.add(Sample::new("gc", "pause_us_total", total).exposed(
        "valk_gc_pause_seconds_total",
        Kind::Counter,
        "Time of all collections.",
    ));
    let longest = Number::Microseconds(seen.pause_us_max);
    report.add(Sample::new("gc", "pause_us_max", longest).exposed(
        "valk_gc_pause_seconds_max",
        Kind::Gauge,
        "Time of the longest collection.",
    ));
    let average_ms = seen.pause_us_total as f64 / cycles.max(1) as f64 / 1000.0;
    report.add(Sample::new("gc", "pause_ms_avg", Number::Decimal(average_ms)));
    for (name, count) in [
        ("cycles_minor", seen.collections_minor),
        ("cycles_full", seen.collections_full),
        ("cycles_emergency", seen.collections_emergency),
        ("cycles_helped", seen.collections_parallel),
        ("cycles_own", seen.collections_local),
        ("allocated_bytes_total", seen.allocated_bytes),
        ("efficiency_pct", u64::from(seen.efficiency_percent)),
        ("fragmentation_pct", u64::from(seen.fragmentation_percent())),
        ("large_objects", seen.large_objects as u64),
        ("stops", seen.stops.iter().sum::<u64>()),
        ("stop_us_max", seen.stop_us_max),
    ] {
        report.add(Sample::count("gc", name, count));
    }
    let buckets = PAUSE_BUCKETS.map(|(name, from, to)| (name, pauses(seen, from, to)));
    report.add(Sample::new("gc", "pause_histogram", Number::Fields(buckets.into())));
    let survival = Number::Fields(vec![
        ("young_bytes_total", seen.young_collected_bytes),
        ("promoted_bytes_total", seen.promoted_bytes),
        ("pct", u64::from(seen.survival_percent())),
    ]);
    report.add(Sample::new("gc", "survival", survival));
}

fn occupancy(seen: &Statistics, report: &mut Report) {
    report.add(Sample::count("gc", "reclaimed_bytes_total", seen.reclaimed_bytes).exposed(
        "valk_gc_reclaimed_bytes_total",
        Kind::Counter,
        "Bytes freed.",
    ));
    let (used, limit) = (seen.used_bytes as u64, seen.hard_limit_bytes as u64);
    report.add(Sample::count("gc", "heap_used_bytes", used).compact("gc", "heap_used").exposed(
        "valk_gc_heap_used_bytes",
        Kind::Gauge,
        "Bytes in use.",
    ));
    report.add(Sample::count("gc", "heap_total_bytes", limit).exposed(
        "valk_gc_heap_total_bytes",
        Kind::Gauge,
        "The hard limit.",
    ));
    let part = Number::Part { part: used, whole: limit };
    report.add(Sample::new("gc", "heap_utilization_pct", part).compact("gc", "heap_pct").exposed(
        "valk_gc_heap_utilization_ratio",
        Kind::Gauge,
        "Part of the hard limit in use.",
    ));
}

/// Collections of at least `from` and less than `to` microseconds.
fn pauses(seen: &Statistics, from: u64, to: u64) -> u64 {
    let starts = std::iter::once(0).chain(PAUSE_BOUNDS_US);
    let buckets = starts.zip(seen.pauses);
    buckets.filter(|(start, _)| (from..to).contains(start)).map(|(_, count)| count).sum()
}
