//! Termination detection: when workers that steal from each other are all out of work.
//!
//! A worker has a deque of its own, which others steal from. While it has an item in hand or in its
//! deque it is *busy*; when it has neither and found nothing to steal it *offers* to end. Rules,
//! named after the invariants of the collector (S10, S11, S20):
//!
//! 1. A worker offers with empty hands and an empty deque, and only the owner adds to a deque. So
//!    what is left anywhere is with a worker that has not offered.
//! 2. A worker that has offered takes nothing. When it sees work it retracts its offer, and is busy
//!    before it steals. So offers are never more than workers, and a thief is never among them
//!    (S11).
//! 3. When the last worker offers, nothing is left anywhere (rules 1 and 2), and all have ended
//!    (S10). That is final.
//! 4. Offers are counted under one lock. So what any worker did before its last offer is visible to
//!    every worker after the end.
//! 5. A worker that has offered looks for work and then sleeps until termination or an
//!    announcement. A busy worker announces that it has items to steal. A worker may miss an
//!    announcement that crosses its last look; it does not help until the next one. Termination
//!    does not depend on announcements, because a busy worker does its own work if no other helps.
//! 6. A detector serves one phase of marking; the next phase has its own (S20).
//!
//! Nothing here waits for time and nothing spins. Knows numbers of workers. Does not know deques,
//! items or threads.

use crate::limits::TERMINATION_WORKERS_MAX;
use crate::shim::{AtomicUsize, Condvar, Mutex, Ordering::Relaxed, lock, reached_if, wait};
use std::fmt;

/// The result of an offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a worker that has to resume is counted as busy until it offers again"]
pub enum OfferResult {
    /// There is work: the worker is busy again and tries to steal.
    Resume,
    /// All workers are out of work. The worker ends and does not offer again.
    Ended,
}

/// What the lock protects.
#[derive(Debug, Default)]
struct State {
    /// Workers that have offered and not retracted.
    offers: usize,
    /// Announcements heard so far, which sleepers compare.
    announcements: u64,
}

/// The count of a fixed number of workers, shared by reference.
pub struct TerminationDetector {
    workers: usize,
    state: Mutex<State>,
    /// Workers that have offered sleep here.
    sleepers: Condvar,
    /// A copy of `state.offers`, for workers that would wake others.
    offers_seen: AtomicUsize,
}

impl TerminationDetector {
    /// A detector for `workers` workers, all of them busy.
    ///
    /// # Panics
    ///
    /// When `workers` is 0 or greater than [`TERMINATION_WORKERS_MAX`].
    pub fn new(workers: usize) -> Self {
        assert!(
            0 < workers && workers <= TERMINATION_WORKERS_MAX,
            "a termination detector for {workers} workers was asked for; \
             give 1 to {TERMINATION_WORKERS_MAX}"
        );
        Self {
            workers,
            state: Mutex::new(State::default()),
            sleepers: Condvar::new(),
            offers_seen: AtomicUsize::new(0),
        }
    }

    /// Offers to terminate. Returns when all workers have offered, or when `sees_work` has returned
    /// true.
    ///
    /// The caller is one of the workers, is busy, has no item in hand, has an empty deque, and has
    /// tried to steal from all others. `sees_work` tells whether another's deque has an item,
    /// without taking it (rule 2); it may be wrong either way for a moment. It is called without a
    /// lock.
    ///
    /// # Panics
    ///
    /// When more workers offer than there are, or one offers after the end.
    pub fn offer_termination(&self, mut sees_work: impl FnMut() -> bool) -> OfferResult {
        let mut state = lock(&self.state);
        assert!(state.offers < self.workers, "rule 3 of termination: one offer per worker");
        self.set_offers(&mut state, |offers| offers + 1);
        if state.offers == self.workers {
            self.sleepers.notify_all();
        }
        while state.offers < self.workers {
            let heard = state.announcements;
            drop(state);
            let saw_work = sees_work();
            state = lock(&self.state);
            let ended = state.offers == self.workers;
            reached_if(saw_work && ended, "termination: ended while a worker saw work");
            // After the end there is none (rule 3), whatever was seen.
            if saw_work && !ended {
                self.set_offers(&mut state, |offers| offers - 1);
                return OfferResult::Resume;
            }
            while state.offers < self.workers && state.announcements == heard {
                reached_if(true, "termination: a worker slept");
                state = wait(&self.sleepers, state);
            }
        }
        OfferResult::Ended
    }

    /// Announces an item that another worker could steal: wakes one worker that has offered, if
    /// any. One load when none has.
    #[inline]
    pub fn announce_work(&self) {
        // Relaxed: a worker that is offering at this moment may be missed (rule 5).
        if self.offers_seen.load(Relaxed) > 0 {
            self.wake_one();
        }
    }

    #[cold]
    fn wake_one(&self) {
        lock(&self.state).announcements += 1;
        self.sleepers.notify_one();
    }

    /// Whether a worker has offered lately, for a busy one that could give some of its work away.
    /// One load; it may be wrong for a moment (rule 5).
    #[inline]
    pub fn has_idle_worker(&self) -> bool {
        self.offers_seen.load(Relaxed) > 0
    }

    /// Workers that have offered at the moment.
    pub fn offers(&self) -> usize {
        lock(&self.state).offers
    }

    /// Number of workers.
    pub fn workers(&self) -> usize {
        self.workers
    }

    fn set_offers(&self, state: &mut State, change: impl FnOnce(usize) -> usize) {
        state.offers = change(state.offers);
        // Relaxed: only a hint (rule 5).
        self.offers_seen.store(state.offers, Relaxed);
    }
}

impl fmt::Debug for TerminationDetector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("TerminationDetector");
        out.field("workers", &self.workers).field("offers", &self.offers());
        out.finish_non_exhaustive()
    }
}
