//! Limits, triggers and what the statistics say about them.

use super::{collect, small_config, small_heap};
use crate::{Collection, Config, Heap, HeapError, Kind, ProcessMemory, Stress, Value};

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;

fn error_of(config: Config) -> HeapError {
    Heap::new(config).err().expect("the configuration is refused")
}

valk_harness::test! {
    fn contradictory_configurations_are_refused() {
        let config = Config { hard_limit_bytes: 100 * KIB, ..small_config() };
        let minimum = 128 * KIB;
        assert_eq!(error_of(config), HeapError::LimitBelowNursery { limit: 100 * KIB, minimum });
        for nursery_bytes in [1 << 60, usize::MAX - MIB, usize::MAX - 128 * KIB + 1] {
            let config = Config { nursery_bytes, hard_limit_bytes: usize::MAX, ..small_config() };
            assert!(matches!(error_of(config), HeapError::Map { .. }));
        }
    }
}

valk_harness::test! {
    fn the_threshold_is_a_percentage() {
        let mut heap = Heap::new(Config { threshold_percent: 0, ..small_config() }).expect("clamped");
        assert_eq!(heap.threshold_percent(), 1);
        assert_eq!(heap.set_threshold_percent(50), 1);
        assert_eq!(heap.set_threshold_percent(200), 50);
        assert_eq!(heap.threshold_percent(), 100);
        heap.set_threshold_percent(50);
        assert_eq!(heap.statistics().soft_limit_bytes, heap.hard_limit_bytes() / 2);
    }
}

valk_harness::test! {
    fn a_full_nursery_asks_for_a_collection_and_goes_on() {
        let mut heap = small_heap();
        let mut roots = [Value::NIL];
        while !heap.wants_collection() {
            roots[0] = heap.cons(Value::ONE, Value::NIL, false);
        }
        assert_eq!(heap.statistics().young_bytes, 64 * KIB + 16, "asked by the first cell too many");
        heap.cons(Value::ONE, Value::NIL, false);
        let collected = collect(&mut heap, Collection::Auto, &mut roots);
        assert_eq!(collected.kind, Collection::Minor);
        assert_eq!((collected.promoted_bytes, collected.reclaimed_bytes), (16, 64 * KIB + 16));
        assert_eq!(collected.used_bytes, 16);
        assert!(!heap.wants_collection());
        let statistics = heap.statistics();
        assert_eq!(statistics.collections_minor, 1);
        assert_eq!(statistics.collections_full, 0);
        assert_eq!(statistics.nursery_overflows, 1);
        assert_eq!(statistics.allocated_bytes, 64 * KIB as u64 + 32);
        assert_eq!(statistics.promoted_bytes, 16);
        assert_eq!(statistics.reclaimed_bytes, 64 * KIB as u64 + 16);
        assert_eq!(statistics.used_bytes_peak, 64 * KIB + 32);
        assert_eq!((statistics.young_bytes, statistics.old_bytes), (0, 16));
        assert!(statistics.pause_us_max >= statistics.pause_us_last);
        assert_eq!(statistics.nursery_bytes, 64 * KIB);
    }
}

valk_harness::test! {
    fn stress_always_asks() {
        let mut heap = Heap::new(Config { stress: Stress::EverySafepoint, ..small_config() }).expect("small");
        assert!(heap.wants_collection());
        collect(&mut heap, Collection::Auto, &mut ());
        assert!(heap.wants_collection());
        heap.set_stress(Stress::Off);
        collect(&mut heap, Collection::Auto, &mut ());
        assert!(!heap.wants_collection());
        heap.set_stress(Stress::EverySafepoint);
        assert!(heap.wants_collection());
    }
}

valk_harness::test! {
    fn without_generations_every_collection_is_full() {
        let mut heap = Heap::new(Config { generational: false, ..small_config() }).expect("small");
        for kind in [Collection::Minor, Collection::Auto, Collection::Full] {
            assert_eq!(collect(&mut heap, kind, &mut ()).kind, Collection::Full);
        }
    }
}

valk_harness::test! {
    fn growth_of_old_memory_makes_a_collection_full() {
        let mut heap = small_heap();
        let mut fulls = 0;
        for _ in 0..100 {
            heap.string_from(MIB, |_| ());
            if heap.wants_collection() {
                let collected = collect(&mut heap, Collection::Auto, &mut ());
                fulls += usize::from(collected.kind == Collection::Full);
                assert!(!heap.over_hard_limit());
            }
        }
        assert!((4..=7).contains(&fulls), "garbage of 100 MiB against 16 MiB: {fulls} collections");
        assert_eq!(heap.statistics().collections_full, fulls as u64);
    }
}

valk_harness::test! {
    fn many_small_old_cells_ask_too() {
        let mut heap = small_heap();
        let mut cells = 0;
        while !heap.wants_collection() {
            heap.old_cons(Value::NIL, Value::NIL, true);
            cells += 1;
        }
        assert!((MIB..=MIB + 2 * KIB).contains(&cells), "16 MiB of pairs, {cells} cells");
        assert_eq!(collect(&mut heap, Collection::Auto, &mut ()).kind, Collection::Full);
        assert_eq!(heap.used_bytes(), 0);
    }
}

valk_harness::test! {
    fn room_is_refused_above_the_hard_limit() {
        let mut heap = small_heap();
        assert_eq!(heap.room(64 * MIB), Ok(()));
        let mut roots = [heap.string_from(40 * MIB, |_| ())];
        let refused = heap.room(30 * MIB).expect_err("40 + 30 > 64");
        assert_eq!((refused.requested, refused.limit), (30 * MIB, 64 * MIB));
        assert!(refused.used >= 40 * MIB);
        assert!(heap.room(usize::MAX).is_err());
        roots[0] = Value::NIL;
        collect(&mut heap, Collection::Full, &mut roots);
        assert_eq!(heap.room(30 * MIB), Ok(()));
    }
}

valk_harness::test! {
    fn full_collections_keep_their_distance_in_time() {
        let mut heap = small_heap();
        let mut roots = [Value::NIL];
        assert_eq!(heap.set_full_interval_ms(1 << 40), 0);
        for _ in 0..3 {
            collect(&mut heap, Collection::Full, &mut roots);
            // Above the trigger, but too soon after the last one.
            roots[0] = heap.string_from(40 * MIB, |_| ());
            assert_eq!(collect(&mut heap, Collection::Auto, &mut roots).kind, Collection::Minor);
            roots[0] = Value::NIL;
        }
        collect(&mut heap, Collection::Full, &mut roots);
        assert_eq!(heap.set_full_interval_ms(0), 1 << 40);
        roots[0] = heap.string_from(40 * MIB, |_| ());
        assert_eq!(collect(&mut heap, Collection::Auto, &mut roots).kind, Collection::Full);
    }
}

valk_harness::test! {
    fn over_the_hard_limit_is_reported_not_fatal() {
        let mut heap = Heap::new(Config { hard_limit_bytes: MIB, ..small_config() }).expect("1 MiB");
        let mut roots = [Value::NIL];
        while !heap.over_hard_limit() {
            let vector = heap.fields(Kind::Record, &[Value::NIL; 100]);
            roots[0] = heap.cons(vector, roots[0], true);
        }
        collect(&mut heap, Collection::Auto, &mut roots);
        assert!(heap.over_hard_limit(), "all of it is live");
        assert!(heap.statistics().collections_emergency > 0);
        heap.verify(&mut roots);
        roots[0] = Value::NIL;
        collect(&mut heap, Collection::Auto, &mut roots);
        assert!(!heap.over_hard_limit());
    }
}

valk_harness::test! {
    fn an_emergency_collection_frees_old_garbage() {
        let mut heap = Heap::new(Config { hard_limit_bytes: 20 * MIB, ..small_config() }).expect("20 MiB");
        let mut roots = [heap.string_from(11 * MIB, |_| ()), Value::NIL];
        collect(&mut heap, Collection::Full, &mut roots);
        roots[0] = Value::NIL;
        // Below the trigger with what is old, above the hard limit with what gets old.
        for _ in 0..10 * MIB / 16 {
            roots[1] = heap.cons(Value::NIL, roots[1], true);
        }
        let collected = collect(&mut heap, Collection::Auto, &mut roots);
        assert_eq!(collected.kind, Collection::Full);
        assert_eq!(heap.statistics().collections_emergency, 1);
        assert_eq!(heap.statistics().collections_minor, 1);
        assert!(!heap.over_hard_limit());
    }
}

valk_harness::test! {
    fn external_memory_counts() {
        let mut heap = small_heap();
        heap.set_external_bytes(10 * MIB);
        assert_eq!(heap.used_bytes(), 10 * MIB);
        assert!(!heap.wants_collection());
        heap.set_external_bytes(65 * MIB);
        assert!(heap.wants_collection() && heap.over_hard_limit());
        collect(&mut heap, Collection::Auto, &mut ());
        assert!(heap.over_hard_limit(), "no collection frees it");
        assert!(!heap.wants_collection());
        heap.set_external_bytes(0);
        assert!(!heap.over_hard_limit());
    }
}

valk_harness::test! {
    fn the_hard_limit_cannot_go_below_usage() {
        let mut heap = small_heap();
        let mut roots = [heap.string_from(2 * MIB, |_| ())];
        let used = heap.used_bytes();
        assert_eq!(heap.set_hard_limit(MIB), Err(HeapError::LimitBelowUsage { limit: MIB, used }));
        assert_eq!(heap.hard_limit_bytes(), 64 * MIB);
        assert_eq!(heap.set_hard_limit(4 * MIB), Ok(64 * MIB));
        let statistics = heap.statistics();
        assert_eq!((statistics.hard_limit_bytes, statistics.soft_limit_bytes), (4 * MIB, 3 * MIB));
        heap.string_from(2 * MIB, |_| ());
        assert!(heap.wants_collection() && heap.over_hard_limit());
        collect(&mut heap, Collection::Auto, &mut roots);
        assert!(!heap.over_hard_limit());
    }
}

valk_harness::test! {
    fn class_usage_adds_up() {
        let mut heap = small_heap();
        let mut roots: Vec<Value> =
            (0..500).map(|count| heap.fields(Kind::Record, &vec![Value::NIL; count])).collect();
        collect(&mut heap, Collection::Minor, &mut roots);
        let classes = heap.class_usage();
        assert!(classes.windows(2).all(|pair| pair[0].slot_bytes < pair[1].slot_bytes));
        assert!(classes.iter().all(|class| class.slots_used <= class.slots_total));
        let bytes: usize = classes.iter().map(|class| class.slots_used * class.slot_bytes).sum();
        assert_eq!(bytes, heap.statistics().old_bytes);
        assert_eq!(classes.iter().map(|class| class.slots_used).sum::<usize>(), 500);
    }
}

valk_harness::test! {
    fn two_heaps_do_not_see_each_other() {
        let (mut first, mut second) = (small_heap(), small_heap());
        let text = first.string(b"first");
        let root = first.root(text);
        second.string(b"second");
        collect(&mut second, Collection::Full, &mut ());
        assert_eq!(first.resolve(&root).bytes(&first), b"first");
        assert_eq!(second.used_bytes(), 0);
        first.release(root);
    }
}

valk_harness::test! {
    fn a_thousand_heaps_on_one_thread_have_exact_statistics() {
        for round in 0..1000u64 {
            let mut heap = small_heap();
            let mut roots = [Value::NIL];
            for _ in 0..=round % 7 {
                roots[0] = heap.cons(Value::ONE, roots[0], false);
            }
            let cells = round % 7 + 1;
            let before = heap.statistics();
            assert_eq!(before.allocated_bytes, cells * 16, "round {round}");
            assert_eq!((before.young_bytes as u64, before.old_bytes), (cells * 16, 0));
            collect(&mut heap, Collection::Full, &mut roots);
            let after = heap.statistics();
            assert_eq!((after.young_bytes, after.old_bytes as u64), (0, cells * 16));
            assert_eq!((after.collections_full, after.allocated_bytes), (1, cells * 16));
        }
    }

    fn two_heaps_in_turn_do_not_see_each_other() {
        let (mut one, mut two) = (small_heap(), small_heap());
        let mut roots_one = [one.cons(Value::ONE, Value::NIL, false)];
        let mut roots_two = [two.string(b"two")];
        collect(&mut one, Collection::Full, &mut roots_one);
        drop(one);
        collect(&mut two, Collection::Full, &mut roots_two);
        assert_eq!(roots_two[0].as_bytes(&two), Some(&b"two"[..]));
        assert_eq!(two.statistics().old_bytes, 16);
    }
}

/// A list of strings of this size to which the limit allows no further one, in the first root.
fn filled_with_strings(heap: &mut Heap, bytes: usize) -> [Value; 3] {
    let mut roots = [Value::NIL; 3];
    loop {
        let string = heap.string_from(bytes, |_| ());
        let longer = heap.cons(string, roots[0], false);
        let before = std::mem::replace(&mut roots[0], longer);
        roots[1] = before;
        collect(heap, Collection::Auto, &mut roots);
        if heap.over_hard_limit() {
            return [roots[1], Value::NIL, Value::NIL];
        }
    }
}

valk_harness::test! {
    fn strings_refused_at_the_limit_leave_no_memory_committed() {
        for bytes in [10_000, 50_000] {
            let config = Config { hard_limit_bytes: 8 * MIB, ..small_config() };
            let mut heap = Heap::new(config).expect("8 MiB");
            let mut roots = filled_with_strings(&mut heap, bytes);
            collect(&mut heap, Collection::Full, &mut roots);
            let before = heap.statistics();
            for _ in 0..100 {
                // What a program does with a refusal makes a few small objects that stay.
                let message = heap.string(b"out of memory");
                let error = heap.error(message);
                roots[1] = heap.cons(error, roots[1], false);
                let string = heap.string_from(bytes, |_| ());
                roots[2] = heap.cons(string, roots[0], false);
                collect(&mut heap, Collection::Full, &mut roots);
                assert!(heap.over_hard_limit());
                roots[2] = Value::NIL;
                collect(&mut heap, Collection::Full, &mut roots);
            }
            let after = heap.statistics();
            assert!(after.used_bytes < before.used_bytes + 100 * KIB);
            let grown = after.committed_bytes.saturating_sub(before.committed_bytes);
            // A page may come with its chunk.
            assert!(grown <= 3 * MIB, "{grown} bytes more after 100 refusals of {bytes}");
            heap.verify(&mut roots);
        }
    }

    fn large_objects_take_no_more_memory_than_they_count() {
        let mut heap = Heap::new(Config { hard_limit_bytes: 128 * MIB, ..small_config() }).expect("128 MiB");
        let resident = ProcessMemory::now().resident_bytes;
        let mut roots = [Value::NIL];
        for _ in 0..2000 {
            let string = heap.string_from(10_000, |bytes| bytes.fill(b'x'));
            roots[0] = heap.cons(string, roots[0], false);
            if heap.wants_collection() {
                collect(&mut heap, Collection::Auto, &mut roots);
            }
        }
        let statistics = heap.statistics();
        assert!(statistics.old_bytes >= 20_000_000 - 64 * KIB);
        let held = statistics.committed_bytes;
        assert!(held <= statistics.used_bytes + 4 * MIB, "{held} of {}", statistics.used_bytes);
        let taken = ProcessMemory::now().resident_bytes - resident;
        assert!(taken <= held + 8 * MIB, "{taken} bytes are resident, {held} committed");
    }
}
