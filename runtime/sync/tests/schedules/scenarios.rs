//! What the threads do, and what has to hold.

use crate::runner::Scenario;
use std::collections::HashSet;
use std::time::Duration;
use valk_sync::completion::{Completion, Late, Outcome};
use valk_sync::coordinator::Coordinator;
use valk_sync::deque::{Steal, Stealer, Worker};
use valk_sync::executor::{Executor, Options};
use valk_sync::queue::{Full, Queue};
use valk_sync::reentrant_lock::ReentrantLock;
use valk_sync::shim::Ordering::SeqCst;
use valk_sync::shim::thread::{JoinHandle, spawn, yield_now};
use valk_sync::shim::{Arc, AtomicUsize, UnsafeCell};
use valk_sync::slab::Slab;
use valk_sync::termination::{OfferResult, TerminationDetector};

pub const ALL: &[Scenario] = &[
    Scenario { name: "deque::one_owner_and_many_thieves", threads: 16, run: thieves },
    Scenario { name: "queue::producers_and_consumers", threads: 17, run: queue },
    Scenario { name: "completion::many_end_it_and_many_observe", threads: 33, run: completion },
    Scenario { name: "slab::few_slots_for_many", threads: 25, run: slab },
    Scenario { name: "coordinator::everybody_collects", threads: 9, run: coordinator },
    Scenario { name: "coordinator::mutators_come_and_go", threads: 13, run: comers },
    Scenario { name: "termination::a_tree_of_work", threads: 9, run: termination },
    Scenario { name: "reentrant_lock::one_owner", threads: 17, run: reentrant_lock },
    Scenario { name: "executor::tasks_that_start_tasks", threads: 9, run: executor },
];

fn join<T>(threads: impl IntoIterator<Item = JoinHandle<T>>) -> Vec<T> {
    threads.into_iter().map(|thread| thread.join().expect("no rule was broken")).collect()
}

/// Each item comes out once, to the owner or to one thief.
fn thieves() {
    const ITEMS: usize = 24;
    let own = Worker::<usize>::with_slots(2, 64);
    let taken = Arc::new(AtomicUsize::new(0));
    let thieves: Vec<_> = (0..15)
        .map(|_| {
            let (stealer, taken) = (own.stealer(), Arc::clone(&taken));
            spawn(move || {
                let mut found = Vec::new();
                while taken.load(SeqCst) < ITEMS {
                    match stealer.steal() {
                        Steal::Item(item) => {
                            taken.fetch_add(1, SeqCst);
                            found.push(item);
                        }
                        Steal::Retry | Steal::Empty => yield_now(),
                    }
                }
                found
            })
        })
        .collect();
    let mut found = Vec::new();
    for item in 0..ITEMS {
        own.push(item).expect("there is room");
        if item % 3 == 2
            && let Some(item) = own.pop()
        {
            taken.fetch_add(1, SeqCst);
            found.push(item);
        }
    }
    while let Some(item) = own.pop() {
        taken.fetch_add(1, SeqCst);
        found.push(item);
    }
    found.extend(join(thieves).into_iter().flatten());
    found.sort_unstable();
    assert_eq!(found, (0..ITEMS).collect::<Vec<_>>(), "each item once");
}

/// Each item arrives once; a consumer that takes several of a producer's takes them in their order.
fn queue() {
    const PRODUCERS: usize = 8;
    const ITEMS: usize = 3;
    let queue = Arc::new(Queue::with_slots(4));
    let arrived = Arc::new(AtomicUsize::new(0));
    let producers: Vec<_> = (0..PRODUCERS)
        .map(|producer| {
            let queue = Arc::clone(&queue);
            spawn(move || {
                for number in 0..ITEMS {
                    let mut item = (producer, number);
                    while let Err(Full(back)) = queue.try_push(item) {
                        item = back;
                        yield_now();
                    }
                }
            })
        })
        .collect();
    let consumers: Vec<_> = (0..8)
        .map(|consumer| {
            let (queue, arrived) = (Arc::clone(&queue), Arc::clone(&arrived));
            spawn(move || {
                let mut seen = Vec::new();
                while arrived.load(SeqCst) < PRODUCERS * ITEMS {
                    let before = seen.len();
                    if consumer % 2 == 0 {
                        seen.extend(queue.try_pop());
                    } else {
                        queue.drain(3, |item| seen.push(item));
                    }
                    arrived.fetch_add(seen.len() - before, SeqCst);
                    yield_now();
                }
                seen
            })
        })
        .collect();
    join(producers);
    let mut all = Vec::new();
    for seen in join(consumers) {
        for producer in 0..PRODUCERS {
            let numbers = seen.iter().filter(|item| item.0 == producer).map(|item| item.1);
            assert!(numbers.is_sorted(), "a producer's items in their order");
        }
        all.extend(seen);
    }
    all.sort_unstable();
    let expected: Vec<_> = (0..PRODUCERS).flat_map(|p| (0..ITEMS).map(move |n| (p, n))).collect();
    assert_eq!(all, expected, "each item once");
}

/// One of those that end it wins, and everybody sees what it said.
fn completion() {
    let cell = Arc::new(Completion::<usize, ()>::new());
    let calls = Arc::new(AtomicUsize::new(0));
    let enders: Vec<_> = (0..16)
        .map(|number| {
            let cell = Arc::clone(&cell);
            spawn(move || match cell.resolve(number) {
                Ok(()) => 1,
                Err(Late(back)) => {
                    assert_eq!(back, number);
                    0
                }
            })
        })
        .collect();
    let observers: Vec<_> = (0..16)
        .map(|number| {
            let (cell, calls) = (Arc::clone(&cell), Arc::clone(&calls));
            spawn(move || {
                let counted = Arc::clone(&calls);
                let count = move |_: &Outcome<usize, ()>| {
                    counted.fetch_add(1, SeqCst);
                };
                cell.observe(count).expect("there is room");
                if number % 2 == 0 {
                    assert!(matches!(cell.wait(), Outcome::Resolved(_)));
                }
            })
        })
        .collect();
    assert_eq!(join(enders).into_iter().sum::<usize>(), 1, "one ended it");
    join(observers);
    assert_eq!(calls.load(SeqCst), 16, "each observer was called once");
}

/// No slot has two users.
fn slab() {
    const SLOTS: usize = 5;
    let slab = Arc::new(Slab::new(SLOTS));
    let users: Arc<Vec<AtomicUsize>> = Arc::new((0..SLOTS).map(|_| AtomicUsize::new(0)).collect());
    let threads: Vec<_> = (0..24)
        .map(|_| {
            let (slab, users) = (Arc::clone(&slab), Arc::clone(&users));
            spawn(move || {
                for _ in 0..3 {
                    let Some(index) = slab.acquire() else {
                        yield_now();
                        continue;
                    };
                    assert_eq!(users[index.get()].fetch_add(1, SeqCst), 0, "one user");
                    users[index.get()].fetch_sub(1, SeqCst);
                    slab.release(index).expect("it was out");
                }
            })
        })
        .collect();
    join(threads);
    assert_eq!(slab.statistics().in_use, 0);
    assert_eq!(std::iter::from_fn(|| slab.acquire()).count(), SLOTS, "all are free");
}

/// What only running mutators and leaders of a stopped world may touch.
struct Heap(UnsafeCell<Vec<usize>>);

// SAFETY: that is what the coordinator is for: a mutator touches its own number while it runs, a
// leader all of them while no mutator does.
unsafe impl Send for Heap {}
// SAFETY: as above.
unsafe impl Sync for Heap {}

impl Heap {
    fn of(mutators: usize) -> Arc<Heap> {
        Arc::new(Heap(UnsafeCell::new(vec![0; mutators])))
    }

    /// A mutator writes its number in two steps, with others between them.
    fn use_slot(&self, slot: usize) {
        // SAFETY: the caller runs, and the number is its own.
        let before = self.0.with(|numbers| unsafe { (&*numbers)[slot] });
        yield_now();
        // SAFETY: as above.
        self.0.with_mut(|numbers| unsafe { (&mut *numbers)[slot] = before + 1 });
    }

    /// A leader reads all, twice: no mutator changes them meanwhile.
    fn inspect(&self) {
        // SAFETY: the world is stopped.
        let look = || self.0.with(|numbers| unsafe { (*numbers).clone() });
        let before = look();
        yield_now();
        assert_eq!(look(), before, "a mutator ran in a stopped world");
    }
}

/// All mutators request collections, and all take part.
fn coordinator() {
    const MUTATORS: usize = 8;
    let coordinator = Coordinator::new();
    let heap = Heap::of(MUTATORS);
    let threads: Vec<_> = (0..MUTATORS)
        .map(|number| {
            let mut mutator = coordinator.register().expect("a free slot");
            let heap = Arc::clone(&heap);
            spawn(move || {
                for round in 0..3 {
                    heap.use_slot(mutator.slot());
                    match (number + round) % 4 {
                        0 => {
                            let _ = mutator.collect(|world| {
                                heap.inspect();
                                let helped = AtomicUsize::new(0);
                                world.parallel(|participant| {
                                    assert!(participant.index < participant.count);
                                    helped.fetch_add(1, SeqCst);
                                });
                                assert_eq!(helped.load(SeqCst), world.participants());
                                heap.inspect();
                            });
                        }
                        1 => mutator.blocking(yield_now),
                        _ => mutator.safepoint(),
                    }
                }
            })
        })
        .collect();
    join(threads);
    assert_eq!(coordinator.members(), 0);
}

/// Mutators register and leave while others collect.
fn comers() {
    let coordinator = Coordinator::new();
    let heap = Heap::of(64);
    let threads: Vec<_> = (0..12)
        .map(|number| {
            let (coordinator, heap) = (coordinator.clone(), Arc::clone(&heap));
            spawn(move || {
                for _ in 0..2 {
                    let mut mutator = coordinator.register().expect("a free slot");
                    heap.use_slot(mutator.slot());
                    if number % 3 == 0 {
                        let _ = mutator.collect(|_| heap.inspect());
                    }
                    mutator.safepoint();
                    heap.use_slot(mutator.slot());
                    mutator.leave();
                }
            })
        })
        .collect();
    join(threads);
    assert_eq!(coordinator.members(), 0);
}

fn steal(others: &[Stealer<usize>]) -> Option<usize> {
    for other in others {
        loop {
            match other.steal() {
                Steal::Item(item) => return Some(item),
                Steal::Retry => yield_now(),
                Steal::Empty => break,
            }
        }
    }
    None
}

/// All work is done when the first worker ends.
fn termination() {
    const WORKERS: usize = 8;
    const ITEMS: usize = 30;
    let detector = Arc::new(TerminationDetector::new(WORKERS));
    let done = Arc::new(AtomicUsize::new(0));
    let deques: Vec<_> = (0..WORKERS).map(|_| Worker::<usize>::new()).collect();
    let stealers: Vec<_> = deques.iter().map(Worker::stealer).collect();
    deques[0].push(1).expect("there is room");
    let threads: Vec<_> = deques
        .into_iter()
        .map(|own| {
            let (detector, done) = (Arc::clone(&detector), Arc::clone(&done));
            let others = stealers.clone();
            spawn(move || {
                loop {
                    while let Some(item) = own.pop().or_else(|| steal(&others)) {
                        for child in [2 * item, 2 * item + 1] {
                            if child <= ITEMS {
                                own.push(child).expect("there is room");
                                detector.announce_work();
                            }
                        }
                        done.fetch_add(1, SeqCst);
                    }
                    match detector
                        .offer_termination(|| others.iter().any(|other| !other.is_empty()))
                    {
                        OfferResult::Resume => {}
                        OfferResult::Ended => return done.load(SeqCst),
                    }
                }
            })
        })
        .collect();
    for seen in join(threads) {
        assert_eq!(seen, ITEMS, "work was left when it ended");
    }
}

/// The lock has one owner at a time, and every thread gets it.
fn reentrant_lock() {
    const THREADS: usize = 16;
    let lock = Arc::new(ReentrantLock::new());
    let inside = Arc::new(AtomicUsize::new(0));
    let threads: Vec<_> = (1..=THREADS)
        .map(|key| {
            let (lock, inside) = (Arc::clone(&lock), Arc::clone(&inside));
            spawn(move || {
                for _ in 0..2 {
                    lock.lock(key);
                    lock.lock(key);
                    assert_eq!(inside.fetch_add(1, SeqCst), 0, "one at a time");
                    yield_now();
                    inside.fetch_sub(1, SeqCst);
                    lock.unlock();
                    lock.unlock();
                }
            })
        })
        .collect();
    join(threads);
}

/// Each task runs once, those that tasks start too.
fn executor() {
    const TASKS: usize = 12;
    let options = Options { workers: 8, ..Options::default() };
    let executor = Arc::new(Executor::new(&options).expect("threads"));
    let ran = Arc::new(AtomicUsize::new(0));
    let handles: Vec<_> = (0..TASKS)
        .map(|_| {
            let (inner, ran) = (Arc::downgrade(&executor), Arc::clone(&ran));
            executor.spawn(move || {
                ran.fetch_add(1, SeqCst);
                let executor = inner.upgrade().expect("it waits for its tasks");
                let counted = Arc::clone(&ran);
                let child = executor.spawn(move || counted.fetch_add(1, SeqCst));
                child.expect("there is room")
            })
        })
        .map(|handle| handle.expect("there is room"))
        .collect();
    let seen: HashSet<usize> = handles
        .iter()
        .map(|handle| match handle.wait() {
            Outcome::Resolved(child) => match child.wait() {
                Outcome::Resolved(number) => *number,
                _ => panic!("a task of a task has a value"),
            },
            _ => panic!("a task has a value"),
        })
        .collect();
    assert_eq!((seen.len(), ran.load(SeqCst)), (TASKS, 2 * TASKS));
    executor.shutdown(Duration::ZERO);
}
