//! Collections, and blocking calls during which other VMs collect: what a VM shows of itself.
//!
//! The roots are the stacks of all fibers, what the embedder keeps in the VM, and the code of markers.
//! Globals and the root table belong to the heap.

use super::instance::{Vm, recount};
use crate::frames::fiber::Fiber;
use crate::interpreter::continuations::Markers;
use valk_heap::{Collection, Heap, Roots, Tracer, Value};

impl Vm {
    /// Collects garbage with `running` as the fiber in the interpreter. False when the hard limit
    /// is still exceeded afterwards.
    pub(crate) fn collect(&mut self, running: &mut Fiber, kind: Collection) -> bool {
        running.clear_dead_slots();
        self.account(running);
        for fiber in self.fibers.iter_mut().flatten() {
            fiber.clear_dead_slots();
            recount(&mut self.stack_bytes, fiber);
        }
        self.heap.set_external_bytes(self.stack_bytes);
        let (heap, mut roots) = self.split(Some(running));
        // SAFETY: rule 3 — the interpreter stands at a frame entry, where every value it will use
        // again is in a global, on a fiber's stack below its top, or in the root table.
        let collected = unsafe { heap.collect(kind, &mut roots) };
        if let Some(hook) = self.collected
            && collected.led
        {
            hook(self, &collected);
        }
        !self.heap.over_hard_limit()
    }

    /// Takes part in another VM's collection, if one is under way, with `running` as the fiber
    /// in the interpreter.
    pub(crate) fn stop(&mut self, running: &mut Fiber) {
        running.clear_dead_slots();
        self.clear_dead_slots();
        let (heap, mut roots) = self.split(Some(running));
        // SAFETY: as for `collect`.
        unsafe { heap.stop(&mut roots) };
    }

    fn clear_dead_slots(&mut self) {
        for fiber in self.fibers.iter_mut().flatten() {
            fiber.clear_dead_slots();
        }
    }

    /// Runs `call` while no fiber runs: it touches nothing of this VM and may block for any
    /// time, and collections of other VMs do not wait for it.
    pub fn outside<R>(&mut self, call: impl FnOnce() -> R) -> R {
        self.outside_with(None, call)
    }

    /// The same with `running` as the fiber in the interpreter.
    pub(crate) fn outside_with<R>(
        &mut self,
        mut running: Option<&mut Fiber>,
        call: impl FnOnce() -> R,
    ) -> R {
        if let Some(fiber) = &mut running {
            fiber.clear_dead_slots();
        }
        self.clear_dead_slots();
        let (heap, mut roots) = self.split(running);
        // SAFETY: rule 3 — a builtin has returned, so that its fiber holds all values; between
        // resumptions the embedder keeps values in the root table only.
        unsafe { heap.blocking(&mut roots, call) }
    }

    /// Says that this VM runs no fiber until [`Vm::unpark`].
    ///
    /// # Safety
    /// Until [`Vm::unpark`] the VM is neither used nor moved.
    pub(crate) unsafe fn park(&mut self) {
        self.clear_dead_slots();
        let roots = AllRoots::new(self, None);
        let roots = self.parked.insert(Box::new(roots));
        // SAFETY: as in `outside`; the box stays where it is, and the rest is the caller's promise.
        unsafe { self.heap.begin_blocking(&mut **roots) };
    }

    /// Goes on after [`Vm::park`], when no collection is under way.
    pub(crate) fn unpark(&mut self) {
        self.heap.end_blocking();
        self.parked = None;
    }

    /// The heap, and everything that the VM and `running` refer to.
    fn split(&mut self, running: Option<&mut Fiber>) -> (&mut Heap, AllRoots) {
        let roots = AllRoots::new(self, running);
        (&mut self.heap, roots)
    }

    /// Checks the heap while no fiber runs; the number of cells that are reached. For tests: it
    /// costs many times a full collection.
    ///
    /// # Panics
    /// When the heap does not keep what it promises, with the broken rule.
    pub fn verify_heap(&mut self) -> usize {
        self.clear_dead_slots();
        let (heap, mut roots) = self.split(None);
        heap.verify(&mut roots)
    }
}

/// Everything that a VM and the fiber it runs refer to, for one collection. Raw pointers,
/// because the heap, which lies beside them, is borrowed at the same time.
pub(crate) struct AllRoots {
    fibers: *mut Vec<Option<Fiber>>,
    context: *mut Value,
    embedder: *mut Value,
    markers: *mut Markers,
    running: Option<*mut Fiber>,
}

impl AllRoots {
    /// The roots of `vm`, for as long as neither it nor `running` is used otherwise.
    pub fn new(vm: &mut Vm, running: Option<&mut Fiber>) -> AllRoots {
        AllRoots {
            fibers: &raw mut vm.fibers,
            context: &raw mut vm.context,
            embedder: &raw mut vm.embedder,
            markers: &raw mut vm.markers,
            running: running.map(std::ptr::from_mut),
        }
    }
}

impl Roots for AllRoots {
    fn trace(&mut self, tracer: &mut Tracer<'_>) {
        // SAFETY: made from a VM that does nothing else until the collection is over.
        let (fibers, context, markers) =
            unsafe { (&mut *self.fibers, &mut *self.context, &mut *self.markers) };
        tracer.value(context);
        // SAFETY: as above.
        tracer.value(unsafe { &mut *self.embedder });
        markers.trace(tracer);
        if let Some(running) = self.running {
            // SAFETY: as above.
            unsafe { &mut *running }.trace(tracer);
        }
        for fiber in fibers.iter_mut().flatten() {
            fiber.trace(tracer);
        }
    }
}
