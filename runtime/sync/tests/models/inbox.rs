//! Models of the inbox: no item and no wake-up is lost.
//!
//! The inbox has a mutex and no other synchronisation, so there is no ordering to weaken. Items are
//! tickets whose content loom tracks. A reader that is not woken is a deadlock.

use crate::ledger::{Ledger, Ticket};
use crate::model::{Model, Set};
use crate::unpark::block_on;
use valk_sync::inbox::Inbox;
use valk_sync::shim::Arc;
use valk_sync::shim::thread::spawn;

/// The models, cheap ones first.
pub const MODELS: &[Model] = &[
    Model {
        name: "inbox::post_against_wait",
        states: &[WAITED, SAW],
        body: posts::<1, 1>,
        ..Model::EMPTY
    },
    Model {
        name: "inbox::wake_against_wait",
        states: &[WAITED, SAW],
        body: wake_against_wait,
        ..Model::EMPTY
    },
    Model {
        name: "inbox::two_items_one_per_turn",
        states: &[WAITED, SAW],
        body: posts::<1, 2>,
        ..Model::EMPTY
    },
    Model {
        name: "inbox::two_posters",
        preemptions: Some(3),
        states: &[WAITED, SAW],
        body: posts::<2, 1>,
        ..Model::EMPTY
    },
    Model {
        name: "inbox::the_owner_looks_in_between",
        states: &[WAITED, SAW],
        body: the_owner_looks_in_between,
        ..Model::EMPTY
    },
    Model {
        name: "inbox::two_posters_exhaustive",
        set: Set::Nightly,
        states: &[WAITED, SAW],
        body: posts::<2, 1>,
        ..Model::EMPTY
    },
];

// States recorded by the inbox itself.
const WAITED: &str = "inbox: the reader waited";
const SAW: &str = "inbox: the reader saw something before it waited";

/// Waits, then takes one item; a turn of a reader that is bounded to one.
fn take_one(inbox: &Inbox<Ticket>) -> usize {
    block_on(|cx| inbox.poll_arrived(cx));
    inbox.take().expect("it was said to be there").redeem()
}

/// Each poster's items arrive once and in their order, at a reader that sleeps in between.
fn posts<const POSTERS: usize, const ITEMS: usize>() {
    let (inbox, ledger) = (Arc::new(Inbox::new()), Ledger::new(POSTERS * ITEMS));
    let posters: Vec<_> = (0..POSTERS)
        .map(|poster| {
            let numbers = poster * ITEMS..(poster + 1) * ITEMS;
            let tickets: Vec<_> = numbers.map(|number| ledger.issue(number)).collect();
            let inbox = inbox.clone();
            spawn(move || tickets.into_iter().for_each(|ticket| inbox.post(ticket)))
        })
        .collect();
    let mut taken: Vec<_> = (0..POSTERS * ITEMS).map(|_| take_one(&inbox)).collect();
    for poster in posters {
        poster.join().expect("loom reports a panic first");
    }
    assert!(inbox.is_empty());
    if POSTERS == 1 {
        assert!(taken.is_sorted(), "in the order in which they were posted");
    }
    taken.sort_unstable();
    assert_eq!(taken, (0..POSTERS * ITEMS).collect::<Vec<_>>(), "each item once");
    drop(inbox);
    ledger.settle();
}

/// A wake-up without an item reaches a reader that waits, or is about to.
fn wake_against_wait() {
    let inbox = Arc::new(Inbox::<Ticket>::new());
    let theirs = inbox.clone();
    let thread = spawn(move || theirs.wake());
    block_on(|cx| inbox.poll_arrived(cx));
    thread.join().expect("loom reports a panic first");
    assert!(inbox.is_empty());
}

/// What a collection does with the items keeps no reader from seeing them.
fn the_owner_looks_in_between() {
    let (inbox, ledger) = (Arc::new(Inbox::new()), Ledger::new(1));
    let (theirs, ticket) = (inbox.clone(), ledger.issue(0));
    let thread = spawn(move || {
        theirs.post(ticket);
        theirs.wake();
    });
    let mut looked = 0;
    inbox.for_each_mut(|ticket| looked += 1 + ticket.look());
    assert!(looked <= 1 && inbox.len() <= 1);
    assert_eq!(take_one(&inbox), 0);
    thread.join().expect("loom reports a panic first");
    drop(inbox);
    ledger.settle();
}
