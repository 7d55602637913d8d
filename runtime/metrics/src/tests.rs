//! Registry, exposition and reports.

mod lifetimes;

use crate::{
    COUNTERS_MAX, GAUGES_MAX, HISTOGRAM_BOUNDS_MAX, HISTOGRAMS_MAX, Kind, LABELS_MAX, Number,
    Refusal, Registry, Report, Reporter, Sample,
};
use serde_json::json;
use std::time::Duration;

valk_harness::test! {
    fn a_series_is_found_by_kind_name_and_set_of_labels() {
        let registry = Registry::default();
        let counter = |labels: &[(&str, &str)]| registry.clone().counter("n", "", labels).expect("room");
        counter(&[("a", "1"), ("b", "2")]).increment();
        counter(&[("a", "1"), ("b", "2")]).add(2);
        assert_eq!(counter(&[("a", "1"), ("b", "2")]).get(), 3);
        assert_eq!(counter(&[("b", "2"), ("a", "1")]).get(), 3, "labels have no order");
        assert_eq!(counter(&[("a", "0"), ("b", "2"), ("a", "1")]).get(), 3, "the last value counts");
        assert_eq!(counter(&[("a", "1")]).get(), 0);
        assert_eq!(counter(&[]).get(), 0);
        let gauge = registry.gauge("n", "", &[]).expect("room");
        gauge.set(5);
        gauge.add(-7);
        assert_eq!(registry.gauge("n", "", &[]).expect("room").get(), -2);
        assert_eq!(Registry::new().counter("n", "", &[]).expect("room").get(), 0, "another registry");
    }

    fn a_total_counted_elsewhere_never_lowers_a_counter() {
        let counter = Registry::new().counter("n", "", &[]).expect("room");
        for (total, expected) in [(5, 5), (3, 5), (9, 9)] {
            counter.raise_to(total);
            assert_eq!(counter.get(), expected);
        }
    }

    fn a_full_registry_refuses_and_says_so() {
        let registry = Registry::new();
        for n in 0..COUNTERS_MAX {
            registry.counter(&n.to_string(), "", &[]).expect("room");
        }
        let refused = registry.counter("more", "", &[]).expect_err("full");
        assert_eq!(refused.to_string(), "registry full: it holds 1024 counters");
        assert!(registry.counter("0", "", &[]).is_ok(), "a known series is still found");
        for n in 0..GAUGES_MAX {
            registry.gauge(&n.to_string(), "", &[]).expect("room");
        }
        let full = |kind, max| Refusal::Full { kind, max };
        assert_eq!(registry.gauge("x", "", &[]).expect_err("full"), full("gauges", GAUGES_MAX));
        for n in 0..HISTOGRAMS_MAX {
            registry.histogram(&n.to_string(), "", &[], &[]).expect("room");
        }
        let refused = registry.histogram("x", "", &[], &[]).expect_err("full");
        assert_eq!(refused, full("histograms", HISTOGRAMS_MAX));
        let labels = [("a", "b"); LABELS_MAX + 1];
        let refused = registry.counter("l", "", &labels).expect_err("too many");
        assert_eq!(refused.to_string(), "a series has at most 8 labels, got 9");
        assert!(registry.gauge("l", "", &labels).is_err());
        assert!(registry.histogram("l", "", &labels, &[]).is_err());
        let bounds = [1; HISTOGRAM_BOUNDS_MAX + 1];
        let refused = registry.histogram("b", "", &[], &bounds).expect_err("too many");
        assert_eq!(refused.to_string(), "a histogram has at most 32 bounds, got 33");
    }

    fn no_increment_is_lost_under_threads() {
        let registry = Registry::new();
        std::thread::scope(|scope| {
            for _ in 0..16 {
                scope.spawn(|| {
                    let counter = registry.counter("n", "", &[]).expect("room");
                    let histogram = registry.histogram("h", "", &[], &[10]).expect("room");
                    for n in 0..50_000 {
                        counter.increment();
                        histogram.observe_us(n % 20);
                    }
                });
            }
        });
        assert_eq!(registry.counter("n", "", &[]).expect("room").get(), 800_000);
        let histogram = registry.histogram("h", "", &[], &[]).expect("room");
        assert_eq!(histogram.cumulative(), [440_000, 800_000]);
        assert_eq!(histogram.sum_us(), 16 * 2500 * 190);
    }

    fn a_duration_falls_into_the_first_bucket_that_it_does_not_exceed() {
        let histogram = Registry::new().histogram("h", "", &[], &[100, 10, 100]).expect("room");
        assert_eq!(histogram.bounds_us(), [10, 100], "in order and once");
        for duration_us in [0, 10, 11, 100, 101, u64::MAX / 2] {
            histogram.observe_us(duration_us);
        }
        assert_eq!(histogram.cumulative(), [2, 4, 6]);
    }
}

/// A registry with one of everything and texts that need escapes.
fn filled() -> Registry {
    let registry = Registry::new();
    let get = registry.counter("http_requests_total", "Requests,\nall \\.", &[("path", "a\"\\\n")]);
    get.expect("room").add(3);
    registry.gauge("aio connections", "Open.", &[]).expect("room").set(-1);
    registry.counter("http_requests_total", "other", &[("a b", "é")]).expect("room").add(1);
    let bounds = [50, 1_000, 2_500_000];
    let labels = [("server", "x")];
    let histogram = registry.histogram("0d:seconds", "Time.", &labels, &bounds).expect("room");
    for duration_us in [50, 60, 3_000_000] {
        histogram.observe_us(duration_us);
    }
    registry.gauge("", "", &[("", "")]).expect("room").set(2);
    registry
}

valk_harness::test! {
    fn a_registry_as_prometheus_text() {
        let expected = r#"# HELP http_requests_total Requests,\nall \\.
# TYPE http_requests_total counter
http_requests_total{path="a\"\\\n"} 3
http_requests_total{a_b="é"} 1
# HELP aio_connections Open.
# TYPE aio_connections gauge
aio_connections -1
# HELP _ 
# TYPE _ gauge
_{_=""} 2
# HELP _d:seconds Time.
# TYPE _d:seconds histogram
_d:seconds_bucket{server="x",le="0.00005"} 1
_d:seconds_bucket{server="x",le="0.001"} 2
_d:seconds_bucket{server="x",le="2.5"} 2
_d:seconds_bucket{server="x",le="+Inf"} 3
_d:seconds_sum{server="x"} 3.000110
_d:seconds_count{server="x"} 3
"#;
        assert_eq!(filled().to_prometheus(), expected);
        assert_eq!(Registry::new().to_prometheus(), "");
    }

    fn a_registry_as_json() {
        let json = filled().to_json(Duration::from_millis(12_349));
        let expected = json!({
            "uptime_seconds": 12.34,
            "counters": [
                { "name": "http_requests_total", "value": 3, "labels": { "path": "a\"\\\n" } },
                { "name": "http_requests_total", "value": 1, "labels": { "a b": "é" } },
            ],
            "gauges": [
                { "name": "aio connections", "value": -1 },
                { "name": "", "value": 2, "labels": { "": "" } },
            ],
            "histograms": [{
                "name": "0d:seconds",
                "count": 3,
                "sum_us": 3_000_110,
                "labels": { "server": "x" },
                "buckets": [
                    { "le": 0.000_05, "count": 1 },
                    { "le": 0.001, "count": 2 },
                    { "le": 2.5, "count": 2 },
                    { "le": "+Inf", "count": 3 },
                ],
            }],
        });
        assert_eq!(json, expected);
        // What a strict parser reads is the same.
        let read: serde_json::Value = serde_json::from_str(&json.to_string()).expect("JSON");
        assert_eq!(read, expected);
    }
}

/// Reports fixed numbers.
struct Fixed;

impl Reporter for Fixed {
    fn report(&self, report: &mut Report) {
        let used = Number::Part { part: 1, whole: 3 };
        report.add(Sample::count("gc", "cycles", 2).compact("g", "c").exposed(
            "valk_cycles_total",
            Kind::Counter,
            "Cycles.",
        ));
        report.add(Sample::new("gc", "pause_us", Number::Microseconds(1_500_000)).exposed(
            "valk_pause_seconds",
            Kind::Gauge,
            "Pause.",
        ));
        report.add(Sample::new("heap", "used_pct", used).compact("g", "p").exposed(
            "valk_used_ratio",
            Kind::Gauge,
            "Used.",
        ));
        report.add(Sample::new("heap", "none", Number::Part { part: 0, whole: 0 }));
        let row = vec![("size", 16), ("used", 2)];
        let rows = Number::Rows(vec![row.clone(), vec![]]);
        for (name, number) in
            [("rows", rows), ("fields", Number::Fields(row)), ("ms", Number::Decimal(1.234_56))]
        {
            report.add(Sample::new("heap", name, number).exposed("valk_x", Kind::Gauge, "X."));
        }
    }
}

valk_harness::test! {
    fn a_reported_number_is_listed_once_for_all_forms() {
        let report = Report::of(&[&Fixed]);
        assert_eq!(
            report.to_json(),
            json!({
                "gc": { "cycles": 2, "pause_us": 1_500_000 },
                "heap": {
                    "used_pct": 33.33,
                    "none": 0.0,
                    "rows": [{ "size": 16, "used": 2 }, {}],
                    "fields": { "size": 16, "used": 2 },
                    "ms": 1.235,
                },
            })
        );
        assert_eq!(report.to_compact_json(), json!({ "g": { "c": 2, "p": 33.3 } }));
        let expected = "# HELP valk_cycles_total Cycles.\n# TYPE valk_cycles_total counter\n\
            valk_cycles_total 2\n\n\
            # HELP valk_pause_seconds Pause.\n# TYPE valk_pause_seconds gauge\n\
            valk_pause_seconds 1.500000\n\n\
            # HELP valk_used_ratio Used.\n# TYPE valk_used_ratio gauge\n\
            valk_used_ratio 0.333333\n";
        assert_eq!(report.to_prometheus(), expected);
        assert_eq!(Report::of(&[]).to_prometheus(), "");
    }
}
