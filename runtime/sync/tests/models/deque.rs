//! Models of the work-stealing deque.
//!
//! The main thread is the owner. Buffers are of 2 slots so that every model can wrap around or
//! grow. Thieves try a fixed number of times: loom explores the schedules in which they win.

use crate::ledger::{Ledger, Ticket};
use crate::model::{Model, Set};
use valk_sync::deque::{Full, Steal, Stealer, Worker};
use valk_sync::shim::thread::{JoinHandle, spawn};
use valk_sync::shim::{reached_if, track_access_probes};

/// The models, cheap ones first.
pub const MODELS: &[Model] = &[
    Model { name: "deque::publish", states: &[STOLEN, EMPTY], body: publish, ..Model::EMPTY },
    Model {
        name: "deque::last_item",
        states: &[WON_LAST, LOST_LAST, LOST_RACE],
        body: last_item,
        ..Model::EMPTY
    },
    Model {
        name: "deque::push_pop_steal",
        states: &[WON_LAST, LOST_LAST, LOST_RACE, STOLEN, EMPTY],
        body: push_pop_steal,
        ..Model::EMPTY
    },
    Model {
        name: "deque::same_index_again",
        states: &[WON_LAST, LOST_LAST, LOST_RACE, STOLEN],
        body: same_index_again,
        ..Model::EMPTY
    },
    Model {
        name: "deque::reuse_happens_after_steal",
        states: &[REUSED, REFUSED],
        body: reuse_happens_after_steal,
        ..Model::EMPTY
    },
    Model {
        name: "deque::wrap_around",
        states: &[REUSED, REFUSED, STOLEN],
        body: wrap_around,
        ..Model::EMPTY
    },
    Model {
        name: "deque::grow_during_steal",
        states: &[GREW, FROM_REPLACED, STOLEN],
        body: grow_during_steal,
        ..Model::EMPTY
    },
    Model {
        name: "deque::grow_then_pop",
        states: &[GREW, FROM_REPLACED, LOST_RACE, LOST_LAST],
        body: grow_then_pop::<1>,
        ..Model::EMPTY
    },
    Model {
        name: "deque::drop_with_items",
        states: &[STOLEN, EMPTY, OUTLIVED],
        body: drop_with_items,
        ..Model::EMPTY
    },
    Model {
        name: "deque::two_thieves_one_item",
        states: &[LOST_RACE, STOLEN],
        body: two_thieves_one_item,
        ..Model::EMPTY
    },
    Model {
        name: "deque::two_thieves",
        preemptions: Some(3),
        states: &[LOST_RACE, LOST_LAST, WON_LAST, STOLEN],
        body: two_thieves,
        ..Model::EMPTY
    },
    Model {
        name: "deque::two_thieves_six_items",
        preemptions: Some(2),
        states: &[LOST_RACE, GREW, FROM_REPLACED, REUSED, STOLEN],
        body: two_thieves_six_items,
        ..Model::EMPTY
    },
    Model {
        name: "deque::grow_then_pop_deep",
        set: Set::Nightly,
        states: &[GREW, FROM_REPLACED, LOST_RACE, LOST_LAST],
        body: grow_then_pop::<2>,
        ..Model::EMPTY
    },
    Model {
        name: "deque::two_thieves_exhaustive",
        set: Set::Nightly,
        states: &[LOST_RACE, LOST_LAST, WON_LAST, STOLEN],
        body: two_thieves,
        ..Model::EMPTY
    },
    Model {
        name: "deque::two_thieves_six_items_deep",
        set: Set::Nightly,
        preemptions: Some(3),
        states: &[LOST_RACE, GREW, FROM_REPLACED, REUSED, STOLEN],
        body: two_thieves_six_items,
        ..Model::EMPTY
    },
];

// States recorded by the deque itself.
const WON_LAST: &str = "pop: won the last item";
const LOST_LAST: &str = "pop: lost the last item";
const LOST_RACE: &str = "steal: lost the race";
const FROM_REPLACED: &str = "steal: from a replaced buffer";
const REUSED: &str = "push: reuses a stolen slot";
// States recorded here.
const STOLEN: &str = "a thief took an item";
const EMPTY: &str = "a thief found nothing";
const GREW: &str = "the buffer grew";
const REFUSED: &str = "a full deque refused an item";
const OUTLIVED: &str = "a thief dropped the last handle";

/// A deque that grows from `slots` to `max` slots, with `items` items to come.
fn deque(slots: usize, max: usize, items: usize) -> (Worker<Ticket>, Ledger) {
    (Worker::with_slots(slots, max), Ledger::new(items))
}

/// Pushes the items `ids`, which the deque has room for.
fn push(deque: &Worker<Ticket>, ledger: &Ledger, ids: impl IntoIterator<Item = usize>) {
    for id in ids {
        deque.push(ledger.issue(id)).expect("the model stays below the limit");
    }
}

/// A thief and what it will have taken, in order. It hands its handle back, so that the order in
/// which handles are dropped does not multiply the executions.
type Thief = JoinHandle<(Vec<usize>, Stealer<Ticket>)>;

/// A thief with `attempts` attempts.
fn thief(deque: &Worker<Ticket>, attempts: usize) -> Thief {
    let thief = deque.stealer();
    spawn(move || (attempt(&thief, attempts), thief))
}

fn attempt(thief: &Stealer<Ticket>, attempts: usize) -> Vec<usize> {
    let mut taken = Vec::new();
    for _ in 0..attempts {
        let outcome = thief.steal();
        reached_if(matches!(outcome, Steal::Empty), EMPTY);
        taken.extend(outcome.item().map(Ticket::redeem));
    }
    reached_if(!taken.is_empty(), STOLEN);
    assert!(taken.is_sorted(), "thieves take the oldest first, got {taken:?}");
    taken
}

/// Pops `attempts` times; the numbers of what was there.
fn pop(deque: &Worker<Ticket>, attempts: usize) -> Vec<usize> {
    (0..attempts).filter_map(|_| deque.pop()).map(Ticket::redeem).collect()
}

/// Waits for `thieves`, takes what is left, and checks that the items `0..items` came out once.
fn finish(
    deque: Worker<Ticket>,
    ledger: Ledger,
    items: usize,
    parts: &[Vec<usize>],
    thieves: Vec<Thief>,
) {
    let mut taken = parts.concat();
    for thief in thieves {
        let (stolen, _handle) = thief.join().expect("loom reports a thief's panic first");
        taken.extend(stolen);
    }
    // No other thread is left, so these pops take everything.
    taken.extend(std::iter::from_fn(|| deque.pop()).map(Ticket::redeem));
    taken.sort_unstable();
    assert_eq!(taken, (0..items).collect::<Vec<_>>(), "items out against items in");
    drop(deque);
    ledger.settle();
}

/// The edge from `push` to `steal`, with nothing else between the threads: the owner does not pop,
/// so that no other fence hides a missing one.
fn publish() {
    let (deque, ledger) = deque(2, 2, 1);
    let thief = thief(&deque, 1);
    push(&deque, &ledger, 0..1);
    finish(deque, ledger, 1, &[], vec![thief]);
}

/// One item, one pop, one steal: exactly one of them gets it.
fn last_item() {
    let (deque, ledger) = deque(2, 2, 1);
    push(&deque, &ledger, 0..1);
    let thief = thief(&deque, 1);
    let popped = pop(&deque, 1);
    finish(deque, ledger, 1, &[popped], vec![thief]);
}

/// Two of everything: the owner's unsynchronised pop against a thief that comes close.
fn push_pop_steal() {
    let (deque, ledger) = deque(2, 2, 2);
    let thief = thief(&deque, 2);
    push(&deque, &ledger, 0..2);
    let popped = pop(&deque, 2);
    finish(deque, ledger, 2, &[popped], vec![thief]);
}

/// Pop and push again at the index a thief is looking at: it must get the new item or nothing.
fn same_index_again() {
    let (deque, ledger) = deque(2, 2, 3);
    push(&deque, &ledger, 0..2);
    let thief = thief(&deque, 2);
    let mut popped = pop(&deque, 1);
    push(&deque, &ledger, 2..3);
    popped.extend(pop(&deque, 1));
    finish(deque, ledger, 3, &[popped], vec![thief]);
}

/// The edge from `steal` to the `push` that reuses the slot (rule 4). loom never lets a load read
/// from a store that comes later in the execution, so a slot read too late would look right;
/// instead it checks that the slot's read and its overwriting are ordered. No thief can lose here.
fn reuse_happens_after_steal() {
    track_access_probes();
    let (deque, ledger) = deque(2, 2, 3);
    push(&deque, &ledger, 0..2);
    let thief = thief(&deque, 1);
    let back = push_or_take_back(&deque, &ledger, 2..3);
    finish(deque, ledger, 3, &[back], vec![thief]);
}

/// Pushes the items `ids`; the numbers of those that found the deque full.
fn push_or_take_back(
    deque: &Worker<Ticket>,
    ledger: &Ledger,
    ids: impl IntoIterator<Item = usize>,
) -> Vec<usize> {
    let mut back = Vec::new();
    for id in ids {
        if let Err(Full(ticket)) = deque.push(ledger.issue(id)) {
            reached_if(true, REFUSED);
            back.push(ticket.redeem());
        }
    }
    back
}

/// Slots are used a second time while a thief comes round; no thief can lose here either.
fn wrap_around() {
    track_access_probes();
    let (deque, ledger) = deque(2, 2, 4);
    push(&deque, &ledger, 0..2);
    let thief = thief(&deque, 3);
    let back = push_or_take_back(&deque, &ledger, 2..4);
    finish(deque, ledger, 4, &[back], vec![thief]);
}

/// Growth while a thief is between reading the buffer and claiming, and while it has an old
/// `bottom` but already the new buffer.
fn grow_during_steal() {
    let (deque, ledger) = deque(2, 4, 3);
    push(&deque, &ledger, 0..2);
    let thief = thief(&deque, 2);
    push(&deque, &ledger, 2..3);
    reached_if(deque.slots() == 4, GREW);
    finish(deque, ledger, 3, &[], vec![thief]);
}

/// Growth, then the owner takes from the new buffer what a thief claims from the old one.
fn grow_then_pop<const ATTEMPTS: usize>() {
    let (deque, ledger) = deque(1, 2, 2);
    push(&deque, &ledger, 0..1);
    let thief = thief(&deque, ATTEMPTS);
    push(&deque, &ledger, 1..2);
    reached_if(deque.slots() == 2, GREW);
    let popped = pop(&deque, 2);
    finish(deque, ledger, 2, &[popped], vec![thief]);
}

/// The owner leaves items, after growing; the last handle drops them and both buffers.
fn drop_with_items() {
    let (deque, ledger) = deque(1, 2, 2);
    let thief = deque.stealer();
    let thief = spawn(move || drop(attempt(&thief, 1)));
    push(&deque, &ledger, 0..2);
    // Unmodelled bookkeeping: did the deque's items survive the owner's handle?
    let before = ledger.dropped();
    drop(deque);
    reached_if(ledger.dropped() == before, OUTLIVED);
    thief.join().expect("loom reports a thief's panic first");
    ledger.settle();
}

/// Two thieves, one item, an idle owner: one wins, one loses.
fn two_thieves_one_item() {
    let (deque, ledger) = deque(2, 2, 1);
    push(&deque, &ledger, 0..1);
    let thieves = vec![thief(&deque, 1), thief(&deque, 1)];
    finish(deque, ledger, 1, &[], thieves);
}

/// Owner and two thieves after two items.
fn two_thieves() {
    let (deque, ledger) = deque(2, 2, 2);
    let thieves = vec![thief(&deque, 1), thief(&deque, 1)];
    push(&deque, &ledger, 0..2);
    let popped = pop(&deque, 2);
    finish(deque, ledger, 2, &[popped], thieves);
}

/// Six items through a deque of two slots: two thieves, growth, reuse and pops together.
fn two_thieves_six_items() {
    let (deque, ledger) = deque(2, 4, 6);
    push(&deque, &ledger, 0..2);
    let thieves = vec![thief(&deque, 2), thief(&deque, 1)];
    push(&deque, &ledger, 2..4);
    reached_if(deque.slots() == 4, GREW);
    let mut out = pop(&deque, 1);
    out.extend(push_or_take_back(&deque, &ledger, 4..6));
    finish(deque, ledger, 6, &[out], thieves);
}
