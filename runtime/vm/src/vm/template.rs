//! VMs that share a heap, and fibers that go from one to another.
//!
//! 1. A [`VmTemplate`] may be sent to any thread; what grows from it there runs the same builtins on the
//!    same heap and globals. Extensions of the embedder are not taken along.
//! 2. Code, builtins' numbers and the code of markers are the same for all VMs of a heap, so a
//!    fiber that waits may be taken out of one ([`Vm::detach`]) and go on in another
//!    ([`Vm::attach`]).
//! 3. A [`DetachedFiber`] holds values: its owner shows it to collections.

use super::guards::Guards;
use super::instance::{CollectedHook, CompileHook, FiberId, Vm, VmGroup};
use crate::builtin::Native;
use crate::frames::fiber::Fiber;
use crate::interpreter::continuations::Markers;
use std::sync::Arc;
use valk_heap::{MutatorTicket, TooManyMutators, Tracer, Value};

/// What a further VM on a heap is made from.
#[derive(Clone)]
pub struct VmTemplate {
    ticket: MutatorTicket,
    natives: Vec<Native>,
    vector_get: Option<u32>,
    guards: Guards,
    group: Arc<VmGroup>,
    markers: Markers,
    compile: CompileHook,

    collected: Option<CollectedHook>,
    jit_calls: u32,
}

impl VmTemplate {
    /// A VM for the calling thread.
    ///
    /// # Errors
    /// When the heap takes no further mutator.
    pub fn instantiate(&self) -> Result<Vm, TooManyMutators> {
        let heap = self.ticket.register()?;
        let group = Arc::clone(&self.group);
        let mut vm = Vm::bare(heap, group, self.compile);
        vm.natives.clone_from(&self.natives);
        vm.vector_get = self.vector_get.map_or(Value::UNDEFINED, Value::builtin);
        vm.guards = self.guards.clone();
        vm.markers = self.markers.clone();
        vm.collected = self.collected;
        vm.jit_calls = self.jit_calls;
        vm.refresh_guards();
        Ok(vm)
    }
}

/// A fiber that waits and belongs to no VM.
pub struct DetachedFiber {
    fiber: Box<Fiber>,
    /// Length of its stack when it goes on.
    slots: usize,
}

// SAFETY: the instruction pointer of a fiber leads into code that its stack keeps alive, or into the
// box it owns; no other code uses either in a way that depends on the thread.
unsafe impl Send for DetachedFiber {}

impl DetachedFiber {
    /// Shows what the fiber refers to.
    pub fn trace(&mut self, tracer: &mut Tracer<'_>) {
        self.fiber.trace(tracer);
    }

    /// Gives back the part of its stack that is not in use. It takes it again when it goes on.
    pub fn shrink(&mut self) {
        self.fiber.shrink();
    }

    /// Bytes of its stack.
    pub fn bytes(&self) -> usize {
        self.fiber.bytes()
    }
}

impl std::fmt::Debug for DetachedFiber {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DetachedFiber").field("bytes", &self.bytes()).finish_non_exhaustive()
    }
}

impl Vm {
    /// For further VMs on this one's heap.
    pub fn template(&mut self) -> VmTemplate {
        VmTemplate {
            ticket: self.heap.mutator_ticket(),
            natives: self.natives.clone(),
            vector_get: self.vector_get.as_builtin(),
            guards: self.guards.clone(),
            group: Arc::clone(&self.group),
            markers: self.markers.clone(),
            compile: self.compile,
            collected: self.collected,
            jit_calls: self.jit_calls,
        }
    }

    /// Takes a waiting fiber out of this VM.
    ///
    /// # Panics
    /// When the fiber has finished or is running.
    pub fn detach(&mut self, id: FiberId) -> DetachedFiber {
        let mut fiber = self.fibers[id.0].take().expect("the fiber waits");
        self.heap.publish();
        self.release(id, &fiber);
        fiber.accounted_bytes = 0;
        fiber.clear_dead_slots();
        DetachedFiber { slots: fiber.stack.len(), fiber: Box::new(fiber) }
    }

    /// Takes a fiber into this VM.
    pub fn attach(&mut self, fiber: DetachedFiber) -> FiberId {
        let DetachedFiber { mut fiber, slots } = fiber;
        fiber.extend(slots);
        self.admit(*fiber)
    }
}
