//! Broken variants of the structures, and uses that break their rules: each must be caught.
//!
//! A variant is the structure with one thing left out and nothing else, so that what is caught is
//! the want of that thing. They show that the models' methods see such faults.

use crate::model::Model;
use crate::planted::planted;
use crate::unpark::{block_on, drive, waker};
use crate::verdict::Fault::Violation;
use std::sync::atomic::{AtomicUsize as Untracked, Ordering::Relaxed};
use std::task::{Context, Poll, Waker};
use valk_sync::deque::Worker;
use valk_sync::executor::{Executor, Handle, Options};
use valk_sync::queue::Queue;
use valk_sync::shim::Ordering::{Acquire, Release};
use valk_sync::shim::thread::spawn;
use valk_sync::shim::{Arc, AtomicUsize, Condvar, Mutex, UnsafeCell, lock, wait};
use valk_sync::termination::{OfferResult, TerminationDetector};

/// The faults.
pub const MODELS: &[Model] = &[
    planted("planted::queue_sequence_before_item", Violation, sequence_before_item),
    planted("planted::queue_consumer_pops_once", Violation, consumer_pops_once),
    planted("planted::cell_looks_before_locking", Violation, looks_before_locking),
    planted("planted::handle_never_settled", Violation, never_settled),
    planted("planted::inbox_looks_before_registering", Violation, inbox_looks_before_registering),
    Model {
        preemptions: Some(2),
        ..planted("planted::hosted_ignores_its_wake_up", Violation, host_ignores_its_wake_up)
    },
    planted("planted::slab_without_changes", Violation, stack_without_changes),
    planted("planted::termination_offers_with_an_item", Violation, offers_with_an_item),
    planted("planted::termination_worker_never_offers", Violation, worker_never_offers),
    planted("planted::executor_task_waits_for_its_worker", Violation, task_waits_for_its_worker),
    planted("planted::executor_sleeper_without_a_fence", Violation, sleeper_without_a_fence),
    planted("planted::executor_begin_is_taken_back", Violation, begin_is_taken_back),
];

struct Tracked(UnsafeCell<usize>);

// SAFETY: none; loom must report the accesses that are not ordered.
unsafe impl Sync for Tracked {}
// SAFETY: as above.
unsafe impl Send for Tracked {}

/// A slot whose producer increments the sequence number before it writes the item.
fn sequence_before_item() {
    let slot = Arc::new((AtomicUsize::new(0), Tracked(UnsafeCell::new(0))));
    let theirs = slot.clone();
    let producer = spawn(move || {
        theirs.0.store(1, Release);
        // SAFETY: the pointer is not dereferenced; loom judges the access as such.
        theirs.1.0.with_mut(|_| ());
    });
    if slot.0.load(Acquire) == 1 {
        slot.1.0.with(|_| ());
    }
    producer.join().expect("loom reports the race first");
}

/// Consumers that do not go on until they find nothing: an item stays behind.
fn consumer_pops_once() {
    let queue = Arc::new(Queue::with_slots(2));
    let theirs = queue.clone();
    let work = |queue: &Queue<usize>| {
        queue.try_push(1).expect("two slots");
        queue.try_pop();
    };
    let thread = spawn(move || work(&theirs));
    work(&queue);
    thread.join().expect("it does not panic");
    assert!(queue.is_empty(), "an item stayed behind");
}

/// An observer that is registered without another look under the lock.
fn looks_before_locking() {
    let cell = Arc::new((AtomicUsize::new(0), Mutex::new(0)));
    let called = std::sync::Arc::new(Untracked::new(0));
    let (theirs, calls) = (cell.clone(), called.clone());
    let ending = spawn(move || {
        theirs.0.store(1, Release);
        calls.fetch_add(std::mem::take(&mut *lock(&theirs.1)), Relaxed);
    });
    if cell.0.load(Acquire) == 1 {
        called.fetch_add(1, Relaxed);
    } else {
        *lock(&cell.1) += 1;
    }
    ending.join().expect("it does not panic");
    assert_eq!(called.load(Relaxed), 1, "the observer is called once");
}

/// No thread ends the task: its waiter waits for ever.
fn never_settled() {
    let (completer, handle) = Handle::<()>::pending();
    drop(completer);
    handle.wait();
}

/// A host that goes on with something else although it was woken for a task: no worker runs it.
fn host_ignores_its_wake_up() {
    let options = Options { workers: 2, ..Options::default() };
    let hosted = Executor::hosted(&options, |worker| drive(&worker));
    let (pool, worker) = hosted.expect("loom has threads");
    let waker = waker();
    let _idle = worker.poll_idle(&mut Context::from_waker(&waker));
    let pool = Arc::new(pool);
    let theirs = pool.clone();
    let thread = spawn(move || drop(theirs.spawn(|| ()).expect("there is room").wait().clone()));
    worker.stay_awake();
    thread.join().expect("it waits for ever");
}

/// An inbox whose reader looks, and registers its waker under a lock of its own.
fn inbox_looks_before_registering() {
    let inbox = Arc::new((Mutex::new(0), Mutex::new(None::<Waker>)));
    let theirs = inbox.clone();
    let posting = spawn(move || {
        *lock(&theirs.0) += 1;
        if let Some(reader) = lock(&theirs.1).take() {
            reader.wake();
        }
    });
    block_on(|cx| {
        if *lock(&inbox.0) > 0 {
            return Poll::Ready(());
        }
        *lock(&inbox.1) = Some(cx.waker().clone());
        Poll::Pending
    });
    posting.join().expect("it does not panic");
}

/// The slab's stack, but the head is an index only.
struct BareStack {
    head: AtomicUsize,
    links: [AtomicUsize; 2],
    users: [Untracked; 2],
}

/// The index below the last one.
const NONE: usize = 2;

impl BareStack {
    fn take(&self) -> Option<usize> {
        loop {
            let top = self.head.load(Acquire);
            if top == NONE {
                return None;
            }
            let below = self.links[top].load(Relaxed);
            if self.head.compare_exchange(top, below, Relaxed, Relaxed).is_ok() {
                assert_eq!(self.users[top].fetch_add(1, Relaxed), 0, "slot {top} has two users");
                return Some(top);
            }
        }
    }

    fn put_back(&self, slot: usize) {
        self.users[slot].fetch_sub(1, Relaxed);
        loop {
            let top = self.head.load(Relaxed);
            self.links[slot].store(top, Relaxed);
            if self.head.compare_exchange(top, slot, Release, Relaxed).is_ok() {
                return;
            }
        }
    }
}

/// The head is the same again, the slot below is not: ABA.
fn stack_without_changes() {
    let stack = Arc::new(BareStack {
        head: AtomicUsize::new(0),
        links: [AtomicUsize::new(1), AtomicUsize::new(NONE)],
        users: [Untracked::new(0), Untracked::new(0)],
    });
    let theirs = stack.clone();
    let thread = spawn(move || {
        theirs.take();
        theirs.take();
    });
    if let (Some(first), Some(_)) = (stack.take(), stack.take()) {
        stack.put_back(first);
    }
    thread.join().expect("loom reports the panic first");
}

/// A worker that offers with an item in hand (rule 1): the other ends before it is done.
fn offers_with_an_item() {
    let shared = Arc::new((TerminationDetector::new(2), Untracked::new(0)));
    let theirs = shared.clone();
    let thread = spawn(move || {
        assert_eq!(theirs.0.offer_termination(|| false), OfferResult::Ended);
        theirs.1.store(1, Relaxed);
    });
    assert_eq!(shared.0.offer_termination(|| false), OfferResult::Ended);
    assert_eq!(shared.1.load(Relaxed), 1, "S10: work was left");
    thread.join().expect("it does not panic");
}

/// A worker that leaves without an offer: the other waits for ever (the premise of L2).
fn worker_never_offers() {
    let _result = TerminationDetector::new(2).offer_termination(|| false);
}

/// The premise of E2: with one worker no thread is left to run what a task waits for.
fn task_waits_for_its_worker() {
    let pool = Arc::new(Executor::new(&Options::default()).expect("loom has threads"));
    let inside = pool.clone();
    let outer = pool.spawn(move || {
        inside.spawn(|| ()).expect("there is room").wait();
    });
    outer.expect("there is room").wait();
}

/// Rule 4 without its fences: the sleeper overlooks the item, and the thread that pushes it the
/// sleeper.
fn sleeper_without_a_fence() {
    let deque = Worker::<usize>::with_slots(2, 2);
    let thief = deque.stealer();
    let shared = Arc::new((AtomicUsize::new(0), Mutex::new(false), Condvar::new()));
    let theirs = shared.clone();
    let thread = spawn(move || {
        let (is_parked, woken, notified) = &*theirs;
        let mut is_woken = lock(woken);
        is_parked.store(1, Relaxed);
        while thief.is_empty() && !*is_woken {
            is_woken = wait(notified, is_woken);
        }
    });
    deque.push(1).expect("there is room");
    let (is_parked, woken, notified) = &*shared;
    if is_parked.load(Relaxed) > 0 {
        *lock(woken) = true;
        notified.notify_one();
    }
    thread.join().expect("loom reports the deadlock first");
}

/// Rule 6 with an addition in place of the exchange: of two threads that forbid, one sees a begin
/// that is none.
fn begin_is_taken_back() {
    const FORBIDDEN: usize = 2;
    const TURN: usize = 1;
    let word = Arc::new(AtomicUsize::new(0));
    let (theirs, others) = (word.clone(), word.clone());
    let worker = spawn(move || {
        if theirs.fetch_add(TURN, Relaxed) & FORBIDDEN != 0 {
            theirs.fetch_sub(TURN, Relaxed);
        }
    });
    let other = spawn(move || others.fetch_or(FORBIDDEN, Relaxed));
    let seen = [word.fetch_or(FORBIDDEN, Relaxed), other.join().expect("it does not panic")];
    worker.join().expect("it does not panic");
    let idle_at_first = seen.contains(&0);
    let running_later = seen.contains(&(FORBIDDEN | TURN));
    assert!(!(idle_at_first && running_later), "E6: it was idle when that was forbidden");
}
