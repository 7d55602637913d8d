//! Broken variants of the structures, and uses that break their rules: each must be caught.
//!
//! A variant is the structure with one thing left out and nothing else, so that what is caught is
//! the want of that thing. They show that the models' methods see such faults.

use crate::model::Model;
use crate::planted::planted;
use crate::verdict::Fault::Violation;
use std::sync::atomic::{AtomicUsize as Untracked, Ordering::Relaxed};
use valk_sync::completion::Completion;
use valk_sync::queue::Queue;
use valk_sync::shim::Ordering::{Acquire, Release};
use valk_sync::shim::thread::spawn;
use valk_sync::shim::{Arc, AtomicUsize, Mutex, UnsafeCell, lock};
use valk_sync::termination::{TerminationDetector, Verdict};

/// The faults.
pub const MODELS: &[Model] = &[
    planted("planted::queue_turn_before_item", Violation, turn_before_item),
    planted("planted::queue_consumer_pops_once", Violation, consumer_pops_once),
    planted("planted::completion_looks_before_locking", Violation, looks_before_locking),
    planted("planted::completion_never_settled", Violation, never_settled),
    planted("planted::slab_without_changes", Violation, stack_without_changes),
    planted("planted::termination_offers_with_an_item", Violation, offers_with_an_item),
    planted("planted::termination_worker_never_offers", Violation, worker_never_offers),
];

struct Tracked(UnsafeCell<usize>);

// SAFETY: none; loom must report the accesses that are not ordered.
unsafe impl Sync for Tracked {}
// SAFETY: as above.
unsafe impl Send for Tracked {}

/// A slot whose producer counts the turn before it writes the item.
fn turn_before_item() {
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

/// Nobody ends the operation: who waits for it waits for ever.
fn never_settled() {
    Completion::<(), ()>::new().wait();
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
        assert_eq!(theirs.0.offer(|| false), Verdict::Ended);
        theirs.1.store(1, Relaxed);
    });
    assert_eq!(shared.0.offer(|| false), Verdict::Ended);
    assert_eq!(shared.1.load(Relaxed), 1, "S10: work was left");
    thread.join().expect("it does not panic");
}

/// A worker that leaves without an offer: the other waits for ever (the premise of L2).
fn worker_never_offers() {
    let _verdict = TerminationDetector::new(2).offer(|| false);
}
