//! Models of a task's handle, whose completer the model itself uses.
//!
//! Values are tickets whose content loom tracks: a thread that reads an outcome which was not
//! ordered before it is reported. A thread that is not woken is a deadlock, which fails the model.

use crate::ledger::{Ledger, Ticket};
use crate::model::{Model, Set};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use valk_sync::executor::{Full, Handle, TaskOutcome};
use valk_sync::shim::reached_if;
use valk_sync::shim::thread::spawn;

/// The models, cheap ones first.
pub const MODELS: &[Model] = &[
    Model { name: "handle::publish", states: &[SEEN, NOT_YET], body: publish, ..Model::EMPTY },
    Model {
        name: "handle::observers_before_during_and_after",
        states: &[AFTER, CALLED_BY_COMPLETER],
        body: observers_before_during_and_after,
        ..Model::EMPTY
    },
    Model {
        name: "handle::observers_of_two_threads",
        states: &[AFTER, CALLED_BY_COMPLETER, CROWDED],
        body: observers_of_two_threads,
        ..Model::EMPTY
    },
    Model { name: "handle::a_thread_wakes", states: &[WAITED], body: waits::<1>, ..Model::EMPTY },
    Model {
        name: "handle::all_threads_wake",
        preemptions: Some(3),
        states: &[WAITED],
        body: waits::<2>,
        ..Model::EMPTY
    },
    Model { name: "handle::dropped_while_pending", body: dropped_while_pending, ..Model::EMPTY },
    Model {
        name: "handle::all_threads_wake_deep",
        set: Set::Nightly,
        preemptions: Some(5),
        states: &[WAITED],
        body: waits::<2>,
        ..Model::EMPTY
    },
];

// States recorded by the handle itself.
const AFTER: &str = "handle: an observer came after the end";
const WAITED: &str = "handle: a thread waited";
// States recorded here.
const SEEN: &str = "the outcome was seen";
const NOT_YET: &str = "there was no outcome yet";
const CALLED_BY_COMPLETER: &str = "an observer was called by the thread that ended the task";
const CROWDED: &str = "an observer was refused";

/// Checks the only outcome of these models.
fn check(outcome: &TaskOutcome<Ticket>) {
    match outcome {
        TaskOutcome::Completed(ticket) => assert_eq!(ticket.look(), 0),
        TaskOutcome::Panicked(_) | TaskOutcome::Cancelled => panic!("it has a value"),
    }
}

/// From the end to a look.
fn publish() {
    let ((completer, handle), ledger) = (Handle::pending(), Ledger::new(1));
    let ticket = ledger.issue(0);
    let thread = spawn(move || completer.settle(TaskOutcome::Completed(ticket)));
    if let Some(outcome) = handle.outcome() {
        reached_if(true, SEEN);
        check(outcome);
    } else {
        reached_if(true, NOT_YET);
    }
    thread.join().expect("loom reports a panic first");
    assert!(handle.is_settled());
    drop(handle);
    ledger.settle();
}

/// Calls of observers; bookkeeping that orders nothing.
struct Calls(std::sync::Arc<Vec<AtomicUsize>>);

impl Calls {
    fn new(observers: usize) -> Self {
        Self(std::sync::Arc::new((0..observers).map(|_| AtomicUsize::new(0)).collect()))
    }

    /// An observer with a number.
    fn observer(&self, number: usize) -> impl FnOnce(&TaskOutcome<Ticket>) + Send + 'static {
        let calls = self.0.clone();
        move |outcome| {
            check(outcome);
            calls[number].fetch_add(1, Relaxed);
        }
    }

    fn of(&self, number: usize) -> usize {
        self.0[number].load(Relaxed)
    }
}

/// One observer is there before, one comes meanwhile, one after: each is called once.
fn observers_before_during_and_after() {
    let ((completer, handle), ledger) = (Handle::pending(), Ledger::new(1));
    let calls = Calls::new(3);
    let observe = |number| handle.observe(calls.observer(number)).expect("there is room");
    observe(0);
    let ticket = ledger.issue(0);
    let thread = spawn(move || completer.settle(TaskOutcome::Completed(ticket)));
    observe(1);
    reached_if(calls.of(1) == 0, CALLED_BY_COMPLETER);
    thread.join().expect("loom reports a panic first");
    observe(2);
    assert_eq!([calls.of(0), calls.of(1), calls.of(2)], [1, 1, 1], "each observer is called once");
    drop(handle);
    ledger.settle();
}

/// Observers of two threads against the end: each is called once, or refused and never called.
fn observers_of_two_threads() {
    let ((completer, handle), ledger) = (Handle::pending(), Ledger::new(1));
    let calls = Calls::new(3);
    handle.observe(calls.observer(0)).expect("there is room");
    let ticket = ledger.issue(0);
    let ending = spawn(move || completer.settle(TaskOutcome::Completed(ticket)));
    let (theirs, observer) = (handle.clone(), calls.observer(1));
    let observing = spawn(move || theirs.observe(observer).is_ok());
    let mine = handle.observe(calls.observer(2));
    let is_mine_taken = mine.is_ok();
    reached_if(is_mine_taken && calls.of(2) == 0, CALLED_BY_COMPLETER);
    if let Err(Full(observer)) = mine {
        reached_if(true, CROWDED);
        drop(observer);
    }
    ending.join().expect("loom reports a panic first");
    let is_theirs_taken = observing.join().expect("loom reports a panic first");
    let expected = [1, usize::from(is_theirs_taken), usize::from(is_mine_taken)];
    assert_eq!([calls.of(0), calls.of(1), calls.of(2)], expected, "each observer is called once");
    drop(handle);
    ledger.settle();
}

/// Threads wait while another ends the task; all of them return.
fn waits<const WAITERS: usize>() {
    let ((completer, handle), ledger) = (Handle::pending(), Ledger::new(1));
    let waiters: Vec<_> = (0..WAITERS)
        .map(|_| {
            let theirs = handle.clone();
            spawn(move || check(theirs.wait()))
        })
        .collect();
    completer.settle(TaskOutcome::Completed(ledger.issue(0)));
    for waiter in waiters {
        waiter.join().expect("loom reports a panic first");
    }
    drop(handle);
    ledger.settle();
}

/// An observer that is never called is dropped with the task, by the thread that goes last.
fn dropped_while_pending() {
    let ((completer, handle), ledger) = (Handle::<Ticket>::pending(), Ledger::new(1));
    let ticket = ledger.issue(0);
    let thread = spawn(move || {
        let observer = move |_: &TaskOutcome<Ticket>| panic!("{} was called", ticket.look());
        handle.observe(observer).expect("there is room");
    });
    drop(completer);
    thread.join().expect("loom reports a panic first");
    assert_eq!(ledger.dropped(), 1);
    ledger.settle();
}
