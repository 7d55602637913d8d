//! What all threads see of one worker: its queue from the thieves' end, its run word, its counters.

use super::job::Task;
use super::statistics::WorkerStatistics;
use crate::deque::Stealer;
use crate::shim::Ordering::{Acquire, Relaxed, Release};
use crate::shim::{AtomicU64, StatisticU64};

/// Set once discarding has begun: no task begins any more (rule 6).
const FORBIDDEN: u64 = 1 << 63;
/// Added at each begin and at each end, so bit 0 says whether a task is running.
const STEP: u64 = 1;

/// The public side of a worker.
pub(super) struct Remote {
    pub(super) stealer: Stealer<Box<Task>>,
    /// Begins and ends of tasks, and `FORBIDDEN` (rule 6). For that rule the order of changes to
    /// one word is all that counts, so most accesses are relaxed.
    run_word: AtomicU64,
    pub(super) counters: Counters,
}

impl Remote {
    pub(super) fn new(stealer: Stealer<Box<Task>>) -> Self {
        Self { stealer, run_word: AtomicU64::new(0), counters: Counters::default() }
    }

    /// The worker begins a task. Returns false if it may not any more.
    pub(super) fn begin(&self) -> bool {
        // An exchange, not an addition to be taken back: no thread may ever see a begin that is
        // none.
        let steps = self.run_word.load(Relaxed) & !FORBIDDEN;
        self.run_word.compare_exchange(steps, steps + STEP, Relaxed, Relaxed).is_ok()
    }

    /// The worker ends its task. Returns whether it may begin another.
    pub(super) fn end(&self) -> bool {
        // Release: a thread that reads that the task ended sees what it did.
        self.run_word.fetch_add(STEP, Release) & FORBIDDEN == 0
    }

    /// Forbids to begin. Returns whether a task is running.
    pub(super) fn forbid(&self) -> bool {
        self.run_word.fetch_or(FORBIDDEN, Relaxed) & STEP != 0
    }

    /// Number of tasks that ended, and whether one is running: both at the same moment.
    pub(super) fn progress(&self) -> (u64, bool) {
        // Acquire: pairs with `end`.
        let steps = self.run_word.load(Acquire) & !FORBIDDEN;
        (steps / 2, steps & STEP != 0)
    }

    pub(super) fn statistics(&self) -> WorkerStatistics {
        let (executed, running) = self.progress();
        let counters = &self.counters;
        WorkerStatistics {
            executed,
            running,
            stolen: counters.stolen.get(),
            parked: counters.parked.get(),
            searches: counters.searches.get(),
            panicked: counters.panicked.get(),
            queued: self.stealer.len(),
        }
    }
}

/// What a worker counts for statistics.
#[derive(Default)]
pub(super) struct Counters {
    pub(super) stolen: Counter,
    pub(super) parked: Counter,
    pub(super) searches: Counter,
    pub(super) panicked: Counter,
    /// Tasks that it took but was not allowed to begin. Read when it has ended, under the lock.
    pub(super) dropped: Counter,
}

/// A number that one thread counts and others read.
#[derive(Default)]
pub(super) struct Counter(StatisticU64);

impl Counter {
    /// Adds one. Called by its worker only, hence no exchange.
    pub(super) fn count(&self) {
        self.0.store(self.get() + 1, Relaxed);
    }

    pub(super) fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}
