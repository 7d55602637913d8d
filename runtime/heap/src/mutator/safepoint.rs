//! Safepoints, stops and blocking sections of a mutator.
//!
//! A mutator polls one word, its poll flag. The word is not 0 when the mutator itself wants a
//! collection, when another one leads a collection, or when a holder of its [`Interrupt`] has
//! requested the end of the evaluation.

use crate::mutator::heap::Heap;
use crate::mutator::interrupt::{Interrupt, PreemptFlag};
use crate::mutator::shared_heap::MutatorPointers;
use crate::roots::mutator_roots::Roots;
use std::sync::atomic::Ordering;
use valk_sync::coordinator::BlockingSection;

impl Heap {
    /// Whether this mutator has requested a collection.
    #[inline(always)]
    pub fn wants_collection(&self) -> bool {
        self.collection_requested
    }

    /// Whether this mutator should come to a safepoint, look at [`Heap::interrupt`] and then
    /// [collect](Heap::collect) if it [wants](Heap::wants_collection) to, or
    /// [stop](Heap::stop). One word is read.
    #[inline(always)]
    pub fn wants_safepoint(&self) -> bool {
        // SAFETY: the word lives as long as the flag in `interrupt`. Relaxed: reasons are read
        // after the acknowledgement.
        unsafe { self.poll_flag.as_ref() }.load(Ordering::Relaxed) != 0
    }

    /// Makes [`Heap::wants_safepoint`] true from now on, if `always`, or else when there is a reason.
    pub fn poll_always(&mut self, always: bool) {
        self.polls_always = always;
        self.interrupt.poll_flag().request();
    }

    /// Clears the poll flag, which stays set if there is a reason to look again (rule 3 of
    /// `interrupt`).
    pub(crate) fn acknowledge_poll(&self) {
        self.interrupt.poll_flag().acknowledge();
        // Looked for afterwards: a reason that is published later sets the flag again.
        let is_requested = self.interrupt.is_requested() || self.preempt_flag.is_requested();
        if is_requested || self.polls_always {
            self.interrupt.poll_flag().request();
        }
    }

    /// Clears the poll flag without stopping. Returns true if another mutator waits for this one to
    /// [stop](Heap::stop). The mutator has looked whether it [wants](Heap::wants_collection) to collect.
    pub fn acknowledge(&self) -> bool {
        self.acknowledge_poll();
        self.mutator.is_asked_to_stop()
    }

    /// Requests a collection at the next safepoint.
    pub(crate) fn request_collection(&mut self) {
        self.collection_requested = true;
        self.interrupt.poll_flag().request();
    }

    /// The handle with which other threads interrupt the mutator.
    pub fn interrupt(&self) -> &Interrupt {
        &self.interrupt
    }

    /// The handle by which other threads preempt the task that the mutator runs.
    pub fn preempt_flag(&self) -> &PreemptFlag {
        &self.preempt_flag
    }

    /// Requests that every mutator of this heap come to a safepoint.
    pub fn request_safepoints(&self) {
        self.shared.coordinator.request_all();
    }

    /// Takes part in another mutator's collection, if one is under way.
    ///
    /// # Safety
    /// As [`Heap::collect`].
    pub unsafe fn stop(&mut self, roots: &mut dyn Roots) {
        self.acknowledge_poll();
        // SAFETY: the caller's promise; `roots` is borrowed until the stop is over.
        unsafe { self.publish_roots(roots) };
        self.mutator.safepoint();
        self.renew_requests();
    }

    /// Enters a blocking section: this mutator touches nothing of the heap until
    /// [`Heap::end_blocking`], and collections do not wait for it.
    ///
    /// # Safety
    /// As [`Heap::collect`]; also, until [`Heap::end_blocking`] has returned, neither this
    /// handle nor what `roots` shows is moved or used by anything but collections.
    pub unsafe fn begin_blocking(&mut self, roots: &mut dyn Roots) {
        // SAFETY: the caller's promise.
        unsafe { self.publish_roots(roots) };
        self.mutator.begin_blocking();
    }

    /// Leaves the blocking section of [`Heap::begin_blocking`], after any collection under way.
    pub fn end_blocking(&mut self) {
        self.mutator.end_blocking();
        self.renew_requests();
    }

    /// Runs `call` in a blocking section: it touches no heap object and may block for any time.
    ///
    /// # Safety
    /// As [`Heap::collect`].
    pub unsafe fn blocking<R>(&mut self, roots: &mut dyn Roots, call: impl FnOnce() -> R) -> R {
        // SAFETY: the caller's promise; both are borrowed until the guard is dropped.
        unsafe { self.publish_roots(roots) };
        let native: BlockingSection<'_> = self.mutator.enter_blocking();
        let result = call();
        drop(native);
        self.renew_requests();
        result
    }

    /// Publishes where leaders find the state of this mutator.
    ///
    /// # Safety
    /// The caller stops or enters a blocking section next; until it goes on, neither
    /// `self` nor what `roots` shows is moved or used.
    #[expect(clippy::transmute_ptr_to_ptr, reason = "a cast does not extend a lifetime")]
    pub(crate) unsafe fn publish_roots(&mut self, roots: &mut dyn Roots) {
        let roots: *mut (dyn Roots + '_) = roots;
        let pointers = MutatorPointers {
            young: &raw mut self.young,
            remembered: &raw mut self.remembered,
            wanted: &raw mut self.collection_requested,
            // SAFETY: only the lifetime changes; leaders use it no longer than the caller promises.
            roots: unsafe {
                std::mem::transmute::<*mut (dyn Roots + '_), *mut (dyn Roots + 'static)>(roots)
            },
        };
        // SAFETY: this mutator runs, and the caller promises the rest.
        unsafe { self.shared.publish_pointers(self.mutator.slot(), pointers) };
    }
}
