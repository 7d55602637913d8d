//! Models of the completion.
//!
//! Values are tickets whose content loom tracks: an observer that gets a value which was not
//! ordered before it is reported. A thread that nobody wakes is a deadlock, which fails the model.

use crate::ledger::{Ledger, Ticket};
use crate::model::{Model, Set};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use valk_sync::completion::{Completion, Full, Late, Outcome};
use valk_sync::shim::thread::spawn;
use valk_sync::shim::{Arc, reached_if};

/// The models, cheap ones first.
pub const MODELS: &[Model] = &[
    Model { name: "completion::publish", states: &[SEEN, NOT_YET], body: publish, ..Model::EMPTY },
    Model {
        name: "completion::one_transition",
        states: &[RESOLVED, REJECTED],
        body: one_transition,
        ..Model::EMPTY
    },
    Model {
        name: "completion::three_ways_to_end",
        states: &[RESOLVED, REJECTED, CANCELLED],
        body: three_ways_to_end,
        ..Model::EMPTY
    },
    Model {
        name: "completion::observers_before_during_and_after",
        states: &[AFTER, CALLED_BY_WINNER],
        body: observers_before_during_and_after,
        ..Model::EMPTY
    },
    Model {
        name: "completion::observers_of_two_threads",
        states: &[AFTER, CALLED_BY_WINNER, CROWDED],
        body: observers_of_two_threads,
        ..Model::EMPTY
    },
    Model {
        name: "completion::a_waiter_wakes",
        states: &[WAITED],
        body: waits::<1>,
        ..Model::EMPTY
    },
    Model {
        name: "completion::all_waiters_wake",
        preemptions: Some(3),
        states: &[WAITED],
        body: waits::<2>,
        ..Model::EMPTY
    },
    Model {
        name: "completion::dropped_while_pending",
        states: &[],
        body: dropped_while_pending,
        ..Model::EMPTY
    },
    Model {
        name: "completion::all_waiters_wake_exhaustive",
        set: Set::Nightly,
        states: &[WAITED],
        body: waits::<2>,
        ..Model::EMPTY
    },
];

// States recorded by the completion itself.
const AFTER: &str = "completion: an observer came after the end";
const WAITED: &str = "completion: a thread waited";
// States recorded here.
const SEEN: &str = "the outcome was seen";
const NOT_YET: &str = "there was no outcome yet";
const RESOLVED: &str = "it was resolved";
const REJECTED: &str = "it was rejected";
const CANCELLED: &str = "it was cancelled";
const CALLED_BY_WINNER: &str = "an observer was called by who ended the operation";
const CROWDED: &str = "an observer was refused";

type Cell = Completion<Ticket, Ticket>;

fn record(outcome: &Outcome<Ticket, Ticket>) {
    match outcome {
        Outcome::Resolved(ticket) => {
            assert_eq!(ticket.look(), 0);
            reached_if(true, RESOLVED);
        }
        Outcome::Rejected(ticket) => {
            assert_eq!(ticket.look(), 1);
            reached_if(true, REJECTED);
        }
        Outcome::Cancelled => reached_if(true, CANCELLED),
    }
}

/// The edge from the end to a look without the lock.
fn publish() {
    let (cell, ledger) = (Arc::new(Cell::new()), Ledger::new(1));
    let (theirs, ticket) = (cell.clone(), ledger.issue(0));
    let thread = spawn(move || theirs.resolve(ticket).expect("nobody else ends it"));
    if let Some(outcome) = cell.outcome() {
        reached_if(true, SEEN);
        record(outcome);
    } else {
        reached_if(true, NOT_YET);
    }
    thread.join().expect("loom reports a panic first");
    assert!(cell.is_settled());
    drop(cell);
    ledger.settle();
}

/// Two ends: one is the outcome, the other gets its value back, with its content.
fn one_transition() {
    let (cell, ledger) = (Arc::new(Cell::new()), Ledger::new(2));
    let (theirs, ticket) = (cell.clone(), ledger.issue(1));
    let thread = spawn(move || theirs.reject(ticket).map_err(|Late(ticket)| ticket.redeem()));
    let mine = cell.resolve(ledger.issue(0)).map_err(|Late(ticket)| ticket.redeem());
    let theirs = thread.join().expect("loom reports a panic first");
    let outcome = cell.outcome().expect("both have tried");
    record(outcome);
    match outcome {
        Outcome::Resolved(_) => assert_eq!((mine, theirs), (Ok(()), Err(1))),
        Outcome::Rejected(_) => assert_eq!((mine, theirs), (Err(0), Ok(()))),
        Outcome::Cancelled => panic!("nobody cancelled"),
    }
    drop(cell);
    ledger.settle();
}

/// All three at once: one succeeds.
fn three_ways_to_end() {
    let (cell, ledger) = (Arc::new(Cell::new()), Ledger::new(2));
    let (theirs, ticket) = (cell.clone(), ledger.issue(1));
    let rejecting = spawn(move || theirs.reject(ticket).is_ok());
    let theirs = cell.clone();
    let cancelling = spawn(move || theirs.cancel().is_ok());
    let resolved = cell.resolve(ledger.issue(0)).is_ok();
    let rejected = rejecting.join().expect("loom reports a panic first");
    let cancelled = cancelling.join().expect("loom reports a panic first");
    let successes = [resolved, rejected, cancelled].into_iter().filter(|success| *success);
    assert_eq!(successes.count(), 1, "an operation ends once");
    record(cell.outcome().expect("one has succeeded"));
    drop(cell);
    ledger.settle();
}

/// Calls of observers; bookkeeping that orders nothing.
struct Calls(std::sync::Arc<Vec<AtomicUsize>>);

impl Calls {
    fn new(observers: usize) -> Self {
        Self(std::sync::Arc::new((0..observers).map(|_| AtomicUsize::new(0)).collect()))
    }

    /// An observer with a number.
    fn observer(&self, number: usize) -> impl FnOnce(&Outcome<Ticket, Ticket>) + Send + 'static {
        let calls = self.0.clone();
        move |outcome| {
            record(outcome);
            calls[number].fetch_add(1, Relaxed);
        }
    }

    fn of(&self, number: usize) -> usize {
        self.0[number].load(Relaxed)
    }
}

/// One observer is there before, one comes meanwhile, one after: each is called once.
fn observers_before_during_and_after() {
    let (cell, ledger) = (Arc::new(Cell::new()), Ledger::new(1));
    let calls = Calls::new(3);
    let observe = |number| cell.observe(calls.observer(number)).expect("there is room");
    observe(0);
    let (theirs, ticket) = (cell.clone(), ledger.issue(0));
    let thread = spawn(move || theirs.resolve(ticket).expect("nobody else ends it"));
    observe(1);
    reached_if(calls.of(1) == 0, CALLED_BY_WINNER);
    thread.join().expect("loom reports a panic first");
    observe(2);
    assert_eq!([calls.of(0), calls.of(1), calls.of(2)], [1, 1, 1], "each observer is called once");
    drop(cell);
    ledger.settle();
}

/// Observers of two threads against the end: each is called once, or refused and never called.
fn observers_of_two_threads() {
    let (cell, ledger) = (Arc::new(Cell::new()), Ledger::new(1));
    let calls = Calls::new(3);
    cell.observe(calls.observer(0)).expect("there is room");
    let (theirs, ticket) = (cell.clone(), ledger.issue(0));
    let ending = spawn(move || theirs.resolve(ticket).expect("nobody else ends it"));
    let (theirs, observer) = (cell.clone(), calls.observer(1));
    let observing = spawn(move || theirs.observe(observer).is_ok());
    let mine = cell.observe(calls.observer(2));
    let taken_mine = mine.is_ok();
    reached_if(taken_mine && calls.of(2) == 0, CALLED_BY_WINNER);
    if let Err(Full(observer)) = mine {
        reached_if(true, CROWDED);
        drop(observer);
    }
    ending.join().expect("loom reports a panic first");
    let taken_theirs = observing.join().expect("loom reports a panic first");
    let expected = [1, usize::from(taken_theirs), usize::from(taken_mine)];
    assert_eq!([calls.of(0), calls.of(1), calls.of(2)], expected, "each observer is called once");
    drop(cell);
    ledger.settle();
}

/// Threads wait while another ends the operation; all of them return.
fn waits<const WAITERS: usize>() {
    let (cell, ledger) = (Arc::new(Cell::new()), Ledger::new(1));
    let waiters: Vec<_> = (0..WAITERS)
        .map(|_| {
            let theirs = cell.clone();
            spawn(move || record(theirs.wait()))
        })
        .collect();
    cell.resolve(ledger.issue(0)).expect("nobody else ends it");
    for waiter in waiters {
        waiter.join().expect("loom reports a panic first");
    }
    drop(cell);
    ledger.settle();
}

/// An observer that is never called is dropped with the completion, by whoever goes last.
fn dropped_while_pending() {
    let (cell, ledger) = (Arc::new(Cell::new()), Ledger::new(1));
    let (theirs, ticket) = (cell.clone(), ledger.issue(0));
    let thread = spawn(move || {
        let observer = move |_: &Outcome<Ticket, Ticket>| panic!("{} was called", ticket.look());
        theirs.observe(observer).expect("there is room");
    });
    drop(cell);
    thread.join().expect("loom reports a panic first");
    assert_eq!(ledger.dropped(), 1);
    ledger.settle();
}
