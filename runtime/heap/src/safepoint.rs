//! Becoming a mutator, and meeting the others: safepoints, stops, native code.
//!
//! A mutator polls one word, its bell. When that is not 0 somebody wants something: the mutator
//! itself a collection, another one the world stopped, whoever holds its [`Interrupt`] an end.

use crate::error::JoinError;
use crate::heap::Heap;
use crate::interrupt::{Interrupt, PreemptFlag};
use crate::roots::Roots;
use crate::shared::{Shared, View};
use crate::stress::Stress;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use valk_sync::coordinator::{Native, RegisterError};

/// The right to become a further mutator of a heap, from any thread.
#[derive(Clone)]
pub struct Invitation {
    shared: Arc<Shared>,
    generational: bool,
    stress: Stress,
}

impl Invitation {
    /// Becomes a mutator, after any collection under way.
    ///
    /// # Errors
    /// When the heap has as many mutators as it was made for.
    pub fn accept(&self) -> Result<Heap, JoinError> {
        let full = JoinError { most: self.shared.slots() };
        let mutator = self.shared.coordinator.register().map_err(|refusal| match refusal {
            RegisterError::Full => full,
            RegisterError::ShuttingDown => unreachable!("no heap ends registration"),
        })?;
        if mutator.slot() >= self.shared.slots() {
            return Err(full);
        }
        let mut heap = Heap::over(mutator, Arc::clone(&self.shared));
        heap.is_shared = true;
        heap.generational = self.generational;
        heap.set_stress(self.stress);
        Ok(heap)
    }
}

impl Heap {
    /// For a thread that is to work on this heap as well.
    pub fn invitation(&mut self) -> Invitation {
        self.is_shared = true;
        Invitation {
            shared: Arc::clone(&self.shared),
            generational: self.generational,
            stress: self.stress,
        }
    }

    /// Whether this mutator wants to collect.
    #[inline(always)]
    pub fn wants_collection(&self) -> bool {
        self.wanted
    }

    /// Whether this mutator should come to a safepoint, look at [`Heap::interrupt`] and then
    /// [collect](Heap::collect) if it [wants](Heap::wants_collection) to, or
    /// [stop](Heap::stop). One word is read.
    #[inline(always)]
    pub fn wants_safepoint(&self) -> bool {
        // SAFETY: the word lives as long as the bell in `interrupt`. Relaxed: reasons are looked
        // for after the answer.
        unsafe { self.bell.as_ref() }.load(Ordering::Relaxed) != 0
    }

    /// Makes [`Heap::wants_safepoint`] true from now on, if `always`, or else when there is a reason.
    pub fn poll_always(&mut self, always: bool) {
        self.polls_always = always;
        self.interrupt.bell().ring();
    }

    /// Answers the bell, which stays rung if there is a reason to look again (rule 3 of `interrupt`).
    pub(crate) fn answer(&self) {
        self.interrupt.bell().answer();
        // Looked for after the answer: a reason that is published later rings again.
        let is_requested = self.interrupt.is_requested() || self.preempt_flag.is_requested();
        if is_requested || self.polls_always {
            self.interrupt.bell().ring();
        }
    }

    /// Answers the bell without stopping. Returns true if another mutator waits for this one to
    /// [stop](Heap::stop). The mutator has looked whether it [wants](Heap::wants_collection) to collect.
    pub fn acknowledge(&self) -> bool {
        self.answer();
        self.mutator.is_asked_to_stop()
    }

    /// Asks for a collection at the next safepoint.
    pub(crate) fn want(&mut self) {
        self.wanted = true;
        self.interrupt.bell().ring();
    }

    /// The handle by which other threads interrupt the mutator.
    pub fn interrupt(&self) -> &Interrupt {
        &self.interrupt
    }

    /// The handle by which other threads preempt the task that the mutator runs.
    pub fn preempt_flag(&self) -> &PreemptFlag {
        &self.preempt_flag
    }

    /// Tells every mutator of this heap to come to a safepoint.
    pub fn call_all(&self) {
        self.shared.coordinator.ring_all();
    }

    /// Takes part in another mutator's collection, if one is under way.
    ///
    /// # Safety
    /// As [`Heap::collect`].
    pub unsafe fn stop(&mut self, roots: &mut dyn Roots) {
        self.answer();
        // SAFETY: the caller's promise; `roots` is borrowed until the stop is over.
        unsafe { self.show(roots) };
        self.mutator.safepoint();
        self.arrange();
    }

    /// Says that this mutator touches nothing of the heap until [`Heap::resume`], so that others
    /// collect without waiting for it.
    ///
    /// # Safety
    /// As [`Heap::collect`]; also, until [`Heap::resume`] has returned, neither this handle nor what
    /// `roots` shows is moved or used by anything but collections.
    pub unsafe fn suspend(&mut self, roots: &mut dyn Roots) {
        // SAFETY: the caller's promise.
        unsafe { self.show(roots) };
        self.mutator.suspend();
    }

    /// Comes back from [`Heap::suspend`], after any collection under way.
    pub fn resume(&mut self) {
        self.mutator.resume();
        self.arrange();
    }

    /// Runs `call` as native code: it touches no heap object and may block for any time.
    ///
    /// # Safety
    /// As [`Heap::collect`].
    pub unsafe fn native<R>(&mut self, roots: &mut dyn Roots, call: impl FnOnce() -> R) -> R {
        // SAFETY: the caller's promise; both are borrowed until the guard is dropped.
        unsafe { self.show(roots) };
        let native: Native<'_> = self.mutator.enter_native();
        let result = call();
        drop(native);
        self.arrange();
        result
    }

    /// Tells leaders where this mutator's part is.
    ///
    /// # Safety
    /// The caller stops or enters native code next; until it goes on, neither `self` nor what
    /// `roots` shows is moved or used.
    #[expect(clippy::transmute_ptr_to_ptr, reason = "a cast does not extend a lifetime")]
    pub(crate) unsafe fn show(&mut self, roots: &mut dyn Roots) {
        let roots: *mut (dyn Roots + '_) = roots;
        let view = View {
            young: &raw mut self.young,
            remembered: &raw mut self.remembered,
            wanted: &raw mut self.wanted,
            // SAFETY: only the lifetime changes; nobody uses it longer than the caller promises.
            roots: unsafe {
                std::mem::transmute::<*mut (dyn Roots + '_), *mut (dyn Roots + 'static)>(roots)
            },
        };
        // SAFETY: this mutator runs, and the caller promises the rest.
        unsafe { self.shared.show(self.mutator.slot(), view) };
    }
}
