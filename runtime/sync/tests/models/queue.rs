//! Models of the bounded queue.
//!
//! Queues have one or two slots, so that every model fills them or wraps around. An item's slot is
//! tracked by loom, and so is its content: an access that the queue did not order is reported.

use crate::ledger::{Ledger, Ticket};
use crate::model::{Model, Set};
use valk_sync::queue::{Full, Queue};
use valk_sync::shim::thread::{JoinHandle, spawn};
use valk_sync::shim::{Arc, reached_if};

/// The models, cheap ones first.
pub const MODELS: &[Model] = &[
    Model { name: "queue::publish", states: &[TAKEN, EMPTY], body: publish, ..Model::EMPTY },
    Model {
        name: "queue::reuse_happens_after_pop",
        states: &[TAKEN, REFUSED, REUSED],
        body: reuse_happens_after_pop,
        ..Model::EMPTY
    },
    Model {
        name: "queue::two_producers_one_slot",
        states: &[REFUSED],
        body: two_producers_one_slot,
        ..Model::EMPTY
    },
    Model {
        name: "queue::two_consumers",
        states: &[LOST, OLD],
        body: two_consumers,
        ..Model::EMPTY
    },
    Model {
        name: "queue::two_producers",
        states: &[LOST, OLD],
        body: two_producers,
        ..Model::EMPTY
    },
    Model {
        name: "queue::wrap_around",
        states: &[TAKEN, EMPTY, REFUSED, REUSED],
        body: wrap_around,
        ..Model::EMPTY
    },
    Model {
        name: "queue::nothing_stays_behind",
        preemptions: Some(2),
        states: &[EMPTY, LOST],
        body: nothing_stays_behind,
        ..Model::EMPTY
    },
    Model {
        name: "queue::room_is_not_overlooked",
        preemptions: Some(2),
        states: &[REFUSED, LOST],
        body: room_is_not_overlooked,
        ..Model::EMPTY
    },
    Model {
        name: "queue::drain_against_pop",
        states: &[BATCH, LOST],
        body: drain_against_pop,
        ..Model::EMPTY
    },
    Model {
        name: "queue::drain_during_push",
        states: &[BATCH, EMPTY, TAKEN],
        body: drain_during_push,
        ..Model::EMPTY
    },
    Model {
        name: "queue::drop_with_items",
        states: &[LEFT],
        body: drop_with_items,
        ..Model::EMPTY
    },
    Model {
        name: "queue::nothing_stays_behind_deep",
        set: Set::Nightly,
        preemptions: Some(3),
        states: &[EMPTY, LOST],
        body: nothing_stays_behind,
        ..Model::EMPTY
    },
    Model {
        name: "queue::room_is_not_overlooked_deep",
        set: Set::Nightly,
        preemptions: Some(3),
        states: &[REFUSED, LOST],
        body: room_is_not_overlooked,
        ..Model::EMPTY
    },
];

// States recorded by the queue itself.
const LOST: &str = "queue: lost a position";
const OLD: &str = "queue: looked at an old position";
// States recorded here.
const TAKEN: &str = "a consumer took an item";
const EMPTY: &str = "a consumer found nothing";
const REFUSED: &str = "a full queue refused an item";
const REUSED: &str = "a slot was used again";
const BATCH: &str = "a consumer took two items in one go";
const LEFT: &str = "the queue dropped an item";

/// A queue of `slots` slots, with `items` items to come.
fn queue(slots: usize, items: usize) -> (Arc<Queue<Ticket>>, Ledger) {
    (Arc::new(Queue::with_slots(slots)), Ledger::new(items))
}

/// Pushes the tickets; the numbers of those that were refused.
fn push(queue: &Queue<Ticket>, tickets: impl IntoIterator<Item = Ticket>) -> Vec<usize> {
    let mut back = Vec::new();
    for ticket in tickets {
        if let Err(Full(ticket)) = queue.try_push(ticket) {
            reached_if(true, REFUSED);
            back.push(ticket.redeem());
        }
    }
    back
}

/// Pops `attempts` times; the numbers of what was there.
fn pop(queue: &Queue<Ticket>, attempts: usize) -> Vec<usize> {
    let attempts = (0..attempts).map(|_| queue.try_pop());
    let found: Vec<Option<Ticket>> = attempts.collect();
    reached_if(found.iter().any(Option::is_none), EMPTY);
    let taken: Vec<usize> = found.into_iter().flatten().map(Ticket::redeem).collect();
    reached_if(!taken.is_empty(), TAKEN);
    taken
}

/// Pops until there is nothing.
fn pop_all(queue: &Queue<Ticket>) -> Vec<usize> {
    let taken = std::iter::from_fn(|| queue.try_pop()).map(Ticket::redeem).collect();
    reached_if(true, EMPTY);
    taken
}

fn drain(queue: &Queue<Ticket>, max: usize) -> Vec<usize> {
    let mut taken = Vec::new();
    let count = queue.drain(max, |ticket| taken.push(ticket.redeem()));
    assert_eq!(count, taken.len());
    reached_if(count == 0, EMPTY);
    reached_if(count == 1, TAKEN);
    reached_if(count == 2, BATCH);
    taken
}

/// A thread with the queue; what it took or got back.
fn with(
    queue: &Arc<Queue<Ticket>>,
    body: impl FnOnce(&Queue<Ticket>) -> Vec<usize> + 'static,
) -> JoinHandle<Vec<usize>> {
    let queue = queue.clone();
    spawn(move || body(&queue))
}

fn join(thread: JoinHandle<Vec<usize>>) -> Vec<usize> {
    thread.join().expect("loom reports a thread's panic first")
}

/// Takes what is left and checks that the items `0..items` came out once.
fn finish(queue: &Queue<Ticket>, ledger: Ledger, items: usize, parts: &[Vec<usize>]) {
    let mut out = parts.concat();
    out.extend(pop_all(queue));
    out.sort_unstable();
    assert_eq!(out, (0..items).collect::<Vec<_>>(), "items out against items in");
    assert!(queue.is_empty());
    ledger.settle();
}

/// The edge from push to pop, with nothing else between the threads.
fn publish() {
    let (queue, ledger) = queue(2, 1);
    let ticket = ledger.issue(0);
    let producer = with(&queue, |queue| push(queue, [ticket]));
    let taken = pop(&queue, 1);
    let back = join(producer);
    finish(&queue, ledger, 1, &[taken, back]);
}

/// The edge from pop to the push that reuses the slot: a queue of one slot.
fn reuse_happens_after_pop() {
    let (queue, ledger) = queue(1, 2);
    push(&queue, [ledger.issue(0)]);
    let consumer = with(&queue, |queue| pop(queue, 1));
    let back = push(&queue, [ledger.issue(1)]);
    reached_if(back.is_empty(), REUSED);
    let taken = join(consumer);
    assert_eq!(taken, [0], "the item was there before");
    finish(&queue, ledger, 2, &[taken, back]);
}

/// Two producers, one slot: one is refused and gets its item back.
fn two_producers_one_slot() {
    let (queue, ledger) = queue(1, 2);
    let ticket = ledger.issue(1);
    let producer = with(&queue, |queue| push(queue, [ticket]));
    let mut back = push(&queue, [ledger.issue(0)]);
    back.extend(join(producer));
    assert_eq!(back.len(), 1, "one slot");
    finish(&queue, ledger, 2, &[back]);
}

/// Two consumers, two items that were there before: each gets one.
fn two_consumers() {
    let (queue, ledger) = queue(2, 2);
    push(&queue, (0..2).map(|id| ledger.issue(id)));
    let consumer = with(&queue, |queue| pop(queue, 1));
    let mine = pop(&queue, 1);
    let theirs = join(consumer);
    assert_eq!((mine.len(), theirs.len()), (1, 1), "there were two items");
    finish(&queue, ledger, 2, &[mine, theirs]);
}

/// Two producers, two free slots: neither is refused.
fn two_producers() {
    let (queue, ledger) = queue(2, 2);
    let ticket = ledger.issue(1);
    let producer = with(&queue, |queue| push(queue, [ticket]));
    let mine = push(&queue, [ledger.issue(0)]);
    let theirs = join(producer);
    assert!(mine.is_empty() && theirs.is_empty(), "there were two slots");
    finish(&queue, ledger, 2, &[]);
}

/// Slots are used a second time while a consumer comes round. What one producer pushed comes in
/// that order.
fn wrap_around() {
    let (queue, ledger) = queue(2, 4);
    push(&queue, (0..2).map(|id| ledger.issue(id)));
    let consumer = with(&queue, |queue| pop(queue, 3));
    let back = push(&queue, (2..4).map(|id| ledger.issue(id)));
    reached_if(back.is_empty(), REUSED);
    let taken = join(consumer);
    assert!(taken.is_sorted(), "first in, first out, got {taken:?}");
    finish(&queue, ledger, 4, &[taken, back]);
}

/// Rule 4: each pushes one and then pops until there is nothing, so nothing is left in the end. The
/// one that sees the other's push unfinished and the one that finishes it are different threads.
fn nothing_stays_behind() {
    let (queue, ledger) = queue(2, 2);
    let ticket = ledger.issue(1);
    let thread = with(&queue, |queue| {
        push(queue, [ticket]);
        pop_all(queue)
    });
    push(&queue, [ledger.issue(0)]);
    let mine = pop_all(&queue);
    let theirs = join(thread);
    assert_eq!(mine.len() + theirs.len(), 2, "rule 4: an item stayed behind");
    finish(&queue, ledger, 2, &[mine, theirs]);
}

/// Rule 4 for the other end: each takes one item and then pushes until it is refused, so the queue
/// is full in the end.
fn room_is_not_overlooked() {
    let (queue, ledger) = queue(2, 6);
    push(&queue, (0..2).map(|id| ledger.issue(id)));
    let pop_and_fill = |tickets: Vec<Ticket>| {
        move |queue: &Queue<Ticket>| {
            let mut out = pop(queue, 1);
            for ticket in tickets {
                let back = push(queue, [ticket]);
                let refused = !back.is_empty();
                out.extend(back);
                if refused {
                    break;
                }
            }
            out
        }
    };
    let (first, second) = ([2, 3], [4, 5]);
    let tickets = |ids: [usize; 2]| ids.into_iter().map(|id| ledger.issue(id)).collect();
    let thread = with(&queue, pop_and_fill(tickets(first)));
    let mine = pop_and_fill(tickets(second))(&queue);
    let theirs = join(thread);
    assert_eq!(queue.len(), 2, "rule 4: a free slot was overlooked");
    assert_eq!(mine.len() + theirs.len() + pop_all(&queue).len(), mine.len() + theirs.len() + 2);
    ledger.settle();
}

/// A batch of two against a pop at the same end.
fn drain_against_pop() {
    let (queue, ledger) = queue(2, 2);
    push(&queue, (0..2).map(|id| ledger.issue(id)));
    let consumer = with(&queue, |queue| pop(queue, 1));
    let mine = drain(&queue, 2);
    let theirs = join(consumer);
    assert_eq!(mine.len() + theirs.len(), 2, "all was there before");
    finish(&queue, ledger, 2, &[mine, theirs]);
}

/// A batch takes what is complete, in order.
fn drain_during_push() {
    let (queue, ledger) = queue(2, 2);
    let tickets = [ledger.issue(0), ledger.issue(1)];
    let producer = with(&queue, |queue| push(queue, tickets));
    let taken = drain(&queue, 3);
    assert!(taken.iter().copied().eq(0..taken.len()), "the oldest first, got {taken:?}");
    let back = join(producer);
    finish(&queue, ledger, 2, &[taken, back]);
}

/// The last handle drops what is left.
fn drop_with_items() {
    let (queue, ledger) = queue(2, 2);
    let tickets = [ledger.issue(0), ledger.issue(1)];
    let producer = with(&queue, |queue| push(queue, tickets));
    drop(pop(&queue, 1));
    // Unmodelled bookkeeping: one item at most was taken.
    drop(queue);
    join(producer);
    reached_if(ledger.dropped() == 2, LEFT);
    ledger.settle();
}
