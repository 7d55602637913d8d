//! The virtual machine: heap, globals, builtins and fibers of one runtime.
//!
//! 1. Globals are the heap's, one per symbol id; an unbound one holds `undefined`.
//! 2. Compiled code inlines some builtins on the assumption that their globals still hold them.
//!    When a program rebinds one, `guarded` is set and every fiber continues in the interpreter
//!    that checks each inlined operation. There is no way back.
//! 3. A collection happens only where a frame is entered. Roots are every fiber's stack, and the
//!    heap's globals and root table.
//! 4. An interruption ends the running fiber with an error, whatever the program makes of errors. A
//!    preemption stops it where it stands, to be resumed. Both are seen at calls, which are also where
//!    this VM stops for collections of others; each of the three waits for the next call if
//!    another comes first.
//! 5. Several VMs may run on one heap, each on a thread of its own ([`Vm::template`]). They share
//!    globals and builtins. A builtin that one of them rebinds is rebound for the others from their
//!    next safepoint on.

use super::collections::AllRoots;
use super::guards::Guards;
use super::modules::{Caller, Environments, ModuleId, is_hidden};
use crate::builtin::{Arity, Native, NativeKind};
use crate::frames::fiber::{Fiber, State};
use crate::interpreter::continuations::Markers;
use crate::jit::{Asked, JIT_CALLS_DEFAULT};
use crate::vm::counters::Counters;
use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::num::NonZeroU64;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use valk_heap::{Collected, Heap, Kind, PreemptFlag, SymbolId, Value};

/// What `def` answers inside a request handler.
pub const DEFINITION_FORBIDDEN: &str =
    "def cannot be used in request handler context. Use = for local bindings instead.";

/// Identifies a fiber of a [`Vm`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FiberId(pub(crate) usize);

/// Why a fiber stopped running.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// It finished with this value; the fiber is gone.
    Done(Value),
    /// It waits for the embedder to answer this value.
    Suspended(Value),
    /// It was preempted, by [`Vm::preempt_flag`] or at the end of its budget. It goes on where it was
    /// when it is resumed, with whatever value.
    Preempted,
}

/// Turns a form into a closure to be called with no arguments. The second value is the environment
/// to compile in, nil for the globals; the module says what names mean that are not bound there. An
/// error value is the diagnosis.
pub type CompileHook = fn(&mut Vm, Value, Value, ModuleId) -> Result<Value, Value>;

/// What the VMs of one heap share beside it.
#[derive(Debug, Default)]
pub(crate) struct VmGroup {
    /// How many VMs there have been.
    vms: AtomicU64,
    /// How often a builtin that compiled code inlines was rebound.
    pub(crate) rebindings: AtomicU64,
    /// What VMs have handed in.
    pub(crate) counters: Mutex<Counters>,
    /// What names mean in each module.
    pub(crate) environments: RwLock<Environments>,
}

/// Is told of every collection.
pub type CollectedHook = fn(&Vm, &Collected);

/// One runtime's virtual machine.
pub struct Vm {
    /// The heap.
    pub heap: Heap,
    pub(crate) natives: Vec<Native>,
    /// The builtin that is `vec/get`; undefined for none.
    pub(crate) vector_get: Value,
    pub(crate) guards: Guards,
    pub(crate) guarded: bool,
    /// Shared by the VMs of this heap.
    pub(crate) group: Arc<VmGroup>,
    pub(crate) rebindings_seen: u64,
    pub(crate) fibers: Vec<Option<Fiber>>,
    pub(crate) free_fibers: Vec<usize>,
    pub(crate) stack_bytes: usize,
    pub(crate) out_of_memory_at: Option<usize>,
    /// A builtin that asked for room is about to be called once more.
    pub(crate) room_was_made: bool,
    /// What a builtin wants that native code has called and was left for.
    pub(crate) asked: Option<Asked>,
    /// Compiler used for code that appears at run time.
    pub compile: CompileHook,
    /// Is told of every collection when it is over.
    pub collected: Option<CollectedHook>,
    /// `def` gives an error: a request handler is running.
    pub definitions_forbidden: bool,
    /// What `ctx/with` established for the running fiber; nil for nothing. Means something to
    /// the embedder only.
    pub context: Value,
    /// A function is being called by what holds values that no collection sees.
    pub(crate) is_within: bool,
    /// On whose behalf the builtin runs that sees its caller's environment.
    pub caller: Caller,
    /// An object of the embedder's that lives as long as this VM; nil until the embedder sets it.
    pub embedder: Value,
    pub(crate) markers: Markers,
    /// Calls after which a function gets native code; [`crate::JIT_NEVER`] for none. VMs made
    /// of this one's [`Vm::template`] do the same.
    pub jit_calls: u32,
    /// What the VM counts.
    pub counters: Counters,
    extensions: HashMap<TypeId, Box<dyn Any>>,
    /// The serial of the next fiber, and of the one that runs.
    next_serial: u64,
    running_serial: u64,
    /// Safepoints that a fiber may pass before it is preempted; none for as many as it likes.
    pub(crate) safepoint_budget: Option<NonZeroU64>,
    /// Safepoints that were noticed since the last resumption began.
    pub(crate) safepoints_passed: u64,
    /// What the VM refers to, while it sleeps.
    pub(super) parked: Option<Box<AllRoots>>,
}

/// The serial of no fiber.
const NO_FIBER: u64 = 0;

/// Low bits of a fiber's serial, which count the fibers of one VM; the others number the VM.
const SERIAL_BITS: u32 = 40;

/// A stack above this size is taken off the heap's account as soon as its fiber ends, so that what
/// runs next has the memory; smaller ones at the next collection.
const LARGE_STACK_BYTES: usize = 1 << 20;

/// Brings the sum of all stacks up to date with one of them.
pub(super) fn recount(stack_bytes: &mut usize, fiber: &mut Fiber) {
    *stack_bytes = *stack_bytes - fiber.accounted_bytes + fiber.bytes();
    fiber.accounted_bytes = fiber.bytes();
}

impl Vm {
    /// A VM without builtins over `heap`.
    pub fn new(heap: Heap, compile: CompileHook) -> Vm {
        let mut vm = Vm::bare(heap, Arc::default(), compile);
        vm.markers = Markers::install(&mut vm);
        vm
    }

    /// A VM without builtins and markers.
    pub(crate) fn bare(heap: Heap, group: Arc<VmGroup>, compile: CompileHook) -> Vm {
        // Relaxed: the number alone counts.
        let before = group.vms.fetch_add(1, Ordering::Relaxed);
        Vm {
            heap,
            natives: Vec::new(),
            vector_get: Value::UNDEFINED,
            guards: Guards::default(),
            guarded: false,
            group,
            rebindings_seen: 0,
            fibers: Vec::new(),
            free_fibers: Vec::new(),
            stack_bytes: 0,
            out_of_memory_at: None,
            room_was_made: false,
            asked: None,
            compile,
            collected: None,
            definitions_forbidden: false,
            context: Value::NIL,
            is_within: false,
            caller: Caller::PROGRAM,
            embedder: Value::NIL,
            markers: Markers::default(),
            jit_calls: JIT_CALLS_DEFAULT,
            counters: Counters::default(),
            extensions: HashMap::new(),
            next_serial: (before << SERIAL_BITS) + NO_FIBER + 1,
            running_serial: NO_FIBER,
            safepoint_budget: None,
            safepoints_passed: 0,
            parked: None,
        }
    }

    /// Registers a builtin and binds its global, in the library and in the program. It takes no
    /// errors; see [`Vm::take_errors`].
    pub fn define_native(&mut self, name: &str, arity: Arity, kind: NativeKind) -> Value {
        let symbol = self.intern(name);
        let builtin = Value::builtin(self.natives.len() as u32);
        self.natives.push(Native { name: symbol, arity, kind, takes_errors: false });
        self.define_public(symbol, builtin);
        builtin
    }

    /// Says which builtin is `vec/get`: with a vector and an index it returns what
    /// [`crate::persistent::vector::get`] does. Native code reads elements itself, if that is simple.
    pub fn set_vector_get(&mut self, builtin: Value) {
        self.vector_get = builtin;
    }

    /// Lets the code of a builtin run when there are errors among its arguments.
    ///
    /// # Panics
    /// When the value is no builtin.
    pub fn take_errors(&mut self, builtin: Value) {
        let index = builtin.as_builtin().expect("a builtin");
        self.natives[index as usize].takes_errors = true;
    }

    /// The value of the builtin registered under this name.
    pub fn builtin(&mut self, name: &str) -> Option<Value> {
        let symbol = self.intern(name);
        let index = self.natives.iter().position(|native| native.name == symbol)?;
        Some(Value::builtin(index as u32))
    }

    /// The builtin with this index.
    pub fn native(&self, index: u32) -> &Native {
        &self.natives[index as usize]
    }

    /// All builtins; the place of each is its index.
    pub fn natives(&self) -> &[Native] {
        &self.natives
    }

    /// The id of a symbol name.
    pub fn intern(&mut self, name: &str) -> SymbolId {
        let symbol = self.heap.intern(name.as_bytes());
        symbol.as_symbol().expect("intern makes symbols")
    }

    /// The value of a global, if bound.
    pub fn global(&self, symbol: SymbolId) -> Option<Value> {
        Some(self.heap.global(symbol)).filter(|value| !value.is_undefined())
    }

    /// Binds a global.
    pub fn set_global(&mut self, symbol: SymbolId, value: Value) {
        self.heap.set_global(symbol, value);
        if self.guards.names.contains(&symbol) {
            self.group.rebindings.fetch_add(1, Ordering::Release);
            self.heap.request_safepoints();
            self.refresh_guards();
        }
    }

    /// The bound globals of the program.
    pub fn global_bindings(&self) -> Vec<(SymbolId, Value)> {
        let symbols = self.heap.symbols();
        self.heap.globals().filter(|(symbol, _)| !is_hidden(symbols.name(*symbol))).collect()
    }

    /// An error value with this message.
    pub fn error(&mut self, message: &str) -> Value {
        let text = self.heap.string(message.as_bytes());
        self.heap.error(text)
    }

    /// The error for an unbound symbol.
    pub fn unbound(&mut self, symbol: SymbolId) -> Value {
        let name = self.cell_name(symbol);
        self.error(&format!("LEnv: Symbol `{name}` is not bound"))
    }

    /// The embedder's state of type `T`, made on first use.
    pub fn extension<T: Any + Default>(&mut self) -> &mut T {
        let any = self.extensions.entry(TypeId::of::<T>()).or_insert_with(|| Box::<T>::default());
        any.downcast_mut().expect("an extension is stored under its own type")
    }

    /// A new fiber that will call `function` with `arguments`.
    pub fn spawn(&mut self, function: Value, arguments: &[Value]) -> FiberId {
        let mut fiber = Fiber::new(self.next_serial);
        self.next_serial += 1;
        Vm::prepare(&mut fiber, function, arguments);
        self.admit(fiber)
    }

    /// A number that tells the running fiber from all others of this heap; 0 when none runs.
    pub fn running_fiber(&self) -> u64 {
        self.running_serial
    }

    /// Takes in a fiber that waits.
    pub(crate) fn admit(&mut self, mut fiber: Fiber) -> FiberId {
        self.account(&mut fiber);
        if let Some(index) = self.free_fibers.pop() {
            self.fibers[index] = Some(fiber);
            return FiberId(index);
        }
        self.fibers.push(Some(fiber));
        FiberId(self.fibers.len() - 1)
    }

    /// Makes `def` an error on this fiber.
    ///
    /// # Panics
    /// When the fiber has finished or is running.
    pub fn forbid_definitions(&mut self, id: FiberId) {
        let fiber = self.fibers[id.0].as_mut().expect("the fiber waits");
        fiber.forbids_definitions = true;
    }

    /// Gives a waiting fiber the context it runs in.
    ///
    /// # Panics
    /// When the fiber has finished or is running.
    pub fn set_context(&mut self, id: FiberId, context: Value) {
        let fiber = self.fibers[id.0].as_mut().expect("the fiber waits");
        fiber.context = context;
    }

    /// Ends a fiber that will not be resumed.
    pub fn abandon(&mut self, id: FiberId) {
        if let Some(fiber) = self.fibers[id.0].take() {
            self.release(id, &fiber);
        }
    }

    /// Ends a waiting fiber; the error that stands for its value.
    ///
    /// # Panics
    /// When the fiber has finished or is running.
    pub fn interrupt(&mut self, id: FiberId) -> Value {
        self.interrupt_with(id, crate::interpreter::calls::INTERRUPTED)
    }

    /// The same, with the text of the error.
    ///
    /// # Panics
    /// When the fiber has finished or is running.
    pub fn interrupt_with(&mut self, id: FiberId, text: &str) -> Value {
        let fiber = self.fibers[id.0].take().expect("the fiber waits");
        let error = self.ended(&fiber, text);
        self.release(id, &fiber);
        error
    }

    /// An error of this text that names the place where a waiting fiber waits.
    ///
    /// # Panics
    /// When the fiber has finished or is running.
    pub fn error_at(&mut self, id: FiberId, text: &str) -> Value {
        let fiber = self.fibers[id.0].take().expect("the fiber waits");
        let error = self.ended(&fiber, text);
        self.fibers[id.0] = Some(fiber);
        error
    }

    pub(crate) fn release(&mut self, id: FiberId, fiber: &Fiber) {
        self.stack_bytes -= fiber.accounted_bytes;
        self.free_fibers.push(id.0);
    }

    /// Requests from any thread that the fiber which runs be preempted at its next safepoint. A
    /// request that came too late for it is [taken](PreemptFlag::take) before the next one is resumed.
    pub fn preempt_flag(&self) -> &PreemptFlag {
        self.heap.preempt_flag()
    }

    /// Preempts fibers after so many safepoints in a resumption, which are calls: a count that depends
    /// on the program alone. Every call is slower while there is a budget; `None` ends that.
    pub fn set_safepoint_budget(&mut self, budget: Option<NonZeroU64>) {
        self.safepoint_budget = budget;
        self.heap.poll_always(budget.is_some());
    }

    /// Safepoints that were passed in the last resumption, if there is a budget for them.
    pub fn safepoints_passed(&self) -> u64 {
        self.safepoints_passed
    }

    /// Starts a fiber, or continues a suspended one with the answer to its question (ignored at
    /// the start, and when it was preempted).
    ///
    /// # Panics
    /// When the fiber has finished or is running.
    pub fn resume(&mut self, id: FiberId, answer: Value) -> Step {
        let mut fiber = self.fibers[id.0].take().expect("a fiber is resumed while it waits");
        assert_eq!(fiber.state, State::Waiting, "a fiber is resumed while it waits");
        self.definitions_forbidden = fiber.forbids_definitions;
        self.context = fiber.context;
        self.safepoints_passed = 0;
        let outer = std::mem::replace(&mut self.running_serial, fiber.serial);
        let step = self.interpret(&mut fiber, answer);
        self.running_serial = outer;
        self.account(&mut fiber);
        self.definitions_forbidden = false;
        fiber.context = std::mem::replace(&mut self.context, Value::NIL);
        match step {
            Step::Done(_) => {
                self.release(id, &fiber);
                if fiber.bytes() > LARGE_STACK_BYTES {
                    self.heap.set_external_bytes(self.stack_bytes);
                }
            }
            Step::Suspended(_) | Step::Preempted => self.fibers[id.0] = Some(fiber),
        }
        step
    }

    /// Calls a function to its end on a fiber of its own; a question to the embedder is an error.
    pub fn call(&mut self, function: Value, arguments: &[Value]) -> Value {
        let safepoints_passed = self.safepoints_passed;
        let id = self.spawn(function, arguments);
        let value = match self.resume_through(id, Value::NIL) {
            Some(value) => value,
            None => {
                self.abandon(id);
                self.error("this operation waits and cannot be used here")
            }
        };
        self.safepoints_passed = safepoints_passed;
        value
    }

    /// Calls a function as a part of a builtin or of a compilation: until it returns nothing is
    /// collected, and what waits is an error. Above the memory limit calls are errors.
    pub fn call_within(&mut self, function: Value, arguments: &[Value]) -> Value {
        let outer = (self.is_within, self.context, self.definitions_forbidden, self.caller);
        self.is_within = true;
        let value = self.call(function, arguments);
        (self.is_within, self.context, self.definitions_forbidden, self.caller) = outer;
        value
    }

    /// Resumes a fiber again whenever it is preempted; its value, or `None` when it suspends.
    pub fn resume_through(&mut self, id: FiberId, answer: Value) -> Option<Value> {
        loop {
            match self.resume(id, answer) {
                Step::Done(value) => return Some(value),
                Step::Suspended(_) => return None,
                Step::Preempted => {}
            }
        }
    }

    /// Adds what this VM has counted to what all VMs of its heap have, and begins anew.
    pub fn hand_in_counters(&mut self) {
        let counted = std::mem::take(&mut self.counters);
        let mut all = self.group.counters.lock().unwrap_or_else(PoisonError::into_inner);
        *all = all.and(counted);
    }

    /// What this VM has counted, and the others of its heap have handed in.
    pub fn all_counters(&self) -> Counters {
        let all = self.group.counters.lock().unwrap_or_else(PoisonError::into_inner);
        all.and(self.counters)
    }

    /// Whether a function runs that the host called from a builtin, and that can wait for nothing.
    pub fn is_within(&self) -> bool {
        self.is_within
    }

    /// Counts what a fiber's stack has grown or shrunk by.
    pub(crate) fn account(&mut self, fiber: &mut Fiber) {
        recount(&mut self.stack_bytes, fiber);
    }

    /// True for values that can be called.
    pub fn is_function(value: Value) -> bool {
        matches!(value.kind(), Kind::Closure | Kind::Builtin | Kind::Partial | Kind::Continuation)
    }
}
