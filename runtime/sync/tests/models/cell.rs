//! Models of the completion cell: one end, and each waiter goes to exactly one thread.
//!
//! The cell has a mutex and no other synchronisation, so there is no ordering to weaken; what the
//! models check is that each operation is one critical section. Waiters are tickets whose content
//! loom tracks: a thread that gets one which was not ordered before it is reported.

use crate::ledger::{Ledger, Ticket};
use crate::model::{Model, Set};
use valk_sync::cell::{AlreadySettled, CompletionCell, End, NotSubscribed, Status};
use valk_sync::shim::thread::spawn;
use valk_sync::shim::{Arc, reached_if};

/// The models, cheap ones first.
pub const MODELS: &[Model] = &[
    Model {
        name: "cell::two_threads_settle",
        states: &[SECOND, FIRST_WON, OTHER_WON],
        body: two_threads_settle,
        ..Model::EMPTY
    },
    Model {
        name: "cell::subscribe_against_settle",
        states: &[AFTER_THE_END, NOTIFIED],
        body: subscribe_against_settle,
        ..Model::EMPTY
    },
    Model {
        name: "cell::unsubscribe_against_settle",
        states: &[LEFT_TOO_LATE, NOTIFIED, LEFT],
        body: unsubscribe_against_settle,
        ..Model::EMPTY
    },
    Model {
        name: "cell::replace_against_settle",
        states: &[REPLACED, NOT_REPLACED],
        body: replace_against_settle,
        ..Model::EMPTY
    },
    Model {
        name: "cell::request_cancel_against_settle",
        states: &[CANCELLED, COMPLETED, IGNORED, TOO_LATE],
        body: request_cancel_against_settle,
        ..Model::EMPTY
    },
    Model {
        name: "cell::start_against_settle",
        states: &[STARTED, NOT_STARTED],
        body: start_against_settle,
        ..Model::EMPTY
    },
    Model {
        name: "cell::two_threads_subscribe_for_one_place",
        states: &[CROWDED, AFTER_THE_END, NOTIFIED],
        body: two_threads_subscribe_for_one_place,
        ..Model::EMPTY
    },
    Model { name: "cell::dropped_while_pending", body: dropped_while_pending, ..Model::EMPTY },
    Model {
        name: "cell::subscribe_unsubscribe_and_two_ends",
        set: Set::Nightly,
        states: &[SECOND, AFTER_THE_END, LEFT_TOO_LATE, NOTIFIED, LEFT],
        body: subscribe_unsubscribe_and_two_ends,
        ..Model::EMPTY
    },
];

// States recorded by the cell itself.
const SECOND: &str = "cell: an end came second";
const AFTER_THE_END: &str = "cell: a waiter came after the end";
const LEFT_TOO_LATE: &str = "cell: a waiter had been notified before it left";
// States recorded here.
const FIRST_WON: &str = "the first thread settled it";
const OTHER_WON: &str = "the other thread settled it";
const NOTIFIED: &str = "a waiter was notified";
const LEFT: &str = "a waiter left before the end";
const REPLACED: &str = "the new waiter was notified";
const NOT_REPLACED: &str = "the old waiter was notified";
const CANCELLED: &str = "the producer saw the request";
const COMPLETED: &str = "it ended before the request";
const IGNORED: &str = "it ended with a value although it was requested to cancel";
const TOO_LATE: &str = "the request came too late";
const STARTED: &str = "it was running when it ended";
const NOT_STARTED: &str = "it never ran";
const CROWDED: &str = "a waiter found no room";

type Cell = CompletionCell<usize, Ticket>;

/// Settles the cell; the numbers of the waiters that this thread is to notify, or nothing if it
/// came second.
fn settle(cell: &Cell, end: End<usize>) -> Option<Vec<usize>> {
    match cell.settle(end) {
        Ok(waiters) => {
            let numbers: Vec<_> = waiters.into_iter().map(Ticket::redeem).collect();
            reached_if(!numbers.is_empty(), NOTIFIED);
            Some(numbers)
        }
        Err(AlreadySettled(refused)) => {
            assert_eq!(refused, end, "the refused end comes back");
            None
        }
    }
}

/// One wins and gets the waiters, which were there before; the other gets its end back.
fn two_threads_settle() {
    let (cell, ledger) = (Arc::new(Cell::running()), Ledger::new(2));
    for number in 0..2 {
        cell.subscribe(ledger.issue(number)).expect("it is open");
    }
    let theirs = cell.clone();
    let thread = spawn(move || settle(&theirs, End::Failed(2)));
    let mine = settle(&cell, End::Completed(1));
    let theirs = thread.join().expect("loom reports a panic first");
    let end = match (mine, theirs) {
        (Some(waiters), None) => {
            reached_if(true, FIRST_WON);
            (waiters, End::Completed(1))
        }
        (None, Some(waiters)) => {
            reached_if(true, OTHER_WON);
            (waiters, End::Failed(2))
        }
        both => panic!("an operation ends once: {both:?}"),
    };
    assert_eq!(end.0, [0, 1], "all waiters, in the order of arrival");
    assert_eq!(cell.end(), Some(end.1));
    drop(cell);
    ledger.settle();
}

/// A waiter is notified once, or its thread is told the end.
fn subscribe_against_settle() {
    let (cell, ledger) = (Arc::new(Cell::new()), Ledger::new(1));
    let theirs = cell.clone();
    let thread = spawn(move || settle(&theirs, End::Completed(7)).expect("no other end").len());
    let told = match cell.subscribe(ledger.issue(0)) {
        Ok(_) => 0,
        Err((waiter, end)) => {
            assert_eq!(end, End::Completed(7));
            waiter.redeem();
            1
        }
    };
    let notified = thread.join().expect("loom reports a panic first");
    assert_eq!(notified + told, 1, "notified once or told the end");
    drop(cell);
    ledger.settle();
}

/// A waiter goes to the thread that settles or to the one that unsubscribes it.
fn unsubscribe_against_settle() {
    let (cell, ledger) = (Arc::new(Cell::new()), Ledger::new(2));
    let token = cell.subscribe(ledger.issue(0)).expect("it is open");
    cell.subscribe(ledger.issue(1)).expect("it is open");
    let theirs = cell.clone();
    let thread = spawn(move || settle(&theirs, End::Cancelled).expect("no other end"));
    let left = cell.unsubscribe(token).map(Ticket::redeem);
    reached_if(left.is_some(), LEFT);
    let notified = thread.join().expect("loom reports a panic first");
    match left {
        Some(number) => assert_eq!((number, notified), (0, vec![1])),
        None => assert_eq!(notified, [0, 1]),
    }
    drop(cell);
    ledger.settle();
}

/// Of the old waiter and the new one, one is notified and the other comes back.
fn replace_against_settle() {
    let (cell, ledger) = (Arc::new(Cell::new()), Ledger::new(2));
    let token = cell.subscribe(ledger.issue(0)).expect("it is open");
    let theirs = cell.clone();
    let thread = spawn(move || settle(&theirs, End::Cancelled).expect("no other end"));
    let back = match cell.replace(token, ledger.issue(1)) {
        Ok(old) => old.redeem(),
        Err(new) => new.redeem(),
    };
    let notified = thread.join().expect("loom reports a panic first");
    reached_if(notified == [1], REPLACED);
    reached_if(notified == [0], NOT_REPLACED);
    assert_eq!(notified, [1 - back]);
    drop(cell);
    ledger.settle();
}

/// A producer that looks for the request now and then: the request is seen, ignored or too late.
fn request_cancel_against_settle() {
    let cell = Arc::new(Cell::running());
    let theirs = cell.clone();
    let thread = spawn(move || {
        let end = if theirs.is_cancel_requested() { End::Cancelled } else { End::Completed(1) };
        settle(&theirs, end).expect("no other end");
    });
    let was_open = cell.request_cancel();
    reached_if(!was_open, TOO_LATE);
    thread.join().expect("loom reports a panic first");
    match cell.status() {
        Status::Cancelled => {
            reached_if(true, CANCELLED);
            assert!(was_open, "no producer cancels by itself");
            assert!(cell.is_cancel_requested());
        }
        status => {
            reached_if(was_open, IGNORED);
            reached_if(!was_open, COMPLETED);
            assert_eq!(status, Status::Completed);
            assert!(!cell.is_cancel_requested(), "an end with a value was not cancelled");
        }
    }
    assert!(!cell.request_cancel(), "it has ended");
}

/// One thread begins the operation while another ends it.
fn start_against_settle() {
    let cell = Arc::new(Cell::new());
    let theirs = cell.clone();
    let thread = spawn(move || settle(&theirs, End::Cancelled).expect("no other end"));
    let started = cell.start();
    reached_if(started, STARTED);
    reached_if(!started, NOT_STARTED);
    thread.join().expect("loom reports a panic first");
    assert!(!cell.start());
    assert_eq!(cell.status(), Status::Cancelled);
}

/// Room for one: of two waiters one is registered at most, and each is accounted for.
fn two_threads_subscribe_for_one_place() {
    let (cell, ledger) = (Arc::new(Cell::new()), Ledger::new(2));
    let subscribe = |cell: &Cell, waiter| match cell.subscribe_within(1, waiter) {
        Ok(_) => 1,
        Err(NotSubscribed::Full(waiter)) => {
            reached_if(true, CROWDED);
            waiter.redeem();
            0
        }
        Err(NotSubscribed::Ended(waiter, end)) => {
            assert_eq!(end, End::Completed(1));
            waiter.redeem();
            0
        }
    };
    let (theirs, waiter) = (cell.clone(), ledger.issue(1));
    let subscribing = spawn(move || subscribe(&theirs, waiter));
    let theirs = cell.clone();
    let ending = spawn(move || settle(&theirs, End::Completed(1)).expect("no other end").len());
    let mine = subscribe(&cell, ledger.issue(0));
    let registered = mine + subscribing.join().expect("loom reports a panic first");
    let notified = ending.join().expect("loom reports a panic first");
    assert!(registered <= 1, "there is room for one");
    assert_eq!(notified, registered, "a registered waiter is notified");
    drop(cell);
    ledger.settle();
}

/// A waiter of a cell that never ends is dropped by the thread that drops the cell.
fn dropped_while_pending() {
    let (cell, ledger) = (Arc::new(Cell::new()), Ledger::new(1));
    let (theirs, waiter) = (cell.clone(), ledger.issue(0));
    let thread = spawn(move || theirs.subscribe(waiter).map(|_| ()).expect("it is open"));
    drop(cell);
    thread.join().expect("loom reports a panic first");
    assert_eq!(ledger.dropped(), 1);
    ledger.settle();
}

/// Everything at once: one waiter comes and goes, another comes, two threads settle.
fn subscribe_unsubscribe_and_two_ends() {
    let (cell, ledger) = (Arc::new(Cell::new()), Ledger::new(2));
    let token = cell.subscribe(ledger.issue(0)).expect("it is open");
    let ending = [End::Completed(1), End::Cancelled].map(|end| {
        let theirs = cell.clone();
        spawn(move || settle(&theirs, end))
    });
    let back = match cell.subscribe(ledger.issue(1)) {
        Ok(_) => 0,
        Err((waiter, _)) => {
            waiter.redeem();
            1
        }
    };
    let left = cell.unsubscribe(token).map(Ticket::redeem);
    reached_if(left.is_some(), LEFT);
    let ends: Vec<_> = ending
        .into_iter()
        .filter_map(|thread| thread.join().expect("loom reports a panic first"))
        .collect();
    assert_eq!(ends.len(), 1, "an operation ends once");
    assert_eq!(ends[0].len() + back + usize::from(left.is_some()), 2, "each goes one way");
    drop(cell);
    ledger.settle();
}
