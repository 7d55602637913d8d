//! Random object graphs: what the heap keeps is what the model reaches, with equal contents.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::model::World;
use super::{small_config, small_heap};
use crate::{Collection, Config, Heap, Kind, Value};

/// After a full collection: exactly what is reachable occupies memory, exactly the unreachable
/// hosts have been dropped.
fn check_after_full(world: &mut World) {
    let reached = world.check();
    let in_slots: usize = world.heap.class_usage().iter().map(|class| class.slots_used).sum();
    assert_eq!(in_slots + world.heap.statistics().large_objects, reached.len());
    let dropped = world.dropped.lock().expect("whole").clone();
    let distinct: HashSet<usize> = dropped.iter().copied().collect();
    assert_eq!(distinct.len(), dropped.len(), "a host was dropped twice");
    let dead: HashSet<usize> = world.hosts().difference(&reached).copied().collect();
    assert_eq!(distinct, dead);
}

fn run(config: &Config, seeds: std::ops::Range<u64>, steps: usize, full_every: usize) {
    for seed in seeds {
        let mut world = World::new(config.clone(), seed);
        for step in 1..=steps {
            world.step();
            if step % full_every == 0 {
                world.collect(Collection::Full);
                check_after_full(&mut world);
            } else if world.heap.wants_collection() || step % 97 == 0 {
                world.collect(Collection::Auto);
            }
            if step % 53 == 0 {
                world.check();
            }
        }
        world.collect(Collection::Full);
        check_after_full(&mut world);
        let hosts = world.hosts();
        let dropped = world.dropped.clone();
        drop(world);
        let dropped = dropped.lock().expect("whole");
        assert_eq!(dropped.len(), hosts.len(), "dropping the heap drops every host once");
    }
}

valk_harness::test! {
    fn survivors_are_what_the_model_reaches() {
        run(&small_config(), 1..7, 4000, 701);
    }
}

valk_harness::test! {
    fn the_same_without_generations() {
        run(&Config { generational: false, ..small_config() }, 1..4, 2000, 701);
    }
}

valk_harness::test! {
    fn collecting_at_every_step_changes_nothing() {
        let stress = crate::Stress::EverySafepoint;
        run(&Config { stress, ..small_config() }, 10..13, 1200, 50);
    }
}

valk_harness::test! {
    fn parallel_collections_keep_the_same() {
        for seed in 20..26 {
            let config = Config { mutators_max: 3, ..small_config() };
            let mut world = World::new(config, seed);
            let mut common = world.heap.locked();
            (common.serial_trace_cells, common.gc_workers_min) = (3, 2);
            drop(common);
            let ending = Arc::new(AtomicBool::new(false));
            let helpers: Vec<_> = (0..2)
                .map(|_| {
                    let (mutator_ticket, ending) = (world.heap.mutator_ticket(), Arc::clone(&ending));
                    std::thread::spawn(move || {
                        let mut heap = mutator_ticket.register().expect("room for it");
                        while !ending.load(Ordering::Relaxed) {
                            if heap.wants_safepoint() {
                                // SAFETY: it has no values.
                                unsafe { heap.stop(&mut ()) };
                            }
                            std::thread::yield_now();
                        }
                    })
                })
                .collect();
            for step in 1..=2500 {
                world.step();
                match step % 101 {
                    0 => {
                        world.collect(Collection::Full);
                        check_after_full(&mut world);
                    }
                    31 | 61 | 83 => {
                        world.collect(Collection::Minor);
                        world.check();
                    }
                    _ => {}
                }
            }
            ending.store(true, Ordering::Relaxed);
            for helper in helpers {
                helper.join().expect("no panic");
            }
            assert!(world.heap.statistics().collections_parallel > 20, "seed {seed}");
            world.collect(Collection::Full);
            check_after_full(&mut world);
        }
    }
}

valk_harness::test! {
    fn minor_collections_alone_keep_everything_reachable() {
        let mut world = World::new(small_config(), 99);
        for step in 1..5000 {
            world.step();
            if step % 31 == 0 {
                assert_eq!(world.collect(Collection::Minor).kind, Collection::Minor);
                world.check();
            }
        }
        assert_eq!(world.heap.statistics().collections_full, 0);
    }
}

/// Fails when any one barrier is left out: each old holder gets a young value by mutation only.
fn old_holder_keeps_young(make: impl Fn(&mut Heap) -> Value, index: usize) {
    let mut heap = small_heap();
    let mut roots = [make(&mut heap)];
    super::collect(&mut heap, Collection::Minor, &mut roots);
    for round in 0..3 {
        let text = heap.string(b"young");
        heap.write(roots[0], index, text);
        heap.write(roots[0], index, text);
        assert_eq!(heap.verify(&mut roots), 2, "round {round}");
        super::collect(&mut heap, Collection::Minor, &mut roots);
        let held = if roots[0].is_pair() { roots[0].tail() } else { roots[0].field(index) };
        assert_eq!(held.bytes(&heap), b"young");
        assert_eq!(heap.verify(&mut roots), 2);
    }
}

valk_harness::test! {
    fn the_barrier_covers_every_holder() {
        old_holder_keeps_young(|heap| heap.fields(Kind::Cell, &[Value::NIL]), 0);
        old_holder_keeps_young(|heap| heap.cons(Value::NIL, Value::NIL, true), 1);
        old_holder_keeps_young(|heap| heap.old_cons(Value::NIL, Value::NIL, true), 1);
        old_holder_keeps_young(|heap| heap.fields(Kind::Record, &vec![Value::NIL; 3000]), 2999);
    }
}

valk_harness::test! {
    fn numbers_are_written_without_a_note() {
        let mut heap = small_heap();
        let mut roots = [heap.fields(Kind::Record, &[Value::NIL; 2])];
        super::collect(&mut heap, Collection::Full, &mut roots);
        let address = roots[0].address();
        heap.write(roots[0], 0, Value::ONE);
        // SAFETY: the object has two fields.
        unsafe { heap.write_plain(roots[0], 1, Value::ZERO) };
        super::collect(&mut heap, Collection::Full, &mut roots);
        assert_eq!(roots[0].address(), address, "old by then");
        assert_eq!((roots[0].field(0), roots[0].field(1)), (Value::ONE, Value::ZERO));
        let text = heap.string(b"young");
        heap.write(roots[0], 0, text);
        assert_eq!(heap.verify(&mut roots), 2, "a reference is noted after numbers were not");
        super::collect(&mut heap, Collection::Minor, &mut roots);
        assert_eq!(roots[0].field(0).bytes(&heap), b"young");
    }
}

valk_harness::test! {
    fn what_is_born_old_is_remembered() {
        let mut heap = small_heap();
        let text = heap.string(b"young");
        let mut roots = [heap.old_cons(text, text, true), heap.fields(Kind::Record, &vec![text; 9000])];
        let address = roots[0].address();
        assert_eq!(heap.verify(&mut roots), 3);
        super::collect(&mut heap, Collection::Minor, &mut roots);
        assert_eq!(roots[0].address(), address, "old cells never move");
        assert_eq!(roots[0].head().bytes(&heap), b"young");
        assert_eq!(roots[0].head(), roots[1].field(8999));
        super::collect(&mut heap, Collection::Full, &mut roots);
        assert_eq!(roots[0].address(), address);
        assert_eq!(heap.verify(&mut roots), 3);
    }
}
