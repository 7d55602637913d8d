//! What the lock protects: the phase, the sets of slots, and the current round.
//!
//! Transitions only; waiting and waking are in `shared`.

use super::RegisterError;
use super::world::Job;
use crate::limits::MUTATORS_MAX;

/// Where a collection stands (rule 1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// No collection.
    Idle,
    /// The leader waits until no member runs.
    Requested,
    /// No member runs; the leader works.
    Stopped,
}

/// A set of slots.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Slots(u64);

impl Slots {
    pub(super) fn contains(self, slot: usize) -> bool {
        self.0 & (1 << slot) != 0
    }

    pub(super) fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub(super) fn len(self) -> usize {
        self.0.count_ones() as usize
    }

    /// Slots in ascending order.
    pub(super) fn iter(self) -> impl Iterator<Item = usize> {
        (0..MUTATORS_MAX).filter(move |slot| self.contains(*slot))
    }

    pub(super) fn without(self, others: Self) -> Self {
        Self(self.0 & !others.0)
    }

    pub(super) fn insert(&mut self, slot: usize) {
        assert!(!self.contains(slot), "rule 2 of coordinator: slot {slot} has one owner");
        self.0 |= 1 << slot;
    }

    pub(super) fn remove(&mut self, slot: usize) {
        assert!(self.contains(slot), "rule 3 of coordinator: slot {slot} is accounted for once");
        self.0 &= !(1 << slot);
    }
}

/// The coordinator behind its lock.
#[derive(Debug)]
pub(super) struct State {
    phase: Phase,
    /// Slots with an owner.
    members: Slots,
    /// Running members that the leader waits for.
    awaited: Slots,
    /// Members that stopped for this collection; the leader is not among them.
    stopped: Slots,
    /// Collections so far.
    cycle: u64,
    /// Rounds of this collection so far.
    round: u64,
    /// Stopped members that have not finished the current round.
    working: usize,
    /// What the current round does.
    job: Option<Job>,
    shutting_down: bool,
}

impl State {
    pub(super) fn new() -> Self {
        Self {
            phase: Phase::Idle,
            members: Slots::default(),
            awaited: Slots::default(),
            stopped: Slots::default(),
            cycle: 0,
            round: 0,
            working: 0,
            job: None,
            shutting_down: false,
        }
    }

    pub(super) fn is_idle(&self) -> bool {
        self.phase == Phase::Idle
    }

    pub(super) fn is_shutting_down(&self) -> bool {
        self.shutting_down
    }

    pub(super) fn shut_down(&mut self) {
        self.shutting_down = true;
    }

    pub(super) fn members(&self) -> Slots {
        self.members
    }

    /// The number of the collection that is under way or comes next.
    pub(super) fn cycle(&self) -> u64 {
        self.cycle
    }

    /// Moves the phase, which has one successor.
    fn advance(&mut self, from: Phase, to: Phase) {
        assert_eq!(self.phase, from, "rule 1 of coordinator: {to:?} follows {from:?}");
        self.phase = to;
    }

    /// Takes the lowest free slot.
    pub(super) fn admit(&mut self) -> Result<usize, RegisterError> {
        assert!(self.is_idle(), "rule 2 of coordinator: members are fixed");
        if self.shutting_down {
            return Err(RegisterError::ShuttingDown);
        }
        let free = (0..MUTATORS_MAX).find(|slot| !self.members.contains(*slot));
        let slot = free.ok_or(RegisterError::Full)?;
        self.members.insert(slot);
        Ok(slot)
    }

    /// Frees a slot.
    pub(super) fn dismiss(&mut self, slot: usize) {
        assert!(self.is_idle(), "rule 2 of coordinator: members are fixed");
        self.members.remove(slot);
    }

    /// Begins a collection; the members other than `leader`.
    pub(super) fn request(&mut self, leader: usize) -> Slots {
        self.advance(Phase::Idle, Phase::Requested);
        assert!(!self.shutting_down, "rule 7 of coordinator: no election after shutdown began");
        let left = [self.awaited.is_empty(), self.stopped.is_empty(), self.working == 0];
        assert_eq!(left, [true; 3], "rule 6 of coordinator: all have left the last collection");
        self.round = 0;
        let mut others = self.members;
        others.remove(leader);
        others
    }

    /// Member `slot` was running when it was asked to stop.
    pub(super) fn await_member(&mut self, slot: usize) {
        self.awaited.insert(slot);
    }

    pub(super) fn is_awaited(&self) -> bool {
        !self.awaited.is_empty()
    }

    /// Awaited member `slot` became SAFE: it is frozen, not a participant.
    pub(super) fn freeze(&mut self, slot: usize) {
        assert_eq!(self.phase, Phase::Requested, "rule 3 of coordinator: awaited until then");
        self.awaited.remove(slot);
    }

    /// Awaited member `slot` stopped; its index as a participant.
    pub(super) fn stop(&mut self, slot: usize) -> usize {
        self.freeze(slot);
        self.stopped.insert(slot);
        self.stopped.len()
    }

    /// No member runs any more; returns the number of participants and the frozen slots.
    pub(super) fn world_stopped(&mut self, leader: usize) -> (usize, Slots) {
        self.advance(Phase::Requested, Phase::Stopped);
        assert!(self.awaited.is_empty(), "rule 3 of coordinator: no member is awaited");
        let mut frozen = self.members.without(self.stopped);
        frozen.remove(leader);
        (self.participants(), frozen)
    }

    /// Participants: those that stopped, and the leader.
    pub(super) fn participants(&self) -> usize {
        self.stopped.len() + 1
    }

    /// Publishes the job of the next round.
    pub(super) fn begin_round(&mut self, job: Job) {
        assert_eq!(
            self.phase,
            Phase::Stopped,
            "rule 5 of coordinator: rounds need a stopped world"
        );
        assert!(self.job.is_none(), "rule 5 of coordinator: one round at a time");
        self.job = Some(job);
        self.round += 1;
        self.working = self.stopped.len();
    }

    /// The job of the current round, and its number, for a participant that has done `done` rounds.
    pub(super) fn next_round(&self, done: u64) -> Option<(u64, Job)> {
        let job = self.job.filter(|_| self.round != done)?;
        assert_eq!(self.round, done + 1, "rule 5 of coordinator: no participant skips a round");
        Some((self.round, job))
    }

    /// A stopped member has done its part; whether it was the last.
    pub(super) fn part_done(&mut self) -> bool {
        assert!(self.working > 0, "rule 5 of coordinator: one arrival per participant and round");
        self.working -= 1;
        self.working == 0
    }

    pub(super) fn is_working(&self) -> bool {
        self.working > 0
    }

    /// The job is not used any more.
    pub(super) fn end_round(&mut self) {
        assert!(!self.is_working(), "rule 5 of coordinator: a round ends when all have arrived");
        self.job = None;
    }

    /// Ends the collection.
    pub(super) fn resume(&mut self) {
        self.advance(Phase::Stopped, Phase::Idle);
        assert!(self.job.is_none(), "rule 5 of coordinator: the last round has ended");
        self.stopped = Slots::default();
        self.cycle += 1;
    }
}
