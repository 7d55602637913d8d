//! Forced collections, made-up failures, and what the statistics say about collections.

use super::{collect, small_config, small_heap};
use crate::{Collection, Config, Heap, PAUSE_BOUNDS_US, Statistics, Stress, Value};

/// Allocates pairs and collects when asked to; the numbers of pairs after which that was, and the
/// kinds of collections.
fn schedule(stress: Stress, pairs: usize) -> Vec<(usize, Collection)> {
    let mut heap = Heap::new(Config { stress, ..small_config() }).expect("64 KiB of nursery");
    let mut seen = Vec::new();
    for number in 0..pairs {
        if heap.wants_collection() {
            let collected = collect(&mut heap, Collection::Auto, &mut [Value::NIL]);
            seen.push((number, collected.kind));
        }
        heap.cons(Value::ONE, Value::NIL, false);
    }
    seen
}

valk_harness::test! {
    fn a_seed_repeats_its_schedule() {
        let first = schedule(Stress::Random { seed: 7 }, 50_000);
        assert_eq!(first, schedule(Stress::Random { seed: 7 }, 50_000));
        assert_ne!(first, schedule(Stress::Random { seed: 8 }, 50_000));
        let pairs_of_a_nursery = (64 << 10) / 16;
        let gaps: Vec<usize> = first.windows(2).map(|pair| pair[1].0 - pair[0].0).collect();
        assert!(gaps.iter().all(|gap| *gap <= pairs_of_a_nursery + 1), "{gaps:?}");
        assert!(gaps.iter().any(|gap| *gap < 10), "some follow one another closely: {gaps:?}");
        assert!(gaps.iter().any(|gap| *gap > 1000), "some come late: {gaps:?}");
        for kind in [Collection::Minor, Collection::Full] {
            assert!(first.iter().any(|(_, seen)| *seen == kind), "{kind:?} in {first:?}");
        }
    }

    fn forced_collections_begin_and_end_when_told() {
        let mut heap = small_heap();
        heap.cons(Value::ONE, Value::NIL, false);
        assert!(!heap.wants_collection());
        heap.set_stress(Stress::EverySafepoint);
        assert!(heap.wants_collection());
        collect(&mut heap, Collection::Auto, &mut [Value::NIL]);
        assert!(heap.wants_collection());
        heap.set_stress(Stress::Off);
        collect(&mut heap, Collection::Auto, &mut [Value::NIL]);
        assert!(!heap.wants_collection());
        // In use already is more than any random amount may be.
        for _ in 0..4000 {
            heap.cons(Value::ONE, Value::NIL, false);
        }
        heap.set_stress(Stress::Random { seed: 1 });
        heap.cons(Value::ONE, Value::NIL, false);
        heap.cons(Value::ONE, Value::NIL, false);
        assert!(heap.wants_collection());
    }

    fn failures_are_made_up_from_a_seed() {
        let answers = |refuse| {
            let heap = Heap::new(Config { refuse, ..small_config() }).expect("64 KiB of nursery");
            (0..200).map(|_| (heap.room(16).is_err(), heap.over_hard_limit())).collect::<Vec<_>>()
        };
        let some = answers(Some(3));
        assert_eq!(some, answers(Some(3)));
        assert_ne!(some, answers(Some(4)));
        assert!(some.iter().any(|(room, over)| *room && !*over) && some.contains(&(false, false)));
        assert!(answers(None).iter().all(|answer| *answer == (false, false)));
        let mut heap = small_heap();
        heap.set_refuse(Some(3));
        assert!((0..200).any(|_| heap.over_hard_limit()));
        heap.set_refuse(None);
        assert!((0..200).all(|_| !heap.over_hard_limit()));
    }

    fn every_collection_is_in_one_bucket() {
        let mut heap = small_heap();
        for kind in [Collection::Minor, Collection::Full, Collection::Minor] {
            heap.cons(Value::ONE, Value::NIL, false);
            collect(&mut heap, kind, &mut [Value::NIL]);
        }
        let seen = heap.statistics();
        assert_eq!(seen.pauses.iter().sum::<u64>(), seen.collections());
        assert_eq!(seen.collections(), 3);
        assert!(seen.pause_us_full <= seen.pause_us_total);
        let last = PAUSE_BOUNDS_US.partition_point(|bound| *bound <= seen.pause_us_last);
        assert!(seen.pauses[last] > 0, "{seen:?}");
    }

    fn shares_are_of_what_they_say() {
        let mut heap = small_heap();
        assert_eq!(heap.statistics().survival_percent(), 0, "of nothing");
        let mut roots = [heap.cons(Value::ONE, Value::NIL, false)];
        for _ in 0..3 {
            heap.cons(Value::ONE, Value::NIL, false);
        }
        collect(&mut heap, Collection::Minor, &mut roots);
        let seen = heap.statistics();
        assert_eq!(seen.young_collected_bytes, 64);
        assert_eq!(seen.survival_percent(), 25);
        assert_eq!(seen.efficiency_percent, 75);
        assert_eq!(seen.fragmentation_percent(), 99, "one pair in a page");
        let full = Statistics { committed_bytes: 96, nursery_bytes: 32, old_bytes: 64, ..seen };
        assert_eq!(full.fragmentation_percent(), 0);
    }
}
