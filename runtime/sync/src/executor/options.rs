//! The settings of a pool.

use super::core::Deque;
use crate::limits::{DEQUE_SLOTS_INITIAL, DEQUE_SLOTS_MAX, EXECUTOR_INJECTED_DEFAULT};
use crate::limits::{EXECUTOR_INJECTED_MAX, EXECUTOR_LOCAL_DEFAULT, EXECUTOR_WORKERS_MAX};
use crate::shim::thread;

/// The settings of a pool: `Options { workers: 3, ..Options::default() }`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The names of its threads, before a hyphen and the index of the worker.
    pub name: String,
    /// Number of workers, 1 to [`EXECUTOR_WORKERS_MAX`].
    pub workers: usize,
    /// Most tasks from outside that wait, 1 to [`EXECUTOR_INJECTED_MAX`].
    pub injected_max: usize,
    /// Most tasks that wait with one worker, 1 to [`DEQUE_SLOTS_MAX`], rounded up to a power of
    /// two.
    pub local_max: usize,
    /// Stack of each thread; `None` is what the system gives.
    pub stack_bytes: Option<usize>,
    /// Where the random choices of victims begin.
    pub seed: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            name: "worker".into(),
            workers: 1,
            injected_max: EXECUTOR_INJECTED_DEFAULT,
            local_max: EXECUTOR_LOCAL_DEFAULT,
            stack_bytes: None,
            seed: 0,
        }
    }
}

impl Options {
    /// Asserts that every number is within its limit.
    pub(super) fn check(&self) {
        assert!(
            0 < self.workers && self.workers <= EXECUTOR_WORKERS_MAX,
            "a pool of {} workers was asked for; give 1 to {EXECUTOR_WORKERS_MAX}",
            self.workers
        );
        assert!(
            0 < self.injected_max && self.injected_max <= EXECUTOR_INJECTED_MAX,
            "room for {} tasks from outside was asked for; give 1 to {EXECUTOR_INJECTED_MAX}",
            self.injected_max
        );
        assert!(
            0 < self.local_max && self.local_max <= DEQUE_SLOTS_MAX,
            "deques of {} tasks were asked for; give 1 to {DEQUE_SLOTS_MAX}",
            self.local_max
        );
    }

    /// The queue of one worker.
    pub(super) fn queue(&self) -> Deque {
        Deque::with_slots(DEQUE_SLOTS_INITIAL.min(self.local_max), self.local_max)
    }

    /// The thread of the worker with this index, to be spawned.
    pub(super) fn thread(&self, index: usize) -> thread::Builder {
        let thread = thread::Builder::new().name(format!("{}-{index}", self.name));
        match self.stack_bytes {
            Some(bytes) => thread.stack_size(bytes),
            None => thread,
        }
    }
}
