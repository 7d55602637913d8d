//! Collections of one nursery while other mutators run.

use super::{Random, collect, small_config};
use crate::accounting::limits::FULL_FLOOR_BYTES;
use crate::{Collection, Config, Heap, HostObject, Kind, Tracer, Value};
use std::sync::mpsc;
use std::thread;
use std::time::Instant;

fn heap_of(mutators_max: usize) -> Heap {
    Heap::new(Config { mutators_max, ..small_config() }).expect("nurseries of 64 KiB")
}

struct Holder(Value);

impl HostObject for Holder {
    fn trace(&mut self, tracer: &mut Tracer<'_>) {
        tracer.value(&mut self.0);
    }
    fn type_name(&self) -> &'static str {
        "holder"
    }
}

/// A list of the numbers from `first` up, ten of them.
fn list(heap: &mut Heap, first: i64) -> Value {
    let number = |step| Value::fixnum(first + step);
    (0..10).rev().fold(Value::NIL, |rest, step| heap.cons(number(step), rest, false))
}

fn assert_list(mut list: Value, first: i64) {
    for step in 0..10 {
        assert_eq!(list.head(), Value::fixnum(first + step));
        list = list.tail();
    }
    assert!(list.is_nil());
}

/// Old objects to do something with: a cell, a host, a pair.
type Old = [Value; 3];
/// Something done with a young value and old objects.
type Operation = fn(&mut Heap, Value, Old);

/// What others may come by.
const PUBLISHED: &[(&str, Operation)] = &[
    ("a reference in an old cell", |heap, young, [cell, ..]| heap.write(cell, 0, young)),
    // What is written to the cell from now on is not seen.
    ("an old reference in an old cell", |heap, _, [cell, _, pair]| heap.write(cell, 0, pair)),
    ("a reference in an old pair", |heap, young, [_, _, pair]| heap.write(pair, 0, young)),
    ("a change of a host", |heap, _, [_, host, _]| heap.touch_host(host)),
    ("a new host", |heap, young, _| {
        heap.host(Box::new(Holder(young)));
    }),
    ("a new old pair", |heap, young, _| {
        heap.old_cons(young, Value::NIL, false);
    }),
    ("an object that is born old", |heap, young, _| {
        heap.fields(Kind::Record, &vec![young; 10_000]);
    }),
    ("a global", |heap, young, _| {
        let symbol = heap.intern(b"global").as_symbol().expect("a symbol");
        heap.set_global(symbol, young);
    }),
    ("a root", |heap, young, _| {
        let root = heap.root(young);
        heap.release(root);
    }),
    ("another value of a root", |heap, young, _| {
        let root = heap.root(Value::NIL);
        heap.set_root(&root, young);
        heap.release(root);
    }),
    ("by another way", |heap, _, _| heap.publish()),
];

/// What they may not.
const KEPT: &[(&str, Operation)] = &[
    ("a number in an old cell", |heap, _, [cell, ..]| heap.write(cell, 0, Value::ONE)),
    ("a reference in a young cell", |heap, young, _| {
        let cell = heap.fields(Kind::Cell, &[Value::NIL]);
        heap.write(cell, 0, young);
    }),
    ("an old value in a global", |heap, _, [.., pair]| {
        let symbol = heap.intern(b"global").as_symbol().expect("a symbol");
        heap.set_global(symbol, pair);
    }),
    ("an old value in a root", |heap, _, [.., pair]| {
        let root = heap.root(pair);
        heap.release(root);
    }),
    ("an old string", |heap, _, _| {
        heap.string(&[7; 100_000]);
    }),
];

valk_harness::test! {
    fn a_nursery_is_collected_while_another_mutator_runs() {
        let mut heap = heap_of(2);
        let mutator_ticket = heap.mutator_ticket();
        let (running, is_running) = mpsc::channel();
        let (end, is_ended) = mpsc::channel::<()>();
        let other = thread::spawn(move || {
            let mut heap = mutator_ticket.register().expect("room for it");
            let own = list(&mut heap, 7);
            running.send(()).expect("the main thread waits");
            // Runs, and comes to no safepoint.
            is_ended.recv().expect("the other one ends it");
            assert_list(own, 7);
        });
        is_running.recv().expect("it runs");
        let mut roots = [list(&mut heap, 100), Value::NIL];
        for round in 1..4 {
            while !heap.wants_collection() {
                roots[1] = list(&mut heap, round);
            }
            let before = heap.young.used_bytes();
            let collected = collect(&mut heap, Collection::Auto, &mut roots);
            assert!(collected.led && collected.kind == Collection::Minor);
            assert_eq!(collected.young_bytes, before);
            assert_eq!((heap.young.used_bytes(), heap.wants_collection()), (0, false));
            assert_list(roots[0], 100);
            assert_list(roots[1], round);
            let seen = heap.statistics();
            assert_eq!((seen.collections_local, seen.collections_minor), (round as u64, round as u64));
        }
        let seen = heap.statistics();
        // Ten pairs of the first list, ten of each other.
        assert_eq!(seen.promoted_cells, 40);
        assert!(seen.used_bytes_peak >= seen.used_bytes && seen.young_bytes_peak >= 320);
        end.send(()).expect("it waits");
        other.join().expect("no panic");
        // Its list is still in its nursery.
        let collected = collect(&mut heap, Collection::Minor, &mut roots);
        assert_eq!(collected.young_bytes, 160);
        assert!(heap.verify(&mut roots) >= 20);
    }

    fn what_others_may_come_by_stops_the_world() {
        for (name, operation, publishes) in PUBLISHED
            .iter()
            .map(|(name, operation)| (name, operation, true))
            .chain(KEPT.iter().map(|(name, operation)| (name, operation, false)))
        {
            let mut heap = heap_of(2);
            let _invitation = heap.mutator_ticket();
            let host = heap.host(Box::new(Holder(Value::NIL)));
            let cell = heap.fields(Kind::Cell, &[Value::NIL]);
            let pair = heap.cons(Value::ONE, Value::NIL, false);
            let mut roots = [cell, host, pair, Value::NIL];
            assert!(!heap.may_collect_locally(), "there is a new host");
            collect(&mut heap, Collection::Auto, &mut roots);
            assert!(heap.may_collect_locally());
            roots[3] = list(&mut heap, 50);
            let old = [roots[0], roots[1], roots[2]];
            operation(&mut heap, roots[3], old);
            assert_eq!(heap.may_collect_locally(), !publishes, "{name}");
            collect(&mut heap, Collection::Auto, &mut roots);
            let own = u64::from(!publishes);
            assert_eq!(heap.statistics().collections_local, own, "{name}");
            assert_list(roots[3], 50);
            assert!(heap.may_collect_locally(), "{name}");
            assert!(heap.verify(&mut roots) > 10);
        }
    }

    #[timeout_ms = 10_000]
    fn who_is_asked_to_stop_takes_part() {
        let mut heap = heap_of(2);
        let mutator_ticket = heap.mutator_ticket();
        let other = thread::spawn(move || {
            let mut heap = mutator_ticket.register().expect("room for it");
            collect(&mut heap, Collection::Full, &mut ()).led
        });
        let mut roots = [list(&mut heap, 3)];
        while !heap.mutator.is_asked_to_stop() {
            thread::yield_now();
        }
        // The acknowledgement of the one request must not be the end of it.
        assert!(!collect(&mut heap, Collection::Auto, &mut roots).led);
        assert!(other.join().expect("no panic"));
        assert_eq!(heap.statistics().collections_local, 0);
        assert_list(roots[0], 3);
    }

    fn other_collections_stop_the_world() {
        let mut heap = heap_of(2);
        assert!(!heap.may_collect_locally(), "there was no other mutator");
        let _invitation = heap.mutator_ticket();
        assert!(heap.may_collect_locally());
        let mut roots = [list(&mut heap, 3)];
        collect(&mut heap, Collection::Minor, &mut roots);
        collect(&mut heap, Collection::Full, &mut roots);
        heap.generational = false;
        assert!(!heap.may_collect_locally());
        heap.generational = true;
        // So much that a full collection is due.
        let text = heap.string(&vec![1; 17 << 20]);
        assert!(!text.is_nil() && !heap.may_collect_locally());
        collect(&mut heap, Collection::Auto, &mut roots);
        assert_eq!(heap.statistics().collections_local, 0);
        assert_list(roots[0], 3);
    }

    fn the_hard_limit_stops_the_world_before_it_is_passed() {
        let config = Config { hard_limit_bytes: 4 << 20, mutators_max: 2, ..small_config() };
        let mut heap = Heap::new(config).expect("a heap");
        let _invitation = heap.mutator_ticket();
        // So much of it lives that the next full collection is due above it.
        let mut roots = [heap.string(&vec![1; 3_900_000])];
        collect(&mut heap, Collection::Full, &mut roots);
        assert!(heap.locked().limits.full_at_bytes > 4 << 20);
        assert!(heap.may_collect_locally());
        while heap.young.used_bytes() < 300_000 {
            list(&mut heap, 0);
        }
        assert!(!heap.may_collect_locally());
    }

    fn full_collections_come_later_when_several_mutators_run() {
        let mut heap = heap_of(2);
        let mutator_ticket = heap.mutator_ticket();
        let other = thread::spawn(move || {
            let mut heap = mutator_ticket.register().expect("room for it");
            while !heap.wants_safepoint() {
                thread::yield_now();
            }
            // SAFETY: it has no values.
            unsafe { heap.stop(&mut ()) };
        });
        while heap.mutators() < 2 {
            thread::yield_now();
        }
        collect(&mut heap, Collection::Full, &mut ());
        assert_eq!(heap.locked().limits.full_at_bytes, 2 * FULL_FLOOR_BYTES);
        other.join().expect("no panic");
        collect(&mut heap, Collection::Full, &mut ());
        assert_eq!(heap.locked().limits.full_at_bytes, FULL_FLOOR_BYTES);
    }

    fn memory_that_is_about_to_be_filled_stays() {
        let mut heap = heap_of(1);
        let mut roots = [list(&mut heap, 0)];
        while heap.statistics().collections_full < 1 {
            // Survives the nursery and is garbage afterwards.
            roots[0] =
                (0..2000).fold(Value::NIL, |rest, n| heap.cons(Value::fixnum(n), rest, false));
            if heap.wants_collection() {
                // The last one was just now, however slow this is.
                heap.locked().last_full = Some(Instant::now());
                collect(&mut heap, Collection::Auto, &mut roots);
            }
        }
        let held = |heap: &Heap| heap.statistics().committed_bytes;
        assert!(held(&heap) > FULL_FLOOR_BYTES, "{}", held(&heap));
        collect(&mut heap, Collection::Full, &mut roots);
        assert!(held(&heap) < FULL_FLOOR_BYTES / 2, "{}", held(&heap));
    }

    #[timeout_ms = 60_000]
    fn threads_that_publish_at_times_see_whole_values() {
        let mut heap = heap_of(4);
        let symbols = ["a", "b", "c"].map(|name| heap.intern(name.as_bytes()).as_symbol().expect("a symbol"));
        for (number, symbol) in symbols.into_iter().enumerate() {
            let shared = list(&mut heap, number as i64);
            heap.set_global(symbol, shared);
        }
        let seed = valk_harness::seed();
        let threads: Vec<_> = (0..3).map(|number: usize| {
            let mutator_ticket = heap.mutator_ticket();
            thread::spawn(move || {
                let mut random = Random::new(seed ^ number as u64);
                let mut heap = mutator_ticket.register().expect("room for it");
                // What is kept, with the first number of each.
                let mut roots = [Value::NIL; 8];
                let mut firsts = [0; 8];
                for (kept, first) in roots.iter_mut().zip(&mut firsts) {
                    *first = random.below(1000) as i64;
                    *kept = list(&mut heap, *first);
                }
                for round in 0..30_000 {
                    let place = random.below(8);
                    match random.below(300) {
                        0 => heap.set_global(symbols[number], roots[place]),
                        1 => {
                            roots[place] = heap.global(symbols[random.below(3)]);
                            firsts[place] = roots[place].head().as_fixnum();
                        }
                        _ => {
                            firsts[place] = round;
                            roots[place] = list(&mut heap, round);
                        }
                    }
                    if heap.wants_safepoint() {
                        if heap.wants_collection() {
                            collect(&mut heap, Collection::Auto, &mut roots);
                        } else {
                            // SAFETY: what is used afterwards is read from `roots`.
                            unsafe { heap.stop(&mut roots) };
                        }
                        for (kept, first) in roots.iter().zip(firsts) {
                            assert_list(*kept, first);
                        }
                    }
                }
            })
        }).collect();
        // SAFETY: nothing of this mutator's is rooted.
        unsafe {
            heap.blocking(&mut (), || {
                for thread in threads {
                    thread.join().expect("no panic");
                }
            });
        }
        let seen = heap.statistics();
        let stopped = seen.collections() - seen.collections_local;
        assert!(seen.collections_local > 20 && stopped > 20, "{} own, {stopped} others", seen.collections_local);
        assert!(heap.verify(&mut ()) >= 30);
    }
}
