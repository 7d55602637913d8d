//! Bounded label sets, eviction, sources, differences.

use crate::{Baseline, COUNTERS_MAX, Counter, Lifetime, Refusal, Registry, UNUSED_US};
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A series that may be evicted, asked for at this time.
fn used(registry: &Registry, now_us: u64, name: &str) -> Result<Counter, Refusal> {
    registry.counter_for(Lifetime::WhileUsed { now_us }, name, "", &[])
}

fn full(now_us: u64) -> Registry {
    let registry = Registry::new();
    for n in 0..COUNTERS_MAX {
        used(&registry, now_us, &format!("n{n}")).expect("room");
    }
    registry
}

valk_harness::test! {
    fn label_sets_beyond_their_number_share_a_series() {
        let registry = Registry::new();
        for n in 0..1000 {
            let value = n.to_string();
            registry.counter("n", "", &[("user", &value)]).expect("room").increment();
        }
        let overflow = registry.counter("n", "", &[("overflow", "true")]).expect("there is one");
        assert_eq!(overflow.get(), 1000 - COUNTERS_MAX as u64 / 4);
        assert!(registry.to_prometheus().contains("n{overflow=\"true\"} 744\n"));
        assert!(registry.counter("other", "", &[]).is_ok(), "other names have room");
    }
}

valk_harness::test! {
    fn what_has_not_changed_for_long_makes_room() {
        let registry = full(0);
        assert!(used(&registry, UNUSED_US, "early").is_err(), "it may be used again");
        let kept = used(&registry, 0, "n7").expect("known");
        kept.increment();
        let stale = used(&registry, 0, "n8").expect("known");
        used(&registry, UNUSED_US + 1, "new").expect("room was made").add(3);
        kept.increment();
        stale.increment();
        let text = registry.to_prometheus();
        assert!(text.contains("n7 2\n") && text.contains("new 3\n"), "{text}");
        assert!(!text.contains("n8 "), "an evicted series is not shown");
        assert_eq!(used(&registry, UNUSED_US + 1, "n8").expect("room").get(), 0, "another series");
        let usage = registry.usage()[0];
        assert_eq!(usage.evicted, COUNTERS_MAX as u64 - 1);
        assert_eq!((usage.active, usage.high_water), (3, COUNTERS_MAX));
        assert_eq!(usage.free, COUNTERS_MAX - 3);
    }

    fn permanent_series_stay() {
        let registry = Registry::new();
        for n in 0..COUNTERS_MAX {
            registry.counter(&n.to_string(), "", &[]).expect("room");
        }
        assert!(used(&registry, u64::MAX, "more").is_err());
        assert_eq!(registry.usage()[0].evicted, 0);
    }
}

valk_harness::test! {
    fn sources_set_what_is_counted_elsewhere_until_they_end() {
        let registry = Registry::new();
        let total = registry.counter("n", "", &[]).expect("room");
        let elsewhere = Arc::new(AtomicU64::new(5));
        let weak = Arc::downgrade(&elsewhere);
        let counter = total.clone();
        registry.add_source(move || match weak.upgrade() {
            Some(elsewhere) => {
                counter.raise_to(elsewhere.load(Ordering::Relaxed));
                true
            }
            None => false,
        });
        assert!(registry.to_prometheus().contains("n 5\n"));
        elsewhere.store(7, Ordering::Relaxed);
        assert!(registry.to_prometheus().contains("n 7\n"));
        drop(elsewhere);
        assert!(registry.to_prometheus().contains("n 7\n"));
        assert_eq!(total.get(), 7);
    }
}

valk_harness::test! {
    fn readers_of_differences_have_baselines_of_their_own() {
        let registry = Registry::new();
        let counter = registry.counter("jobs", "", &[("queue", "hi\"")]).expect("room");
        let gauge = registry.gauge("level", "", &[]).expect("room");
        let histogram = registry.histogram("took", "", &[], &[1000]).expect("room");
        counter.add(5);
        let (mut one, mut other) = (Baseline::new(), Baseline::new());
        let first = registry.delta(&mut one, 1000).to_json();
        assert_eq!((&first["changed"], &first["interval_us"]), (&json!(0), &json!(0)));
        registry.delta(&mut other, 1500);
        counter.add(3);
        gauge.set(-4);
        histogram.observe_us(10);
        histogram.observe_us(5000);
        let expected = json!([
            { "n": "jobs", "t": "c", "d": 3, "l": { "queue": "hi\"" } },
            { "n": "level", "t": "g", "v": -4 },
            { "n": "took", "t": "h", "c": 2, "s": 5010,
              "b": [{ "le": 0.001, "d": 1 }, { "le": "+Inf", "d": 2 }] },
        ]);
        for (baseline, interval) in [(&mut one, 2000), (&mut other, 1500)] {
            let delta = registry.delta(baseline, 3000).to_json();
            assert_eq!(delta["deltas"], expected);
            assert_eq!((&delta["ts"], &delta["interval_us"]), (&json!(3000), &json!(interval)));
            assert_eq!((&delta["changed"], &delta["counters_changed"]), (&json!(3), &json!(1)));
            assert_eq!((&delta["gauges_changed"], &delta["histograms_changed"]), (&json!(1), &json!(1)));
        }
        assert_eq!(registry.delta(&mut one, 4000).to_json()["changed"], json!(0));
    }

    fn the_shared_baseline_begins_with_nothing_and_reading_text_does_not_move_it() {
        let registry = Registry::new();
        registry.counter("n", "", &[]).expect("room").add(2);
        registry.to_prometheus();
        let delta = registry.global_delta(900).to_json();
        assert_eq!((&delta["deltas"][0]["d"], &delta["interval_us"]), (&json!(2), &json!(900)));
        assert_eq!(registry.global_delta(1000).to_json()["changed"], json!(0));
    }

    fn a_series_made_anew_begins_at_nothing() {
        let registry = full(0);
        used(&registry, 0, "n7").expect("known").add(100);
        let mut baseline = Baseline::new();
        registry.delta(&mut baseline, 1);
        // The first look sees the change, the second that there was none since.
        assert!(used(&registry, UNUSED_US, "x").is_err());
        used(&registry, 2 * UNUSED_US + 1, "x").expect("room");
        used(&registry, 2 * UNUSED_US + 1, "n7").expect("room").add(2);
        let delta = registry.delta(&mut baseline, 2).to_json();
        assert_eq!(delta["deltas"], json!([{ "n": "n7", "t": "c", "d": 2 }]));
    }
}

valk_harness::test! {
    fn how_full_a_registry_is_is_json() {
        let registry = Registry::new();
        registry.counter("n", "", &[("a", "b")]).expect("room");
        registry.gauge("n", "", &[]).expect("room");
        let usage = registry.usage_json(12);
        assert_eq!(usage["counters"], json!({ "active": 1, "hwm": 1, "capacity": 1024, "free": 0 }));
        assert_eq!(usage["histograms"]["active"], json!(0));
        assert_eq!(usage["string_pool"], json!({ "used": 3, "capacity": 4096 }));
        assert_eq!((&usage["evictions"]["total"], &usage["collect_time_us"]), (&json!(0), &json!(12)));
    }
}
