//! Models of the reentrant lock: one owner at a time, and no thread parks for ever.
//!
//! The lock protects a cell that loom tracks, which reports two accesses that were not ordered.
//! A thread that sleeps for ever is a deadlock, which loom reports too.

use crate::model::{Model, Set};
use valk_sync::reentrant_lock::ReentrantLock;
use valk_sync::shim::thread::spawn;
use valk_sync::shim::{Arc, UnsafeCell};

/// The models, cheap ones first.
pub const MODELS: &[Model] = &[
    Model { name: "reentrant_lock::two_threads", states: &[PARKED], body: two, ..Model::EMPTY },
    Model { name: "reentrant_lock::nested", states: &[PARKED], body: nested, ..Model::EMPTY },
    Model {
        name: "reentrant_lock::three_threads",
        preemptions: Some(2),
        states: &[PARKED],
        body: three,
        ..Model::EMPTY
    },
    Model {
        name: "reentrant_lock::three_threads_deep",
        set: Set::Nightly,
        preemptions: Some(3),
        states: &[PARKED],
        body: three,
        ..Model::EMPTY
    },
];

const PARKED: &str = "reentrant_lock: a thread parked";

struct Protected {
    lock: ReentrantLock,
    count: UnsafeCell<usize>,
}

// SAFETY: that accesses to the cell are ordered is what the models check; loom reports others.
unsafe impl Sync for Protected {}
// SAFETY: as above.
unsafe impl Send for Protected {}

impl Protected {
    fn new() -> Arc<Self> {
        Arc::new(Self { lock: ReentrantLock::new(), count: UnsafeCell::new(0) })
    }

    /// Adds one; the new value.
    fn add(&self) -> usize {
        // SAFETY: loom checks it.
        self.count.with_mut(|count| unsafe {
            *count += 1;
            *count
        })
    }

    fn add_locked(&self, key: usize) {
        self.lock.lock(key);
        self.add();
        self.lock.unlock();
    }
}

fn contend(others: usize, add: fn(&Protected, usize)) {
    let shared = Protected::new();
    let threads: Vec<_> = (0..others)
        .map(|number| {
            let shared = shared.clone();
            spawn(move || add(&shared, number + 2))
        })
        .collect();
    add(&shared, 1);
    for thread in threads {
        thread.join().expect("loom reports a panic first");
    }
    shared.lock.lock(1);
    assert_eq!(shared.add(), others + 2, "each increment counts");
    shared.lock.unlock();
}

fn two() {
    contend(1, Protected::add_locked);
}

fn three() {
    contend(2, Protected::add_locked);
}

/// The lock is free after the last unlock only.
fn nested() {
    contend(1, |shared, key| {
        shared.lock.lock(key);
        shared.lock.lock(key);
        shared.lock.unlock();
        shared.add();
        shared.lock.unlock();
    });
}
