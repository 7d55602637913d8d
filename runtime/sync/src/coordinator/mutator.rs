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
    /// Between [`Mutator::begin_blocking`] and [`Mutator::end_blocking`].
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

    /// Whether a leader waits for this mutator to reach a safepoint.
    #[inline]
    pub fn is_asked_to_stop(&self) -> bool {
        !self.shared.may_run(self.slot)
    }

    /// The flag by which other threads request that this mutator come to a safepoint.
    pub fn poll_flag(&self) -> PollFlag {
        PollFlag { shared: Arc::clone(&self.shared), slot: self.slot }
    }

    /// A point at which every root of this mutator is where a collector finds it. One load, unless
    /// a collection was requested; then this thread helps with it and returns when it is over.
    #[inline]
    pub fn safepoint(&mut self) {
        if self.is_asked_to_stop() {
            self.shared.stop(self.slot);
        }
    }

    /// Stops the world, runs `work` in it and resumes. If another mutator already leads a
    /// collection, this one takes part in that instead. Also a safepoint.
    ///
    /// # Panics
    ///
    /// A panic in `work` or in a round aborts the process.
    pub fn collect<R>(&mut self, work: impl FnOnce(&World<'_>) -> R) -> CollectOutcome<R> {
        self.shared.collect(self.slot, work)
    }

    /// Enters a blocking section, which lasts until the guard is dropped: the thread touches no
    /// heap object and may block for any time. Dropping the guard waits for the end of a collection
    /// under way.
    pub fn enter_blocking(&mut self) -> BlockingSection<'_> {
        self.shared.enter_blocking(self.slot);
        BlockingSection { mutator: self }
    }

    /// Enters a blocking section without a guard; a second call does nothing. Until
    /// [`Mutator::end_blocking`] the mutator may only be dropped.
    pub fn begin_blocking(&mut self) {
        if !std::mem::replace(&mut self.is_blocking, true) {
            self.shared.enter_blocking(self.slot);
        }
    }

    /// Leaves the blocking section of [`Mutator::begin_blocking`], after any collection under way.
    pub fn end_blocking(&mut self) {
        if std::mem::replace(&mut self.is_blocking, false) {
            self.shared.leave_blocking(self.slot);
        }
    }

    /// Runs `call` in a blocking section.
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

/// Requests, from any thread, that a mutator come to a safepoint (rule 9 of `coordinator`).
#[derive(Clone)]
pub struct PollFlag {
    shared: Arc<Shared>,
    slot: usize,
}

impl PollFlag {
    /// Requests a safepoint. The caller has published the reason.
    pub fn request(&self) {
        self.shared.request(self.slot);
    }

    /// Whether there was a request since the last acknowledgement. One load.
    pub fn is_requested(&self) -> bool {
        self.shared.is_requested(self.slot)
    }

    /// Clears the flag; the mutator then looks for reasons. Returns whether there was a request.
    pub fn acknowledge(&self) -> bool {
        self.shared.acknowledge(self.slot)
    }

    /// The word of the flag, not 0 while there is a request, for inlined polling. It lives as long
    /// as this handle or a clone of it.
    pub fn word(&self) -> &AtomicUsize {
        self.shared.poll_flag(self.slot)
    }
}

impl fmt::Debug for PollFlag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PollFlag").field("slot", &self.slot).finish_non_exhaustive()
    }
}

/// A mutator in a blocking section, which ends when this is dropped.
#[derive(Debug)]
pub struct BlockingSection<'a> {
    mutator: &'a mut Mutator,
}

impl Drop for BlockingSection<'_> {
    fn drop(&mut self) {
        self.mutator.shared.leave_blocking(self.mutator.slot);
    }
}
