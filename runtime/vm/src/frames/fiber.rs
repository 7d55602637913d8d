//! Fibers: a growable VM stack with the frames in it.
//!
//! A frame is a window of the stack: callee, return address, link, then registers. The return
//! address is a word pointer; the [`link`] says how far the caller's base is, whether the caller's
//! instruction is executed again on return, and where its native code goes on. Both read as
//! fixnums, so the collector scans the whole stack without knowing frames.
//!
//! 1. Slots below the running frame's end hold valid values or numbers.
//! 2. Slots between that end and `limit` may hold values that were valid after the last
//!    collection; a collection clears them. Slots above `limit` hold nil.
//! 3. A preempted fiber keeps the call that it was about to perform; the call's window is the end of
//!    what it uses.
//!
//! Does not know instructions.

use super::call_site::CallSite;
use crate::code::{Code, WINDOW_SLOTS, code_of};
use valk_heap::{Tracer, Value};

/// Slots of a new fiber's stack.
pub const STACK_SLOTS_INITIAL: usize = 64;

/// Distance in slots by which the limit moves ahead of the running frame.
pub const STACK_SLOTS_STEP: usize = 4096;

/// What a fiber is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// Not started, suspended until it gets a value, or preempted.
    Waiting,
    /// In the interpreter.
    Running,
    /// Its function returned.
    Finished,
}

/// A running program: its stack and where it stopped.
#[derive(Debug)]
pub struct Fiber {
    pub(crate) stack: Vec<Value>,
    /// First slot the running code may not use without asking.
    pub(crate) limit: usize,
    /// Base of the frame that was running when the fiber stopped.
    pub(crate) base: usize,
    /// End of that frame.
    pub(crate) top: usize,
    /// Next instruction.
    pub(crate) pc: *const u32,
    /// Slot that receives the value the fiber waits for.
    pub(crate) result: usize,
    /// The next instruction is executed again and finds its operation's result at the frame's end.
    pub(crate) pending: bool,
    /// The call that is performed first when the fiber is resumed (rule 3).
    pub(crate) preempted_call: Option<CallSite>,
    /// The first two instructions: call what the stack starts with, stop.
    pub(crate) boot: Box<[u32; 2]>,
    /// Bytes of the stack that the VM has counted.
    pub(crate) accounted_bytes: usize,
    pub(crate) state: State,
    /// Tells the fiber from all others of its heap.
    pub(crate) serial: u64,
    /// `def` gives an error on this fiber: it runs a request handler.
    pub(crate) forbids_definitions: bool,
    /// The context while the fiber waits; the VM holds it while it runs.
    pub(crate) context: Value,
}

impl Fiber {
    /// A fiber with nothing on its stack.
    pub(crate) fn new(serial: u64) -> Fiber {
        Fiber {
            stack: vec![Value::NIL; STACK_SLOTS_INITIAL],
            limit: STACK_SLOTS_INITIAL,
            base: 0,
            top: WINDOW_SLOTS,
            pc: std::ptr::null(),
            result: 0,
            pending: false,
            preempted_call: None,
            boot: Box::new([0; 2]),
            accounted_bytes: 0,
            state: State::Waiting,
            serial,
            forbids_definitions: false,
            context: Value::NIL,
        }
    }

    /// Makes the stack at least `needed` slots long, twice as long as it was if it grows, and moves
    /// the limit past it.
    pub(crate) fn reserve(&mut self, needed: usize) {
        self.reserve_slots(needed, 2 * self.stack.len());
    }

    /// The same, `slots` long if it grows.
    pub(crate) fn reserve_slots(&mut self, needed: usize, slots: usize) {
        let length = self.stack.len();
        if needed > length {
            let slots = needed.max(slots);
            self.stack.reserve_exact(slots - length);
            self.stack.resize(slots, Value::NIL);
        }
        self.limit = self.stack.len().min(needed + STACK_SLOTS_STEP);
    }

    /// [`Fiber::reserve`] when the limit does not reach `needed`.
    pub(crate) fn ensure(&mut self, needed: usize) {
        if needed > self.limit {
            self.reserve(needed);
        }
    }

    /// Shows what the fiber refers to.
    pub(crate) fn trace(&mut self, tracer: &mut Tracer<'_>) {
        let top = self.top;
        tracer.slice(&mut self.stack[..top]);
        tracer.value(&mut self.context);
        if let Some(site) = &mut self.preempted_call {
            tracer.value(&mut site.environment);
        }
    }

    /// Gives back the slots above the running frame's end, which [`Fiber::extend`] brings back
    /// before the fiber goes on: frames below may end above it.
    pub(crate) fn shrink(&mut self) {
        self.stack.truncate(self.top);
        self.stack.shrink_to_fit();
        self.limit = self.top;
    }

    /// Makes the stack as long as it was.
    pub(crate) fn extend(&mut self, slots: usize) {
        let missing = slots.saturating_sub(self.stack.len());
        self.stack.reserve_exact(missing);
        self.stack.resize(self.stack.len() + missing, Value::NIL);
        self.limit = self.stack.len().min(self.top + STACK_SLOTS_STEP);
    }

    /// Size of the stack in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.stack.len() * size_of::<Value>()
    }

    /// Forgets what lies between the running frame's end and the limit (rule 2).
    pub(crate) fn clear_dead_slots(&mut self) {
        let (top, limit) = (self.top, self.limit);
        self.stack[top..limit].fill(Value::NIL);
        self.limit = self.stack.len().min(top + STACK_SLOTS_STEP);
        if self.stack.len() > STACK_SLOTS_STEP * 4 && self.limit < self.stack.len() / 8 {
            self.stack.truncate(self.stack.len() / 4);
            self.stack.shrink_to_fit();
        }
    }
}

/// The code of the running frame; none before the first call.
pub(crate) fn frame_code(fiber: &Fiber) -> Option<&'static Code> {
    let closure = *fiber.stack.get(fiber.base.checked_sub(WINDOW_SLOTS)?)?;
    // SAFETY: code.rs rule 1 — the frame's closure is on the stack and keeps its code alive; the
    // callers drop the reference before the frame can be left.
    Some(unsafe { &*code_of(closure) })
}
