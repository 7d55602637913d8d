//! What everybody sees of one worker: its deque from the thieves' end, its word, its numbers.

use super::job::Task;
use super::statistics::WorkerStatistics;
use crate::deque::Stealer;
use crate::shim::Ordering::{Acquire, Relaxed, Release};
use crate::shim::{AtomicU64, StatisticU64};

/// Who discards has been here: no task begins any more (rule 6).
const FORBIDDEN: u64 = 1 << 63;
/// Added at each begin and at each end, so bit 0 says whether a task is running.
const TURN: u64 = 1;

/// The public side of a worker.
pub(super) struct Lane {
    pub(super) stealer: Stealer<Box<Task>>,
    /// Begins and ends of tasks, and `FORBIDDEN` (rule 6). For that rule the order of changes to
    /// one word is all that counts, so most accesses are relaxed.
    turns: AtomicU64,
    pub(super) counters: Counters,
}

impl Lane {
    pub(super) fn new(stealer: Stealer<Box<Task>>) -> Self {
        Self { stealer, turns: AtomicU64::new(0), counters: Counters::default() }
    }

    /// The worker begins a task, if that is still allowed.
    pub(super) fn begin(&self) -> bool {
        // An exchange, not an addition to be taken back: nobody may ever see a begin that is none.
        let turns = self.turns.load(Relaxed) & !FORBIDDEN;
        self.turns.compare_exchange(turns, turns + TURN, Relaxed, Relaxed).is_ok()
    }

    /// The worker ends its task; whether it may begin another.
    pub(super) fn end(&self) -> bool {
        // Release: who reads that the task ended sees what it did.
        self.turns.fetch_add(TURN, Release) & FORBIDDEN == 0
    }

    /// Forbids to begin; whether a task is running.
    pub(super) fn forbid(&self) -> bool {
        self.turns.fetch_or(FORBIDDEN, Relaxed) & TURN != 0
    }

    /// Tasks that ended, and whether one is running: both at the same moment.
    pub(super) fn progress(&self) -> (u64, bool) {
        // Acquire: pairs with `end`.
        let turns = self.turns.load(Acquire) & !FORBIDDEN;
        (turns / 2, turns & TURN != 0)
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

/// What a worker counts, for people.
#[derive(Default)]
pub(super) struct Counters {
    pub(super) stolen: Counter,
    pub(super) parked: Counter,
    pub(super) searches: Counter,
    pub(super) panicked: Counter,
    /// Tasks that it took but might not begin. Read when it has ended, which is under the lock.
    pub(super) dropped: Counter,
}

/// A number that one thread counts and others read.
#[derive(Default)]
pub(super) struct Counter(StatisticU64);

impl Counter {
    /// One more. Its worker only, hence no exchange.
    pub(super) fn count(&self) {
        self.0.store(self.get() + 1, Relaxed);
    }

    pub(super) fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}
