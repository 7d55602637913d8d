//! Calls that the interpreter loop does not handle inline: wrong argument counts, rest parameters,
//! partial applications, builtins, stack growth, collections.
//!
//! The window of a call starts at `base + window`: callee, two link slots, arguments. On return
//! either a new frame is entered or the result stands in the callee's slot.

use super::arithmetic::type_name;
use super::exit::Exit;
use crate::builtin::{Arity, NativeKind, Outcome, first_error, too_many_arguments};
use crate::code::code_of;
use crate::code::{Code, CodeKind, FIRST_CAPTURE, WINDOW_SLOTS};
use crate::frames::call_site::CallSite;
use crate::frames::fiber::Fiber;
use crate::frames::fiber::frame_code;
use crate::frames::link::{link, link_distance, link_to, number_word};
use crate::values::environment::{bind_cell, new_environment, own_cell};
use crate::vm::{Caller, ModuleId, Vm};
use valk_heap::{Collection, Kind, SymbolId, Value};

/// The error of an evaluation that was interrupted from outside.
pub const INTERRUPTED: &str = "interrupted";

/// Least growth of a stack that is worth going on for, in slots.
const STACK_SLOTS_GROWTH_MIN: usize = 1 << 10;

/// Bytes the heap may grow after an out-of-memory error before the next attempt to collect.
const OUT_OF_MEMORY_RETRY_BYTES: usize = 1 << 20;

impl Vm {
    /// Installs compiled code: a host object that closures refer to.
    pub fn install(&mut self, mut code: Code) -> Value {
        let simple = !code.rest && !code.broken_formals;
        code.simple_parameters = if simple { code.parameters } else { u32::MAX };
        for symbol in crate::code::verify::verify(&code) {
            self.heap.ensure_global(SymbolId(symbol));
        }
        crate::code::fuse::fuse(&mut code.words);
        self.heap.host(Box::new(code))
    }

    /// A closure over installed code.
    pub fn closure(&mut self, code: Value, captures: &[Value]) -> Value {
        super::slow_paths::make_closure(self, code, captures.iter().copied())
    }

    /// The address of installed code, as the number that closures keep in field 1.
    pub(crate) fn code_address(&self, code: Value) -> Value {
        let address: *const Code =
            code.host::<Code>(&self.heap).expect("closures are made over installed code");
        number_word(address as u64)
    }

    /// Performs a call, unless the fiber is to stop here; see the module.
    pub(crate) fn call_any(&mut self, fiber: &mut Fiber, site: CallSite) -> Result<(), Exit> {
        if self.heap.wants_safepoint()
            && let Some(exit) = self.exit_before(fiber, site)
        {
            self.room_was_made = false;
            return Err(exit);
        }
        self.perform_call(fiber, site)
    }

    /// Why the fiber stops before this call, if it does: it was interrupted or preempted.
    #[cold]
    fn exit_before(&mut self, fiber: &mut Fiber, site: CallSite) -> Option<Exit> {
        if self.heap.interrupt().take() {
            return Some(Exit::Done(self.interrupted(fiber)));
        }
        let is_preempted = self.heap.preempt_flag().take();
        let budget = self.safepoint_budget;
        if is_preempted || budget.is_some_and(|budget| self.safepoints_passed >= budget.get()) {
            fiber.top = fiber.base + site.window + WINDOW_SLOTS + site.count;
            fiber.preempted_call = Some(site);
            return Some(Exit::Preempted);
        }
        self.safepoints_passed += 1;
        None
    }

    /// Performs a call.
    pub(crate) fn perform_call(
        &mut self,
        fiber: &mut Fiber,
        mut site: CallSite,
    ) -> Result<(), Exit> {
        loop {
            let at = fiber.base + site.window;
            let callee = fiber.stack[at];
            let result = match callee.kind() {
                Kind::Closure => match self.enter(fiber, site) {
                    None => return Ok(()),
                    Some(result) => result,
                },
                Kind::Builtin => match self.call_native(fiber, &mut site) {
                    Native::Result(value) => value,
                    Native::Again => continue,
                    Native::Exit(exit) => return Err(exit),
                },
                Kind::Partial if self.surplus(callee, site.count).is_some() => {
                    let expected = self.surplus(callee, site.count).expect("just asked");
                    self.error(&too_many_arguments(site.count, expected))
                }
                Kind::Partial => {
                    let bound: Vec<Value> =
                        (1..callee.field_count()).map(|i| callee.field(i)).collect();
                    let first = at + WINDOW_SLOTS;
                    fiber.ensure(first + bound.len() + site.count);
                    fiber.stack.copy_within(first..first + site.count, first + bound.len());
                    fiber.stack[first..first + bound.len()].copy_from_slice(&bound);
                    fiber.stack[at] = callee.field(0);
                    site.count += bound.len();
                    continue;
                }
                Kind::Continuation => match site.count {
                    0 => callee,
                    1 => match self.reinstate(fiber, site) {
                        None => return Ok(()),
                        Some(error) => error,
                    },
                    given => self.error(&too_many_arguments(given, 1)),
                },
                Kind::Error => callee,
                _ => self.error(&format!("Cannot call non-function: {}", type_name(callee))),
            };
            self.locate(fiber, result);
            Vm::finish_call(fiber, site, result);
            return Ok(());
        }
    }

    /// Goes on with a call of a builtin that has run and asked for this.
    #[inline(never)]
    pub(crate) fn go_on(
        &mut self,
        fiber: &mut Fiber,
        mut site: CallSite,
        outcome: Outcome,
    ) -> Result<(), Exit> {
        let result = match self.answer(fiber, &mut site, outcome) {
            Native::Result(value) => value,
            Native::Again => return self.call_any(fiber, site),
            Native::Exit(exit) => return Err(exit),
        };
        self.locate(fiber, result);
        Vm::finish_call(fiber, site, result);
        Ok(())
    }

    /// The value of a fiber that is ended where it stands.
    #[cold]
    pub(crate) fn interrupted(&mut self, fiber: &Fiber) -> Value {
        self.ended(fiber, INTERRUPTED)
    }

    /// The error of this text, located where a fiber stands.
    pub(crate) fn ended(&mut self, fiber: &Fiber, text: &str) -> Value {
        let error = self.error(text);
        self.locate(fiber, error);
        error
    }

    /// Stores a call's result where the calling instruction expects it.
    fn finish_call(fiber: &mut Fiber, site: CallSite, result: Value) {
        fiber.stack[fiber.base + site.window] = result;
        fiber.pending = site.again;
    }

    /// Enters a closure's frame, or gives the call's result when there is nothing to enter.
    fn enter(&mut self, fiber: &mut Fiber, site: CallSite) -> Option<Value> {
        self.counters.function_calls += 1;
        let at = fiber.base + site.window;
        let callee = fiber.stack[at];
        // SAFETY: code.rs rule 1 — the closure is on the stack, so its code is alive and does not
        // move; installed code does not change.
        let code = unsafe { &*code_of(callee) };
        let first = at + WINDOW_SLOTS;
        let parameters = code.parameters as usize;
        if code.broken_formals && site.count > parameters {
            return Some(self.error("Invalid function format: & not followed by varargs name"));
        }
        if site.count < parameters {
            return Some(self.partial(callee, &fiber.stack[first..first + site.count]));
        }
        if site.count > parameters && !code.rest {
            return Some(self.error(&too_many_arguments(site.count, parameters)));
        }
        let window_end = first + site.count.max(code.registers as usize);
        if let Some(error) = self.make_room(fiber, window_end) {
            return Some(error);
        }
        if code.rest {
            let mut rest = Value::NIL;
            for i in (first + parameters..first + site.count).rev() {
                rest = self.heap.cons(fiber.stack[i], rest, true);
            }
            fiber.stack[first + parameters] = rest;
        }
        let copied = parameters + usize::from(code.rest);
        if site.tail {
            let base = fiber.base;
            fiber.stack[base - WINDOW_SLOTS] = fiber.stack[at];
            fiber.stack.copy_within(first..first + copied, base);
            fiber.ensure(base + code.registers as usize);
        } else {
            let target = if site.again { None } else { native_code_after_call(fiber) };
            fiber.stack[at + 1] = number_word(fiber.pc as u64);
            fiber.stack[at + 2] = link_to(link(first - fiber.base, site.again), target);
            fiber.base = first;
        }
        fiber.pending = false;
        fiber.pc = code.words.as_ptr();
        None
    }

    /// Makes the stack reach `end`, and collects if it is time. An error value when the memory
    /// limit stands in the way; everything live must be below `end`.
    pub(crate) fn make_room(&mut self, fiber: &mut Fiber, end: usize) -> Option<Value> {
        if end > fiber.stack.len() {
            let depth = Vm::depth(fiber) as u64;
            self.counters.depth_peak = self.counters.depth_peak.max(depth);
            self.heap.set_external_bytes(self.stack_bytes);
            let slots = match self.stack_slots(fiber, end) {
                Some(slots) => slots,
                None => match self.stack_slots_after_collection(fiber, end) {
                    Some(slots) => slots,
                    None => return Some(self.out_of_memory()),
                },
            };
            fiber.reserve_slots(end, slots);
        }
        fiber.ensure(end);
        self.account(fiber);
        if !self.heap.wants_safepoint() {
            return None;
        }
        self.refresh_guards();
        if self.is_within {
            return self.heap.over_hard_limit().then(|| self.out_of_memory());
        }
        if !self.heap.wants_collection() {
            if self.heap.acknowledge() {
                fiber.top = end;
                self.stop(fiber);
                fiber.ensure(end);
            }
            return None;
        }
        if let Some(used) = self.out_of_memory_at
            && self.heap.used_bytes() < used + OUT_OF_MEMORY_RETRY_BYTES
            && self.heap.over_hard_limit()
        {
            return Some(self.out_of_memory());
        }
        fiber.top = end;
        if self.collect(fiber, Collection::Auto) {
            fiber.ensure(end);
            self.out_of_memory_at = None;
            return None;
        }
        fiber.ensure(end);
        self.out_of_memory_at = Some(self.heap.used_bytes());
        Some(self.out_of_memory())
    }

    /// How long a stack is to become that must reach `end`, in slots; `None` when the memory limit
    /// stands in the way. Until it has moved it is there twice, and both count.
    fn stack_slots(&self, fiber: &Fiber, end: usize) -> Option<usize> {
        let length = fiber.stack.len();
        let bytes_left = self.heap.hard_limit_bytes().saturating_sub(self.heap.used_bytes());
        let left = bytes_left / size_of::<Value>();
        let least = end.max(length + STACK_SLOTS_GROWTH_MIN);
        let wanted = least.max(2 * length);
        // Where it could not be doubled once more, it gets what it can get at once. The rest is for
        // what the program allocates.
        let slots = if wanted + wanted / 2 + length <= left { wanted } else { left - left / 8 };
        (least <= slots).then_some(slots)
    }

    /// The same after a collection, unless the last one was in vain.
    fn stack_slots_after_collection(&mut self, fiber: &mut Fiber, end: usize) -> Option<usize> {
        let used = self.heap.used_bytes();
        let was_in_vain =
            self.out_of_memory_at.is_some_and(|before| used < before + OUT_OF_MEMORY_RETRY_BYTES);
        if self.is_within || was_in_vain {
            return None;
        }
        // The call's window ends beyond the stack; what is in it does not.
        (fiber.top, fiber.limit) = (fiber.stack.len(), fiber.stack.len());
        self.collect(fiber, Collection::Full);
        let slots = self.stack_slots(fiber, end);
        self.out_of_memory_at = slots.is_none().then(|| self.heap.used_bytes());
        slots
    }

    pub(crate) fn out_of_memory(&mut self) -> Value {
        let limit = self.heap.hard_limit_bytes();
        self.error(&format!("out of memory: the heap hard limit of {limit} bytes is reached"))
    }

    /// The number of arguments a partial application waits for, if `given` are more than that.
    fn surplus(&self, partial: Value, given: usize) -> Option<usize> {
        let function = partial.field(0);
        if function.kind() != Kind::Closure {
            return None;
        }
        let code = crate::values::equality::closure_code(&self.heap, function);
        let expected = code.parameters as usize - (partial.field_count() - 1);
        (!code.rest && !code.broken_formals && given > expected).then_some(expected)
    }

    /// A function that waits for its remaining arguments; the function itself when none are given.
    fn partial(&mut self, function: Value, arguments: &[Value]) -> Value {
        if arguments.is_empty() {
            return function;
        }
        let mut fields = vec![function];
        fields.extend_from_slice(arguments);
        self.heap.fields(Kind::Partial, &fields)
    }

    fn call_native(&mut self, fiber: &mut Fiber, site: &mut CallSite) -> Native {
        let at = fiber.base + site.window;
        let first = at + WINDOW_SLOTS;
        let index = fiber.stack[at].as_builtin().expect("call_any dispatches on the kind");
        let native = self.natives[index as usize];
        self.counters.builtin_calls += 1;
        if let Some(problem) = native.arity.problem(site.count) {
            return Native::Result(self.error(&problem));
        }
        if let Arity::Curried(n) = native.arity
            && site.count < n as usize
        {
            let callee = fiber.stack[at];
            let partial = self.partial(callee, &fiber.stack[first..first + site.count]);
            return Native::Result(partial);
        }
        if !native.takes_errors
            && let Some(error) = first_error(&fiber.stack[first..first + site.count])
        {
            return Native::Result(error);
        }
        let outcome = match native.kind {
            NativeKind::Plain(run) => run(self, &fiber.stack[first..first + site.count]),
            NativeKind::Reflective(run) => {
                let environment = self.environment(fiber, site);
                self.caller = caller(fiber);
                run(self, environment, &fiber.stack[first..first + site.count])
            }
        };
        self.answer(fiber, site, outcome)
    }

    /// What comes of a builtin's outcome.
    fn answer(&mut self, fiber: &mut Fiber, site: &mut CallSite, outcome: Outcome) -> Native {
        let at = fiber.base + site.window;
        let first = at + WINDOW_SLOTS;
        let is_second_attempt = std::mem::take(&mut self.room_was_made);
        match outcome {
            Outcome::Value(value) => Native::Result(value),
            Outcome::Block(_) if self.is_within => {
                Native::Result(self.error("this operation waits and cannot be used here"))
            }
            Outcome::Collect if self.is_within => Native::Result(Value::ZERO),
            Outcome::NeedsRoom(_) if self.is_within => Native::Result(self.out_of_memory()),
            Outcome::Block(wait) => {
                fiber.top = first;
                let answer = self.outside_with(Some(fiber), wait);
                fiber.ensure(first);
                let outcome = answer(self);
                self.answer(fiber, site, outcome)
            }
            Outcome::Depth => {
                let depth = Vm::depth(fiber);
                Native::Result(Value::fixnum(depth as i64))
            }
            Outcome::Collect => {
                fiber.top = first;
                let before = self.heap.used_bytes();
                self.collect(fiber, Collection::Full);
                fiber.ensure(first);
                let reclaimed = before.saturating_sub(self.heap.used_bytes());
                Native::Result(Value::fixnum(reclaimed as i64))
            }
            // What the attempt itself allocated is garbage, so a third one would end as this did.
            Outcome::NeedsRoom(_) if is_second_attempt => {
                self.heap.request_collection_if_over_limit();
                Native::Result(self.out_of_memory())
            }
            Outcome::NeedsRoom(bytes) => {
                fiber.top = first + site.count;
                self.collect(fiber, Collection::Full);
                fiber.ensure(first + site.count);
                match self.heap.room(bytes) {
                    Ok(()) => {
                        self.room_was_made = true;
                        Native::Again
                    }
                    Err(_) => {
                        // Otherwise a loop over refused requests would never come to a safepoint
                        // that looks at the limit.
                        self.heap.request_collection_if_over_limit();
                        Native::Result(self.out_of_memory())
                    }
                }
            }
            Outcome::Suspend(question) => {
                fiber.result = at;
                fiber.top = first;
                fiber.pending = site.again;
                Native::Exit(Exit::Suspended(question))
            }
            Outcome::Call(function, arguments) => {
                fiber.ensure(first + arguments.len());
                fiber.stack[at] = function;
                fiber.stack[first..first + arguments.len()].copy_from_slice(&arguments);
                site.count = arguments.len();
                Native::Again
            }
            Outcome::Evaluate(form) => {
                let environment = self.environment(fiber, site);
                let module = caller(fiber).module;
                let closure = (self.compile)(self, form, environment, module);
                Vm::call_code(fiber, site, closure)
            }
            Outcome::EvaluateIn(module, form) => {
                let closure = (self.compile)(self, form, Value::NIL, module);
                Vm::call_code(fiber, site, closure)
            }
        }
    }

    /// Goes on with the code that a form was compiled to.
    fn call_code(fiber: &mut Fiber, site: &mut CallSite, code: Result<Value, Value>) -> Native {
        match code {
            Ok(closure) => {
                fiber.stack[fiber.base + site.window] = closure;
                site.count = 0;
                Native::Again
            }
            Err(error) => Native::Result(error),
        }
    }

    /// The environment a reflective builtin sees at this call.
    fn environment(&mut self, fiber: &Fiber, site: &mut CallSite) -> Value {
        if site.environment.is_undefined() {
            site.environment = self.snapshot(fiber);
        }
        site.environment
    }

    /// The variables of the running frame as an environment: cells are shared, plain registers are
    /// copied. Nil when the frame has no variables.
    pub(crate) fn snapshot(&mut self, fiber: &Fiber) -> Value {
        let Some(code) = frame_code(fiber) else { return Value::NIL };
        // Variables of the library are none of the program's.
        if code.variables.is_empty() || code.module.is_library() {
            return Value::NIL;
        }
        let closure = fiber.stack[fiber.base - WINDOW_SLOTS];
        let environment = new_environment(&mut self.heap, Value::NIL);
        // The word before the next instruction is one of the running instruction.
        let next = fiber.pc.addr() - code.words.as_ptr().addr();
        let running = (next / size_of::<u32>()) as u32 - 1;
        for variable in code.variables.iter().filter(|v| v.words.contains(&running)) {
            let place = variable.place as usize;
            let held = if variable.captured {
                closure.field(FIRST_CAPTURE + place)
            } else {
                fiber.stack[fiber.base + place]
            };
            let is_cell = held.kind() == Kind::Cell;
            let cell =
                if variable.cell && is_cell { held } else { self.heap.fields(Kind::Cell, &[held]) };
            let symbol = Value::symbol(variable.name);
            // One that is not bound yet does not hide that of an outer scope.
            if !cell.field(0).is_undefined() || own_cell(environment, symbol).is_none() {
                bind_cell(&mut self.heap, environment, symbol, cell);
            }
        }
        environment
    }

    /// Number of language functions on the fiber's stack.
    fn depth(fiber: &Fiber) -> usize {
        let (mut base, mut depth) = (fiber.base, 0);
        while base > 0 {
            let closure = fiber.stack[base - WINDOW_SLOTS];
            // SAFETY: code.rs rule 1 — the closure of a frame on the stack keeps its code alive.
            let code = unsafe { &*code_of(closure) };
            depth += usize::from(code.kind == CodeKind::Function);
            base -= link_distance(fiber.stack[base - 1]);
        }
        depth
    }
}

/// On whose behalf a builtin runs that is called now: the innermost code that is not the library's.
fn caller(fiber: &Fiber) -> Caller {
    let (mut base, mut pc) = (fiber.base, fiber.pc);
    let running = frame_code(fiber).map_or(ModuleId::PROGRAM, |code| code.module);
    while base > 0 {
        let closure = fiber.stack[base - WINDOW_SLOTS];
        // SAFETY: code.rs rule 1 — the closure of a frame on the stack keeps its code alive.
        let code = unsafe { &*code_of(closure) };
        if !code.module.is_library() {
            let next = pc.addr().wrapping_sub(code.words.as_ptr().addr()) / size_of::<u32>();
            let position = code.position_at(next.saturating_sub(1));
            return Caller { running, module: code.module, position };
        }
        pc = fiber.stack[base - 2].bits() as *const u32;
        base -= link_distance(fiber.stack[base - 1]);
    }
    Caller { running, ..Caller::PROGRAM }
}

/// Where the running frame's native code goes on behind the call that is being made.
fn native_code_after_call(fiber: &Fiber) -> Option<*const u8> {
    let code = frame_code(fiber)?;
    code.native_code.after_call(code.words.as_ptr(), fiber.pc)
}

/// What came of calling a builtin.
enum Native {
    Result(Value),
    Again,
    Exit(Exit),
}
