//! The stopped world as its leader sees it, and the rounds in which all participants work.

use super::shared::Shared;
use super::state::Slots;
use std::cell::Cell;
use std::fmt;
use std::marker::PhantomData;

/// One participant's place in a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Participant {
    /// 0 for the leader, then one number per participant without gaps; the same in every round.
    pub index: usize,
    /// Number of participants, at least 1.
    pub count: usize,
    /// Slot of the mutator whose thread this is.
    pub slot: usize,
}

/// A stopped world. It exists for the leader, while the leader's work runs.
pub struct World<'a> {
    shared: &'a Shared,
    leader: usize,
    participants: usize,
    frozen: Slots,
    /// Not shareable, so that no job can begin a round inside a round.
    not_sync: PhantomData<Cell<()>>,
}

impl<'a> World<'a> {
    pub(super) fn new(
        shared: &'a Shared,
        leader: usize,
        (participants, frozen): (usize, Slots),
    ) -> Self {
        Self { shared, leader, participants, frozen, not_sync: PhantomData }
    }

    /// Threads that take part in each round, at least 1.
    pub fn participants(&self) -> usize {
        self.participants
    }

    /// Slots of the mutators in a blocking section, in ascending order. Their threads take no part,
    /// so the leader traces their roots.
    pub fn frozen(&self) -> impl Iterator<Item = usize> {
        self.frozen.iter()
    }

    /// One round: every participant runs `job` once, each on its own thread. Returns when all have;
    /// what each has written is visible to all in the next round.
    ///
    /// A panic in `job` aborts the process (rule 8 of `coordinator`).
    pub fn parallel(&self, job: impl Fn(Participant) + Sync) {
        let lead = Participant { index: 0, count: self.participants, slot: self.leader };
        if self.participants == 1 {
            return job(lead);
        }
        self.shared.begin_round(Job::new(&job));
        job(lead);
        // Also what keeps `job` alive for the others: rule 5.
        self.shared.end_round();
    }
}

impl fmt::Debug for World<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("World");
        out.field("participants", &self.participants).field("frozen", &self.frozen.len());
        out.finish_non_exhaustive()
    }
}

/// A borrowed closure, type and lifetime erased: it lies on the leader's stack.
#[derive(Clone, Copy, Debug)]
pub(super) struct Job {
    closure: *const (),
    call: unsafe fn(*const (), Participant),
}

// SAFETY: `new` takes closures that are `Sync`, so they may be called from other threads; that the
// pointer is still good is the obligation of `run`.
unsafe impl Send for Job {}

impl Job {
    pub(super) fn new<F: Fn(Participant) + Sync>(closure: &F) -> Self {
        /// # Safety
        ///
        /// `closure` must point to a live `F`.
        unsafe fn call<F: Fn(Participant)>(closure: *const (), participant: Participant) {
            // SAFETY: `new` pairs this function with a pointer to an `F`, which the caller says
            // lives.
            (unsafe { &*closure.cast::<F>() })(participant);
        }
        Self { closure: std::ptr::from_ref(closure).cast(), call: call::<F> }
    }

    /// Runs the job as `participant`.
    ///
    /// # Safety
    ///
    /// The closure given to [`Job::new`] must be alive until this returns.
    pub(super) unsafe fn run(self, participant: Participant) {
        // SAFETY: the caller keeps the closure alive, and `new` made the pair.
        unsafe { (self.call)(self.closure, participant) }
    }
}

/// Aborts the process when it is dropped by a panic (rule 8). The panic's message is out by then.
pub(super) struct NoUnwinding;

impl Drop for NoUnwinding {
    fn drop(&mut self) {
        if std::thread::panicking() {
            std::process::abort();
        }
    }
}
