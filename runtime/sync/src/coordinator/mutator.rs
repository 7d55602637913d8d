//! A member's handle.

use super::shared::Shared;
use super::{Outcome, World};
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
    /// [`Mutator::suspend`] was called and not yet taken back.
    suspended: bool,
    /// May change threads, but belongs to one at a time.
    not_sync: PhantomData<Cell<()>>,
}

impl Mutator {
    pub(super) fn new(shared: Arc<Shared>, slot: usize) -> Self {
        Self { shared, slot, suspended: false, not_sync: PhantomData }
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

    /// The bell by which others call this mutator to a safepoint.
    pub fn bell(&self) -> Bell {
        Bell { shared: Arc::clone(&self.shared), slot: self.slot }
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
    pub fn collect<R>(&mut self, work: impl FnOnce(&World<'_>) -> R) -> Outcome<R> {
        self.shared.collect(self.slot, work)
    }

    /// Enters native code, which touches no heap object and may block for any time, until the guard
    /// is dropped. Dropping the guard waits for the end of a collection under way.
    pub fn enter_native(&mut self) -> Native<'_> {
        self.shared.enter_native(self.slot);
        Native { mutator: self }
    }

    /// Enters native code, for whoever cannot hold a guard until the end of it; a second call does
    /// nothing. Until [`Mutator::resume`] nothing else may be asked of this mutator but to end.
    pub fn suspend(&mut self) {
        if !std::mem::replace(&mut self.suspended, true) {
            self.shared.enter_native(self.slot);
        }
    }

    /// Comes back from [`Mutator::suspend`], after any collection under way.
    pub fn resume(&mut self) {
        if std::mem::replace(&mut self.suspended, false) {
            self.shared.leave_native(self.slot);
        }
    }

    /// Runs `call` as native code.
    pub fn native<R>(&mut self, call: impl FnOnce() -> R) -> R {
        let _native = self.enter_native();
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
        self.suspend();
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
pub struct Bell {
    shared: Arc<Shared>,
    slot: usize,
}

impl Bell {
    /// Has the mutator look what is wanted of it, soon. What is wanted is published before.
    pub fn ring(&self) {
        self.shared.ring(self.slot);
    }

    /// Whether somebody rang since the last answer. One load.
    pub fn is_rung(&self) -> bool {
        self.shared.is_rung(self.slot)
    }

    /// For the mutator, which looks afterwards what is wanted: makes the bell ready for the next
    /// ring. Whether somebody had rung.
    pub fn answer(&self) -> bool {
        self.shared.answer(self.slot)
    }

    /// The word that is not 0 while somebody has rung, for polling without a detour. It lives as
    /// long as this bell or a clone of it.
    pub fn word(&self) -> &AtomicUsize {
        self.shared.bell(self.slot)
    }
}

impl fmt::Debug for Bell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bell").field("slot", &self.slot).finish_non_exhaustive()
    }
}

/// Proof that a mutator is in native code.
#[derive(Debug)]
pub struct Native<'a> {
    mutator: &'a mut Mutator,
}

impl Drop for Native<'_> {
    fn drop(&mut self) {
        self.mutator.shared.leave_native(self.mutator.slot);
    }
}
