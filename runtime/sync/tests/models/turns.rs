//! Models of turns: one owner at a time, and nobody sleeps for ever.
//!
//! What a turn protects is a cell that loom tracks: it reports two accesses that were not ordered. A
//! thread that sleeps for ever is a deadlock, which loom reports too.

use crate::model::{Model, Set};
use valk_sync::shim::thread::spawn;
use valk_sync::shim::{Arc, UnsafeCell};
use valk_sync::turns::Turns;

/// The models, cheap ones first.
pub const MODELS: &[Model] = &[
    Model { name: "turns::two_take_turns", states: &[SLEPT], body: two, ..Model::EMPTY },
    Model { name: "turns::turns_inside_turns", states: &[SLEPT], body: nested, ..Model::EMPTY },
    Model {
        name: "turns::three_take_turns",
        preemptions: Some(2),
        states: &[SLEPT],
        body: three,
        ..Model::EMPTY
    },
    Model {
        name: "turns::three_take_turns_deep",
        set: Set::Nightly,
        preemptions: Some(3),
        states: &[SLEPT],
        body: three,
        ..Model::EMPTY
    },
];

const SLEPT: &str = "turns: a thread slept";

struct Protected {
    turns: Turns,
    count: UnsafeCell<usize>,
}

// SAFETY: that accesses to the cell are ordered is what the models check; loom reports others.
unsafe impl Sync for Protected {}
// SAFETY: as above.
unsafe impl Send for Protected {}

impl Protected {
    fn new() -> Arc<Self> {
        Arc::new(Self { turns: Turns::new(), count: UnsafeCell::new(0) })
    }

    /// Adds one; the new value.
    fn add(&self) -> usize {
        // SAFETY: loom checks it.
        self.count.with_mut(|count| unsafe {
            *count += 1;
            *count
        })
    }

    fn turn(&self, key: usize) {
        self.turns.take(key);
        self.add();
        self.turns.end();
    }
}

fn contend(others: usize, turn: fn(&Protected, usize)) {
    let shared = Protected::new();
    let threads: Vec<_> = (0..others)
        .map(|number| {
            let shared = shared.clone();
            spawn(move || turn(&shared, number + 2))
        })
        .collect();
    turn(&shared, 1);
    for thread in threads {
        thread.join().expect("loom reports a panic first");
    }
    shared.turns.take(1);
    assert_eq!(shared.add(), others + 2, "each turn counts");
    shared.turns.end();
}

fn two() {
    contend(1, Protected::turn);
}

fn three() {
    contend(2, Protected::turn);
}

/// The outer turn lasts until it is ended.
fn nested() {
    contend(1, |shared, key| {
        shared.turns.take(key);
        shared.turns.take(key);
        shared.turns.end();
        shared.add();
        shared.turns.end();
    });
}
