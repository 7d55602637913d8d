//! What the threads do, and what has to hold.

use crate::runner::Scenario;
use std::collections::HashSet;
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;
use valk_sync::cell::{AlreadySettled, CompletionCell, End};
use valk_sync::coordinator::Coordinator;
use valk_sync::deque::{Steal, Stealer, Worker};
use valk_sync::executor::{Executor, Handle, Idle, Options, TaskOutcome, Worker as PoolWorker};
use valk_sync::inbox::Inbox;
use valk_sync::queue::{Full, Queue};
use valk_sync::reentrant_lock::ReentrantLock;
use valk_sync::shim::Ordering::SeqCst;
use valk_sync::shim::thread::{JoinHandle, Thread, current, park, spawn, yield_now};
use valk_sync::shim::{Arc, AtomicUsize, UnsafeCell};
use valk_sync::slab::Slab;
use valk_sync::termination::{OfferResult, TerminationDetector};

pub const ALL: &[Scenario] = &[
    Scenario { name: "deque::one_owner_and_many_thieves", threads: 16, run: thieves },
    Scenario { name: "queue::producers_and_consumers", threads: 17, run: queue },
    Scenario { name: "cell::many_end_it_and_many_wait", threads: 25, run: cell },
    Scenario { name: "handle::many_observe_and_wait", threads: 17, run: handle },
    Scenario { name: "inbox::many_posters", threads: 17, run: inbox },
    Scenario { name: "slab::few_slots_for_many", threads: 25, run: slab },
    Scenario { name: "coordinator::everybody_collects", threads: 9, run: coordinator },
    Scenario { name: "coordinator::mutators_come_and_go", threads: 13, run: comers },
    Scenario { name: "termination::a_tree_of_work", threads: 9, run: termination },
    Scenario { name: "reentrant_lock::one_owner", threads: 17, run: reentrant_lock },
    Scenario { name: "executor::tasks_that_start_tasks", threads: 9, run: executor },
    Scenario { name: "executor::event_loops_share_tasks", threads: 17, run: event_loops },
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

/// One thread ends it; each waiter is notified once, told the end, or has left.
fn cell() {
    let cell = Arc::new(CompletionCell::<usize, usize>::new());
    let enders: Vec<_> = (0..8)
        .map(|number| {
            let cell = Arc::clone(&cell);
            spawn(move || match cell.settle(End::Completed(number)) {
                Ok(waiters) => Some(waiters.into_iter().collect::<Vec<_>>()),
                Err(AlreadySettled(end)) => {
                    assert_eq!(end, End::Completed(number));
                    None
                }
            })
        })
        .collect();
    let waiters: Vec<_> = (0..16)
        .map(|number| {
            let cell = Arc::clone(&cell);
            spawn(move || match cell.subscribe(number) {
                Err((waiter, _)) => Some(waiter),
                Ok(token) if number % 2 == 0 => cell.unsubscribe(token),
                Ok(_) => None,
            })
        })
        .collect();
    let ends: Vec<_> = join(enders).into_iter().flatten().collect();
    assert_eq!(ends.len(), 1, "one thread ended it");
    let mut all: Vec<_> = join(waiters).into_iter().flatten().chain(ends[0].clone()).collect();
    all.sort_unstable();
    assert_eq!(all, (0..16).collect::<Vec<_>>(), "each waiter goes one way");
}

/// Each observer is called once, and each thread that waits goes on.
fn handle() {
    let (completer, handle) = Handle::<usize>::pending();
    let calls = Arc::new(AtomicUsize::new(0));
    let observers: Vec<_> = (0..15)
        .map(|number| {
            let (handle, calls) = (handle.clone(), Arc::clone(&calls));
            spawn(move || {
                let count = move |outcome: &TaskOutcome<usize>| {
                    assert_eq!(*outcome, TaskOutcome::Completed(7));
                    calls.fetch_add(1, SeqCst);
                };
                handle.observe(count).expect("there is room");
                if number % 2 == 0 {
                    assert_eq!(*handle.wait(), TaskOutcome::Completed(7));
                }
            })
        })
        .collect();
    let ending = spawn(move || completer.settle(TaskOutcome::Completed(7)));
    ending.join().expect("no rule was broken");
    join(observers);
    assert_eq!(calls.load(SeqCst), 15, "each observer was called once");
}

/// A waker that unparks a thread.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: std::sync::Arc<Self>) {
        self.0.unpark();
    }
}

/// Blocks the thread until `poll` is ready.
fn block_on<R>(mut poll: impl FnMut(&mut Context<'_>) -> Poll<R>) -> R {
    let waker = Waker::from(std::sync::Arc::new(Unpark(current())));
    let mut cx = Context::from_waker(&waker);
    loop {
        match poll(&mut cx) {
            Poll::Ready(value) => return value,
            Poll::Pending => park(),
        }
    }
}

/// The reader, which sleeps in between, gets every item once and a poster's in their order.
fn inbox() {
    const POSTERS: usize = 16;
    const ITEMS: usize = 3;
    let inbox = Arc::new(Inbox::new());
    let posters: Vec<_> = (0..POSTERS)
        .map(|poster| {
            let inbox = Arc::clone(&inbox);
            spawn(move || {
                for number in 0..ITEMS {
                    inbox.post((poster, number));
                    if poster % 4 == 0 {
                        inbox.wake();
                    }
                }
            })
        })
        .collect();
    let mut next = [0; POSTERS];
    while next.iter().sum::<usize>() < POSTERS * ITEMS {
        block_on(|cx| inbox.poll_arrived(cx));
        // A turn takes a few.
        for _ in 0..4 {
            let Some((poster, number)) = inbox.take() else { break };
            assert_eq!(number, next[poster], "a poster's items in their order");
            next[poster] += 1;
        }
    }
    join(posters);
    assert!(inbox.is_empty());
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
            TaskOutcome::Completed(child) => match child.wait() {
                TaskOutcome::Completed(number) => *number,
                _ => panic!("a task of a task has a value"),
            },
            _ => panic!("a task has a value"),
        })
        .collect();
    assert_eq!((seen.len(), ran.load(SeqCst)), (TASKS, 2 * TASKS));
    executor.shutdown(Duration::ZERO);
}

/// An event loop that has other events too: it polls, is interrupted, and looks for a task only if
/// it was woken for one.
fn event_loop(worker: &PoolWorker) {
    let mut round = worker.index();
    loop {
        while worker.run_next() {}
        round += 1;
        let waker = Waker::from(std::sync::Arc::new(Unpark(current())));
        let is_interrupted = round.is_multiple_of(3)
            && worker.poll_idle(&mut Context::from_waker(&waker)).is_pending();
        if is_interrupted && worker.stay_awake() {
            continue;
        }
        if block_on(|cx| worker.poll_idle(cx)) == Idle::Ended {
            return;
        }
    }
}

/// Tasks from outside and of tasks run once, whatever else the event loops do; one of them leaves.
fn event_loops() {
    const WORKERS: usize = 8;
    let options = Options { workers: WORKERS, ..Options::default() };
    let hosted = Executor::hosted(&options, |worker| event_loop(&worker));
    let (pool, worker) = hosted.expect("threads");
    let pool = Arc::new(pool);
    let ran = Arc::new(AtomicUsize::new(0));
    let submitters: Vec<_> = (0..8)
        .map(|_| {
            let (pool, ran) = (Arc::clone(&pool), Arc::clone(&ran));
            spawn(move || {
                let (inner, counted) = (Arc::downgrade(&pool), Arc::clone(&ran));
                let task = move || {
                    counted.fetch_add(1, SeqCst);
                    let pool = inner.upgrade().expect("it waits for its tasks");
                    let child = pool.spawn(move || counted.fetch_add(1, SeqCst));
                    child.expect("there is room")
                };
                let handle = pool.spawn(task).expect("there is room");
                let TaskOutcome::Completed(child) = handle.wait() else { panic!("it ran") };
                assert!(matches!(child.wait(), TaskOutcome::Completed(_)));
            })
        })
        .collect();
    // The calling thread polls once and leaves, perhaps after it was woken.
    worker.run_next();
    let waker = Waker::from(std::sync::Arc::new(Unpark(current())));
    let _idle = worker.poll_idle(&mut Context::from_waker(&waker));
    drop(worker);
    join(submitters);
    assert_eq!(ran.load(SeqCst), 16, "each task once");
    pool.shutdown(Duration::ZERO);
}
