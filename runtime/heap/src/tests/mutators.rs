//! Several mutators in one heap.

use super::{Random, collect, panic_message, small_config};
use crate::{Collection, Config, Heap, Interrupt, Kind, Stress, TooManyMutators, Value};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, mpsc};
use std::thread;

fn heap_of(mutators_max: usize) -> Heap {
    Heap::new(Config { mutators_max, ..small_config() }).expect("nurseries of 64 KiB")
}

/// Comes to a safepoint as a mutator of the language does.
fn safepoint(heap: &mut Heap, roots: &mut [Value; 2]) {
    if !heap.wants_safepoint() {
        return;
    }
    if heap.wants_collection() {
        collect(heap, Collection::Auto, roots);
    } else {
        // SAFETY: what is used afterwards is read from `roots`.
        unsafe { heap.stop(roots) };
    }
}

/// A list of the numbers below `length` and its sum.
fn list(heap: &mut Heap, length: i64) -> Value {
    (0..length).fold(Value::NIL, |rest, number| heap.cons(Value::fixnum(number), rest, false))
}

fn sum(mut list: Value) -> i64 {
    let mut sum = 0;
    while list.is_pair() {
        sum += list.head().as_fixnum();
        list = list.tail();
    }
    sum
}

/// Keeps a list over `rounds` safepoints while it makes garbage, and checks it after each.
fn hold(heap: &mut Heap, rounds: usize, length: i64) {
    let mut roots = [list(heap, length), Value::NIL];
    let expected = length * (length - 1) / 2;
    for round in 0..rounds {
        roots[1] = list(heap, 40);
        if round % 16 == 3 {
            roots[0] = list(heap, length);
        }
        safepoint(heap, &mut roots);
        assert_eq!((sum(roots[0]), sum(roots[1])), (expected, 780), "round {round}");
    }
}

valk_harness::test! {
    fn three_threads_hold_roots_across_a_thousand_collections() {
        let mut heap = heap_of(4);
        let done = Arc::new(AtomicUsize::new(0));
        let started = Arc::new(Barrier::new(4));
        let threads: Vec<_> = (0..3)
            .map(|number| {
                let (mutator_ticket, done) = (heap.mutator_ticket(), Arc::clone(&done));
                let started = Arc::clone(&started);
                thread::spawn(move || {
                    let mut heap = mutator_ticket.register().expect("room for it");
                    started.wait();
                    let mut rounds = 0;
                    while done.load(Ordering::Relaxed) == 0 {
                        hold(&mut heap, 20, 50 + number);
                        rounds += 1;
                    }
                    rounds
                })
            })
            .collect();
        let mut roots = [list(&mut heap, 100), Value::NIL];
        started.wait();
        let before = heap.statistics().collections();
        while heap.statistics().collections() < before + 1000 {
            let kind = if heap.statistics().collections().is_multiple_of(10) { Collection::Full } else { Collection::Minor };
            collect(&mut heap, kind, &mut roots);
            assert_eq!(sum(roots[0]), 4950);
        }
        done.store(1, Ordering::Relaxed);
        // SAFETY: `roots` is not used until this returns.
        let rounds: Vec<i32> = unsafe {
            heap.blocking(&mut roots, || threads.into_iter().map(|thread| thread.join().expect("no panic")).collect())
        };
        assert!(rounds.iter().all(|rounds| *rounds > 0), "{rounds:?}");
        assert_eq!(heap.mutators(), 1);
        collect(&mut heap, Collection::Full, &mut roots);
        assert_eq!(heap.verify(&mut roots), 100, "nothing is left of the others");
    }

    fn what_a_mutator_leaves_behind_is_collected_like_everything() {
        let mut heap = heap_of(2);
        let mutator_ticket = heap.mutator_ticket();
        let symbol = heap.intern(b"shared").as_symbol().expect("a symbol");
        let mut roots = [Value::NIL; 2];
        for round in 1..50 {
            let mutator_ticket = mutator_ticket.clone();
            // SAFETY: `roots` is not used until this returns.
            unsafe {
                heap.blocking(&mut roots, || {
                    thread::spawn(move || {
                        let mut heap = mutator_ticket.register().expect("room for it");
                        let before = heap.global(symbol);
                        let made = heap.cons(Value::fixnum(round), before, false);
                        heap.set_global(symbol, made);
                    })
                    .join()
                    .expect("no panic");
                });
            }
            assert_eq!(sum(heap.global(symbol)), round * (round + 1) / 2);
            if round % 3 == 0 {
                collect(&mut heap, Collection::Minor, &mut roots);
            }
        }
        assert_eq!(heap.globals().count(), 1);
        assert_eq!(heap.verify(&mut roots), 49);
    }

    fn a_mutator_in_native_code_delays_nobody_and_finds_its_values_moved() {
        let mut heap = heap_of(2);
        let mutator_ticket = heap.mutator_ticket();
        let (to_other, from_main) = mpsc::channel::<()>();
        let (to_main, from_other) = mpsc::channel::<()>();
        let other = thread::spawn(move || {
            let mut heap = mutator_ticket.register().expect("room for it");
            let mut roots = [list(&mut heap, 100), Value::NIL];
            let before = roots[0].address();
            // SAFETY: `roots` is not used until this returns.
            unsafe {
                heap.blocking(&mut roots, || {
                    to_main.send(()).expect("the receiver waits");
                    from_main.recv().expect("the sender is alive");
                });
            }
            assert_ne!(roots[0].address(), before, "moved out of the nursery");
            assert_eq!(sum(roots[0]), 4950);
            // SAFETY: `roots` and `heap` are left alone until `resume`.
            unsafe { heap.begin_blocking(&mut roots) };
            to_main.send(()).expect("the receiver waits");
            from_main.recv().expect("the sender is alive");
            heap.end_blocking();
            assert_eq!(sum(roots[0]), 4950);
        });
        for _ in 0..2 {
            from_other.recv().expect("the sender is alive");
            // Only this thread can go on: it does not wait.
            collect(&mut heap, Collection::Full, &mut [Value::NIL; 2]);
            collect(&mut heap, Collection::Minor, &mut [Value::NIL; 2]);
            to_other.send(()).expect("the receiver waits");
        }
        // SAFETY: nothing is rooted.
        unsafe { heap.blocking(&mut (), || other.join().expect("no panic")) };
    }

    fn a_suspended_mutator_may_end() {
        let mut heap = heap_of(2);
        let mutator_ticket = heap.mutator_ticket();
        // SAFETY: nothing is rooted.
        unsafe {
            heap.blocking(&mut (), || {
                thread::spawn(move || {
                    let mut heap = mutator_ticket.register().expect("room for it");
                    // SAFETY: only dropped afterwards.
                    heap.begin_blocking(&mut ());
                })
                .join()
                .expect("no panic");
            });
        }
        assert_eq!(heap.mutators(), 1);
        collect(&mut heap, Collection::Full, &mut ());
    }

    fn a_heap_takes_as_many_mutators_as_it_was_made_for() {
        let mut heap = heap_of(2);
        assert_eq!((heap.mutators(), heap.mutators_max()), (1, 2));
        let mutator_ticket = heap.mutator_ticket();
        let second = mutator_ticket.register().expect("room for it");
        let refusal = mutator_ticket.register().map(drop);
        assert_eq!(refusal, Err(TooManyMutators { most: 2 }));
        assert!(TooManyMutators { most: 2 }.to_string().starts_with("2 threads work on this heap"));
        drop(second);
        assert!(mutator_ticket.register().is_ok(), "a slot is used again");
        assert_eq!(heap_of(0).mutators_max(), 1, "one is the least");
    }

    fn the_largest_heap_refuses_a_mutator_beyond_its_last_too() {
        let mut heap = heap_of(usize::MAX);
        let most = heap.mutators_max();
        let mutator_ticket = heap.mutator_ticket();
        let others: Vec<Heap> =
            (1..most).map(|_| mutator_ticket.register().expect("room for it")).collect();
        assert_eq!(heap.mutators(), most);
        assert_eq!(mutator_ticket.register().map(drop), Err(TooManyMutators { most }));
        drop(others);
        assert_eq!(heap.mutators(), 1);
    }

    fn two_mutators_write_to_one_old_object() {
        let mut heap = heap_of(2);
        let cells: Vec<Value> = (0..8).map(|_| heap.fields(Kind::Cell, &[Value::NIL])).collect();
        let root = {
            let table = heap.fields(Kind::Record, &cells);
            heap.root(table)
        };
        collect(&mut heap, Collection::Minor, &mut [Value::NIL; 2]);
        let table = heap.resolve(&root);
        let started = Arc::new(Barrier::new(2));
        let life = |seed: u64, started: Arc<Barrier>, table: Value| {
            move |heap: &mut Heap| {
                started.wait();
                let mut random = Random::new(seed);
                let mut roots = [table, Value::NIL];
                for _ in 0..20_000 {
                    let length = random.below(4) as i64;
                    let value = list(heap, length);
                    let cell = roots[0].field(random.below(8));
                    heap.write(cell, 0, value);
                    assert!(sum(roots[0].field(random.below(8)).field(0)) <= 3);
                    safepoint(heap, &mut roots);
                }
            }
        };
        let (first, second) = (life(1, Arc::clone(&started), table), life(2, started, table));
        let mutator_ticket = heap.mutator_ticket();
        let other = thread::spawn(move || second(&mut mutator_ticket.register().expect("room for it")));
        first(&mut heap);
        // SAFETY: nothing is rooted here but in the root table.
        unsafe { heap.blocking(&mut (), || other.join().expect("no panic")) };
        heap.verify(&mut ());
        heap.release(root);
    }

    fn collections_wished_at_the_same_time_are_one() {
        let mut heap = heap_of(2);
        let mutator_ticket = heap.mutator_ticket();
        let started = Arc::new(Barrier::new(2));
        let life = |kind: Collection, started: Arc<Barrier>| {
            move |heap: &mut Heap| {
                started.wait();
                let mut led = 0;
                for _ in 0..300 {
                    let mut roots = [list(heap, 20), Value::NIL];
                    let collected = collect(heap, kind, &mut roots);
                    assert!(kind != Collection::Full || collected.kind == Collection::Full);
                    led += u64::from(collected.led);
                    assert_eq!(sum(roots[0]), 190);
                }
                led
            }
        };
        let (minor, full) = (life(Collection::Minor, Arc::clone(&started)), life(Collection::Full, started));
        let other = thread::spawn(move || minor(&mut mutator_ticket.register().expect("room for it")));
        let led = full(&mut heap);
        // SAFETY: nothing is rooted.
        let theirs = unsafe { heap.blocking(&mut (), || other.join().expect("no panic")) };
        assert_eq!(heap.statistics().collections(), led + theirs, "each is counted by its leader");
    }

    fn stopped_mutators_trace_much_work_in_parallel() {
        /// Enough that a worker without cells is there before the other has scanned them all.
        const LEAVES: i64 = 1 << 15;
        let mut heap = heap_of(2);
        let mutator_ticket = heap.mutator_ticket();
        heap.locked().gc_workers_min = 2;
        let symbol = heap.intern(b"tree").as_symbol().expect("a symbol");
        let done = Arc::new(AtomicBool::new(false));
        let ended = Arc::clone(&done);
        // In some rounds both hold the tree and are after the same cells; in the others one has all
        // the work, and the other steals.
        let other = thread::spawn(move || {
            let mut heap = mutator_ticket.register().expect("room for it");
            let mut roots = [Value::NIL; 2];
            while !ended.load(Ordering::Relaxed) {
                roots[0] = heap.global(symbol);
                safepoint(&mut heap, &mut roots);
                thread::yield_now();
            }
        });
        let mut roots = [Value::NIL; 2];
        for round in 0..40 {
            let mut trees: Vec<Value> = (0..LEAVES).map(Value::fixnum).collect();
            while trees.len() > 1 {
                trees = trees
                    .chunks(2)
                    .map(|pair| match round % 2 {
                        0 => heap.cons(pair[0], pair[1], false),
                        _ => heap.fields(Kind::Record, pair),
                    })
                    .collect();
            }
            heap.set_global(symbol, trees[0]);
            let kind = if round % 3 == 0 { Collection::Full } else { Collection::Minor };
            if round % 4 < 2 {
                heap.set_global(symbol, Value::NIL);
                roots[1] = trees[0];
            }
            collect(&mut heap, kind, &mut roots);
            if round % 4 < 2 {
                heap.set_global(symbol, roots[1]);
                roots[1] = Value::NIL;
            }
            let mut work = vec![heap.global(symbol)];
            let mut sum = 0;
            while let Some(tree) = work.pop() {
                match tree.kind() {
                    Kind::Pair => work.extend([tree.head(), tree.tail()]),
                    Kind::Record => work.extend([tree.field(0), tree.field(1)]),
                    _ => sum += tree.as_fixnum(),
                }
            }
            assert_eq!(sum, LEAVES * (LEAVES - 1) / 2, "round {round}");
        }
        done.store(true, Ordering::Relaxed);
        // SAFETY: nothing is rooted.
        unsafe { heap.blocking(&mut (), || other.join().expect("no panic")) };
        let seen = heap.statistics();
        assert!(seen.collections_parallel > 0);
        let stops: u64 = seen.stops.iter().sum();
        assert!(0 < stops && stops <= seen.collections(), "{seen:?}");
        assert!(seen.stop_us_max < 30_000_000, "{seen:?}");
        assert_eq!(heap.verify(&mut ()), LEAVES as usize - 1);
    }

    fn turns_exclude_one_another_and_nest() {
        let mut heap = heap_of(3);
        drop((heap.lock_all_stripes(), heap.lock_stripe_of(Value::NIL)));
        let object = heap.fields(Kind::Record, &[Value::NIL]);
        let (inside, together) = (Arc::new(AtomicBool::new(false)), Arc::new(Barrier::new(2)));
        let threads: Vec<_> = (0..2)
            .map(|_| {
                let (inside, together) = (Arc::clone(&inside), Arc::clone(&together));
                let mutator_ticket = heap.mutator_ticket();
                thread::spawn(move || {
                    let mut heap = mutator_ticket.register().expect("room for it");
                    together.wait();
                    for round in 0..3000 {
                        let of_all = round % 3 == 0;
                        let outer = if of_all { heap.lock_all_stripes() } else { heap.lock_stripe_of(object) };
                        assert!(!inside.swap(true, Ordering::Relaxed), "two had a turn");
                        if of_all {
                            drop((heap.lock_all_stripes(), heap.lock_stripe_of(object)));
                        }
                        (0..50).for_each(|_| std::hint::spin_loop());
                        assert!(inside.swap(false, Ordering::Relaxed));
                        drop(outer);
                        safepoint(&mut heap, &mut [Value::NIL; 2]);
                    }
                })
            })
            .collect();
        // SAFETY: nothing is rooted.
        unsafe { heap.blocking(&mut (), || threads.into_iter().for_each(|thread| thread.join().expect("no panic"))) };
    }

    fn everybody_is_called_to_a_safepoint() {
        let mut heap = heap_of(2);
        let other = heap.mutator_ticket().register().expect("room for it");
        assert!(!heap.wants_safepoint() && !other.wants_safepoint());
        heap.request_safepoints();
        assert!(heap.wants_safepoint() && other.wants_safepoint());
        let interrupt: Interrupt = other.interrupt().clone();
        drop(other);
        // A request without a mutator; the next one of the slot does not see it.
        interrupt.request();
        let next = heap.mutator_ticket().register().expect("room for it");
        assert!(!next.wants_safepoint());
    }

    fn the_checker_wants_to_be_alone() {
        let mut heap = heap_of(2);
        let other = heap.mutator_ticket().register().expect("room for it");
        assert!(panic_message(|| heap.verify(&mut ())).contains("another mutator may change"));
        drop(other);
        assert_eq!(heap.verify(&mut ()), 0);
    }

    fn random_schedules_on_two_threads_keep_what_is_rooted() {
        let stress = Stress::Random { seed: 11 };
        let mut heap = Heap::new(Config { mutators_max: 2, stress, ..small_config() }).expect("nurseries");
        let mutator_ticket = heap.mutator_ticket();
        let other = thread::spawn(move || hold(&mut mutator_ticket.register().expect("room for it"), 3000, 60));
        hold(&mut heap, 3000, 50);
        // SAFETY: nothing is rooted.
        unsafe { heap.blocking(&mut (), || other.join().expect("no panic")) };
        assert!(heap.statistics().collections_full > 0);
    }

    fn external_memory_of_all_mutators_counts() {
        let mut heap = heap_of(2);
        let mut other = heap.mutator_ticket().register().expect("room for it");
        heap.set_external_bytes(100);
        other.set_external_bytes(1000);
        heap.set_external_bytes(50);
        assert_eq!(heap.statistics().external_bytes, 1050);
        drop(other);
        assert_eq!(heap.statistics().external_bytes, 50);
    }
}
