//! The words and poll flags of all slots, the lock, and which thread waits for which.

use super::spin_condvar::SpinCondvar;
use super::state::{Slots, State};
use super::world::{Job, NoUnwinding, Participant};
use super::{CollectOutcome, RegisterError, World};
use crate::cache_padded::CachePadded;
use crate::limits::MUTATORS_MAX;
use crate::shim::Ordering::{Acquire, Relaxed, Release};
use crate::shim::{AtomicUsize, Mutex, MutexGuard, lock, reached_if};

/// The mutator is in a blocking section and touches no heap object. Set and cleared by the mutator.
const SAFE: usize = 1;
/// A leader wants the world to stop. Set and cleared by leaders, under the lock.
const STOP: usize = 2;
/// Neither: the mutator may touch the heap.
const RUNNING: usize = 0;

/// A poll flag without a request since its mutator last acknowledged, and one with.
const CLEAR: usize = 0;
const REQUESTED: usize = 1;

/// What all handles of a coordinator share.
pub(super) struct Shared {
    /// One word per slot, on a line of its own: polls and blocking sections of one mutator do not
    /// disturb another's.
    words: Box<[CachePadded<AtomicUsize>]>,
    /// One per slot (rule 9).
    poll_flags: Box<[CachePadded<AtomicUsize>]>,
    state: Mutex<State>,
    /// The leader waits here, for awaited members and for the ends of rounds.
    leader: SpinCondvar,
    /// All other threads wait here: for rounds, for Idle, for members to leave.
    others: SpinCondvar,
}

impl Shared {
    pub(super) fn new() -> Self {
        Self {
            words: (0..MUTATORS_MAX).map(|_| CachePadded(AtomicUsize::new(SAFE))).collect(),
            poll_flags: (0..MUTATORS_MAX).map(|_| CachePadded(AtomicUsize::new(CLEAR))).collect(),
            state: Mutex::new(State::new()),
            leader: SpinCondvar::new(),
            others: SpinCondvar::new(),
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    fn word(&self, slot: usize) -> &AtomicUsize {
        &self.words[slot].0
    }

    pub(super) fn poll_flag(&self, slot: usize) -> &AtomicUsize {
        &self.poll_flags[slot].0
    }

    /// Sets the poll flag of `slot` (rule 9).
    pub(super) fn request(&self, slot: usize) {
        // Release: the mutator that acknowledges sees the reason.
        self.poll_flag(slot).store(REQUESTED, Release);
    }

    /// Whether the poll flag of `slot` is set. Relaxed: the reason is read after the
    /// acknowledgement.
    pub(super) fn is_requested(&self, slot: usize) -> bool {
        self.poll_flag(slot).load(Relaxed) == REQUESTED
    }

    /// Clears the poll flag of `slot`; whether it was set.
    pub(super) fn acknowledge(&self, slot: usize) -> bool {
        // Acquire: pairs with `request`.
        self.poll_flag(slot).swap(CLEAR, Acquire) == REQUESTED
    }

    /// The state at a moment without a collection (rule 2).
    fn lock_idle(&self) -> MutexGuard<'_, State> {
        let state = self.lock();
        self.others.wait_while(&self.state, state, |state| !state.is_idle())
    }

    pub(super) fn register(&self) -> Result<usize, RegisterError> {
        let mut state = self.lock_idle();
        let slot = state.admit()?;
        // Relaxed: no other thread touches the word of a slot without owner, and the lock orders
        // this before any leader that finds the new member.
        self.word(slot).store(RUNNING, Relaxed);
        Ok(slot)
    }

    /// Ends the membership of `slot`, which is SAFE.
    pub(super) fn leave(&self, slot: usize) {
        self.lock_idle().dismiss(slot);
        self.others.notify_all();
    }

    pub(super) fn begin_shutdown(&self) {
        self.lock().shut_down();
    }

    pub(super) fn wait_for_members(&self, most: usize) {
        let state = self.lock();
        drop(self.others.wait_while(&self.state, state, |state| state.members().len() > most));
    }

    /// Whether `slot` may go on. Relaxed: a mutator that misses a leader's STOP sees it at the next
    /// poll, and one that sees it goes on to take the lock.
    #[inline]
    pub(super) fn may_run(&self, slot: usize) -> bool {
        self.word(slot).load(Relaxed) == RUNNING
    }

    /// Makes `slot` SAFE (rule 4).
    pub(super) fn enter_blocking(&self, slot: usize) {
        // Release: the heap as this mutator leaves it is visible to a leader that finds it SAFE.
        let before = self.word(slot).fetch_or(SAFE, Release);
        debug_assert_eq!(before & SAFE, 0, "rule 4 of coordinator: the mutator was running");
        if before & STOP != 0 {
            reached_if(true, "blocking: entered while asked to stop");
            let mut state = self.lock();
            state.freeze(slot);
            self.notify_leader(&state);
        }
    }

    /// Makes `slot` running again, after any collection under way (rule 4).
    pub(super) fn leave_blocking(&self, slot: usize) {
        let word = self.word(slot);
        // Acquire: what the last collection did to the heap is visible to this mutator.
        if word.compare_exchange(SAFE, RUNNING, Acquire, Relaxed).is_err() {
            reached_if(true, "blocking: waited for the end of a collection");
            let idle = self.lock_idle();
            // Relaxed: without a leader no other thread touches the word, and the lock orders the
            // rest.
            word.store(RUNNING, Relaxed);
            drop(idle);
        }
    }

    /// Stops at a safepoint, if a collection is under way.
    #[cold]
    pub(super) fn stop(&self, slot: usize) {
        let before = self.word(slot).load(Relaxed);
        assert_eq!(before & SAFE, 0, "rule 4 of coordinator: a forgotten `BlockingSection` guard");
        let state = self.lock();
        if !state.is_idle() {
            self.participate(slot, state);
        }
    }

    /// Leads a collection, takes part in another's, or is refused.
    pub(super) fn collect<R>(
        &self,
        slot: usize,
        work: impl FnOnce(&World<'_>) -> R,
    ) -> CollectOutcome<R> {
        let mut state = self.lock();
        if !state.is_idle() {
            self.participate(slot, state);
            return CollectOutcome::Joined;
        }
        if state.is_shutting_down() {
            return CollectOutcome::Refused;
        }
        let unwinding = NoUnwinding;
        let others = state.request(slot);
        self.request_stop(others, &mut state);
        state = self.leader.wait_while(&self.state, state, State::is_awaited);
        let world = World::new(self, slot, state.world_stopped(slot));
        drop(state);
        let result = work(&world);
        self.resume(others);
        drop(unwinding);
        CollectOutcome::Led(result)
    }

    /// Sets STOP on `others` and awaits those that run (rule 3).
    fn request_stop(&self, others: Slots, state: &mut State) {
        for slot in others.iter() {
            // Acquire: pairs with `enter_blocking` of a member that is SAFE.
            let before = self.word(slot).fetch_or(STOP, Acquire);
            assert_eq!(before & STOP, 0, "rule 6 of coordinator: STOP was cleared");
            reached_if(before == SAFE, "request: found a member in a blocking section");
            if before & SAFE == 0 {
                state.await_member(slot);
                self.request(slot);
            }
        }
    }

    /// Ends the collection and lets all members go on (rule 6).
    fn resume(&self, others: Slots) {
        let mut state = self.lock();
        state.resume();
        for slot in others.iter() {
            // Release: pairs with `leave_blocking` of a member that was frozen.
            self.word(slot).fetch_and(!STOP, Release);
        }
        self.others.notify_all();
    }

    /// Stops in the collection under way and helps until it is over (rule 5).
    fn participate<'a>(&'a self, slot: usize, mut state: MutexGuard<'a, State>) {
        let cycle = state.cycle();
        let index = state.stop(slot);
        self.notify_leader(&state);
        let mut done = 0;
        while state.cycle() == cycle {
            let Some((round, job)) = state.next_round(done) else {
                state = self.others.wait_while(&self.state, state, |state| {
                    state.cycle() == cycle && state.next_round(done).is_none()
                });
                continue;
            };
            let participant = Participant { index, count: state.participants(), slot };
            drop(state);
            let unwinding = NoUnwinding;
            // SAFETY: rule 5: the leader keeps the job's closure until every participant has
            // arrived, and this one arrives below.
            unsafe { job.run(participant) };
            drop(unwinding);
            done = round;
            state = self.lock();
            if state.part_done() {
                self.leader.notify_one();
            }
        }
    }

    /// Wakes the leader when no member is awaited any more.
    fn notify_leader(&self, state: &State) {
        if !state.is_awaited() {
            self.leader.notify_one();
        }
    }

    pub(super) fn begin_round(&self, job: Job) {
        self.lock().begin_round(job);
        self.others.notify_all();
    }

    pub(super) fn end_round(&self) {
        let state = self.lock();
        self.leader.wait_while(&self.state, state, State::is_working).end_round();
    }
}
