//! A member's handle.

use super::shared::Shared;
use super::{CollectOutcome, World};
use crate::shim::{Arc, AtomicUsize};
use std::cell::Cell;
use std::fmt;
use std::marker::PhantomData;

/// The right of one thread to touch the heap, between one safepoint and the next.
///
/// Dropping it ends the membership, after any collection under way; that collection does not wait.
pub struct Mutator {
    shared: Arc<Shared>,
    slot: usize,
    /// [`Mutator::begin_blocking`] was called and not yet taken back.
    is_blocking: bool,
    /// May change threads, but belongs to one at a time.
    not_sync: PhantomData<Cell<()>>,
}

impl Mutator {
    pub(super) fn new(shared: Arc<Shared>, slot: usize) -> Self {
        Self { shared, slot, is_blocking: false, not_sync: PhantomData }
    }

    /// This mutator's slot, below [`MUTATORS_MAX`](crate::limits::MUTATORS_MAX). No other has it
    /// while this one exists.
    pub fn slot(&self) -> usize {
        self.slot
    }

    /// Whether somebody waits for this mutator to reach a safepoint.
    #[inline]
    pub fn is_asked_to_stop(&self) -> bool {
        !self.shared.may_run(self.slot)
    }

    /// The poll_flag by which others call this mutator to a safepoint.
    pub fn poll_flag(&self) -> PollFlag {
        PollFlag { shared: Arc::clone(&self.shared), slot: self.slot }
    }

    /// A point at which every root of this mutator is where a collector finds it. One load, unless a
    /// collection was requested; then this thread helps with it and returns when it is over.
    #[inline]
    pub fn safepoint(&mut self) {
        if self.is_asked_to_stop() {
            self.shared.stop(self.slot);
        }
    }

    /// Stops the world, runs `work` in it and resumes, unless another mutator is at it already: then
    /// this one takes part in that collection. Also a safepoint.
    ///
    /// # Panics
    ///
    /// A panic in `work` or in a round aborts the process.
    pub fn collect<R>(&mut self, work: impl FnOnce(&World<'_>) -> R) -> CollectOutcome<R> {
        self.shared.collect(self.slot, work)
    }

    /// Enters a blocking section, which touches no heap object and may block for any time, until the guard
    /// is dropped. Dropping the guard waits for the end of a collection under way.
    pub fn enter_blocking(&mut self) -> BlockingSection<'_> {
        self.shared.enter_blocking(self.slot);
        BlockingSection { mutator: self }
    }

    /// Enters a blocking section, for whoever cannot hold a guard until the end of it; a second call does
    /// nothing. Until [`Mutator::end_blocking`] nothing else may be asked of this mutator but to end.
    pub fn begin_blocking(&mut self) {
        if !std::mem::replace(&mut self.is_blocking, true) {
            self.shared.enter_blocking(self.slot);
        }
    }

    /// Comes back from [`Mutator::begin_blocking`], after any collection under way.
    pub fn end_blocking(&mut self) {
        if std::mem::replace(&mut self.is_blocking, false) {
            self.shared.leave_blocking(self.slot);
        }
    }

    /// Runs `call` as a blocking section.
    pub fn blocking<R>(&mut self, call: impl FnOnce() -> R) -> R {
        let _native = self.enter_blocking();
        call()
    }

    /// Ends the membership, as dropping does.
    pub fn leave(self) {
        drop(self);
    }
}

impl Drop for Mutator {
    fn drop(&mut self) {
        // SAFE first: a collection requested meanwhile must not wait for a thread that is ending.
        self.begin_blocking();
        self.shared.leave(self.slot);
    }
}

impl fmt::Debug for Mutator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mutator").field("slot", &self.slot).finish_non_exhaustive()
    }
}

/// Calls a mutator to a safepoint, from any thread (rule 9 of `coordinator`).
#[derive(Clone)]
pub struct PollFlag {
    shared: Arc<Shared>,
    slot: usize,
}

impl PollFlag {
    /// Has the mutator look what is wanted of it, soon. What is wanted is published before.
    pub fn request(&self) {
        self.shared.request(self.slot);
    }

    /// Whether somebody rang since the last answer. One load.
    pub fn is_requested(&self) -> bool {
        self.shared.is_requested(self.slot)
    }

    /// For the mutator, which looks afterwards what is wanted: makes the poll_flag ready for the next
    /// ring. Whether somebody had rung.
    pub fn acknowledge(&self) -> bool {
        self.shared.acknowledge(self.slot)
    }

    /// The word that is not 0 while somebody has rung, for polling without a detour. It lives as
    /// long as this poll_flag or a clone of it.
    pub fn word(&self) -> &AtomicUsize {
        self.shared.poll_flag(self.slot)
    }
}

impl fmt::Debug for PollFlag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PollFlag").field("slot", &self.slot).finish_non_exhaustive()
    }
}

/// Proof that a mutator is in a blocking section.
#[derive(Debug)]
pub struct BlockingSection<'a> {
    mutator: &'a mut Mutator,
}

impl Drop for BlockingSection<'_> {
    fn drop(&mut self) {
        self.mutator.shared.leave_blocking(self.mutator.slot);
    }
}
