//! Delimited continuations and contexts: marker frames on the stack, capture, reinstatement.
//!
//! A marker is a frame with code of its own: register 0 holds the context outside it, the window
//! from register 1 on holds the call it stands below. When that call returns, the marker restores
//! the context and returns the value. `reset` puts a *prompt* there, `ctx/with` a *scope*.
//!
//! 1. A continuation holds the stack slots from a prompt's callee up to the window of the `shift`
//!    that captured it. Links are distances, so the slots may be copied to any place of any fiber.
//! 2. Its fields 1 and 2 would be the prompt's links, which are made anew at each reinstatement;
//!    they keep the address of the next instruction and the distance from the start to the
//!    captured frame's base. Field 3 is the context at the capture, undefined when it was the one
//!    outside the prompt.
//! 3. A continuation is never written to: it may be reinstated any number of times.
//! 4. A prompt whose value would only go to another prompt is not made: the other one serves. So
//!    loops that go on by calling a continuation last run in constant space.
//!
//! Does not know what a context means.

use super::arithmetic::type_name;
use super::exit::Exit;
use crate::code::code_of;
use crate::code::opcode::Opcode;
use crate::code::{Assembler, Code, CodeKind, REGISTERS_MAX, WINDOW_SLOTS};
use crate::frames::call_site::CallSite;
use crate::frames::fiber::Fiber;
use crate::frames::link::{link, link_distance, number_word};
use crate::jit::NativeCode;
use crate::vm::{ModuleId, Vm};
use valk_heap::{Collection, Kind, Tracer, Value};

/// Register of a marker's window.
const WINDOW: usize = 1;
/// Registers of a marker: the context, a window, one argument.
const MARKER_REGISTERS: usize = WINDOW + WINDOW_SLOTS + 1;
/// Fields of a continuation with a meaning of their own (rule 2).
const NEXT: usize = 1;
const BASE: usize = 2;
const CONTEXT: usize = 3;
/// Captured slots above which the heap is asked for room first.
const SLOTS_WITHOUT_ASKING: usize = 512;

/// What `shift` says where no `reset` is.
const NO_PROMPT: &str = "shift: there is no enclosing reset";

/// The code of the two kinds of marker, the same for all VMs of a heap.
#[derive(Clone, Default)]
pub(crate) struct Markers {
    prompt: Option<Value>,
    scope: Option<Value>,
    /// Address of the prompt's code.
    prompt_code: usize,
}

impl Markers {
    /// Installs the code of markers in a new VM.
    pub fn install(vm: &mut Vm) -> Markers {
        let prompt = vm.install(marker_code());
        let scope = vm.install(marker_code());
        let prompt_code = vm.code_address(prompt).bits() as usize;
        Markers { prompt: Some(prompt), scope: Some(scope), prompt_code }
    }

    /// Shows the code to the collector.
    pub fn trace(&mut self, tracer: &mut Tracer<'_>) {
        for code in [&mut self.prompt, &mut self.scope].into_iter().flatten() {
            tracer.value(code);
        }
    }
}

fn marker_code() -> Code {
    let mut assembler = Assembler::default();
    assembler.emit(Opcode::SetContext, 0, 0, 0);
    assembler.emit(Opcode::Return, WINDOW as u8, 0, 0);
    let (words, positions) = assembler.finish(Assembler::default());
    Code {
        words,
        constants: Vec::new(),
        parameters: 0,
        simple_parameters: 0,
        rest: false,
        registers: MARKER_REGISTERS as u32,
        kind: CodeKind::Thunk,
        module: ModuleId::LIBRARY,
        name: None,
        formal_names: Vec::new(),
        formals: Value::NIL,
        body: Value::NIL,
        broken_formals: false,
        variables: Vec::new(),
        positions,
        native_code: NativeCode::default(),
    }
}

impl Vm {
    /// Calls the thunk in `window` below a prompt.
    pub(crate) fn reset(
        &mut self,
        fiber: &mut Fiber,
        window: usize,
        tail: bool,
    ) -> Result<(), Exit> {
        let from = fiber.base + window;
        if let Some(error) = self.make_room(fiber, from + WINDOW_SLOTS + MARKER_REGISTERS) {
            fiber.stack[from] = error;
            return Ok(());
        }
        let thunk = fiber.stack[from];
        let (at, merged) = self.place(fiber, window, tail, false);
        let context = if merged { fiber.stack[at + WINDOW_SLOTS] } else { self.context };
        let code = self.markers.prompt.expect("installed with the machine");
        self.enter_marker(fiber, at, code, context);
        self.call_below(fiber, thunk, None)
    }

    /// Calls the thunk in `window` with the context in `register`.
    pub(crate) fn with_context(
        &mut self,
        fiber: &mut Fiber,
        window: usize,
        register: usize,
    ) -> Result<(), Exit> {
        let from = fiber.base + window;
        if let Some(error) = self.make_room(fiber, from + WINDOW_SLOTS + MARKER_REGISTERS) {
            fiber.stack[from] = error;
            return Ok(());
        }
        let (thunk, inner) = (fiber.stack[from], fiber.stack[fiber.base + register]);
        let (at, _) = self.place(fiber, window, false, false);
        let code = self.markers.scope.expect("installed with the machine");
        self.enter_marker(fiber, at, code, self.context);
        self.context = inner;
        self.call_below(fiber, thunk, None)
    }

    /// Captures the continuation of the call in `window` and hands it to the function there.
    pub(crate) fn shift(&mut self, fiber: &mut Fiber, window: usize) -> Result<(), Exit> {
        let at = fiber.base + window;
        let captured = self.capture(fiber, at);
        let function = fiber.stack[at];
        match captured {
            Ok((prompt, continuation)) => {
                self.context = fiber.stack[prompt];
                fiber.base = prompt;
                // SAFETY: rule 1 of code.rs — the prompt's code is traced and does not move.
                fiber.pc = unsafe { &*(self.markers.prompt_code as *const Code) }.words.as_ptr();
                self.call_below(fiber, function, Some(continuation))
            }
            Err(error) => {
                self.locate(fiber, error);
                fiber.stack[at] = error;
                Ok(())
            }
        }
    }

    /// The base of the nearest prompt, and a continuation of the slots from it up to `at`.
    fn capture(&mut self, fiber: &mut Fiber, at: usize) -> Result<(usize, Value), Value> {
        let function = fiber.stack[at];
        if function.is_error() {
            return Err(function);
        }
        if !Vm::is_function(function) {
            let text = format!("shift: expected a function, got {}", type_name(function));
            return Err(self.error(&text));
        }
        let Some(prompt) = self.find_prompt(fiber) else { return Err(self.error(NO_PROMPT)) };
        let start = prompt - WINDOW_SLOTS;
        let bytes = (at - start) * size_of::<Value>();
        if at - start > SLOTS_WITHOUT_ASKING && self.heap.room(bytes).is_err() {
            fiber.top = at + WINDOW_SLOTS;
            self.collect(fiber, Collection::Full);
            fiber.ensure(at + WINDOW_SLOTS);
            if self.heap.room(bytes).is_err() {
                return Err(self.out_of_memory());
            }
        }
        let outside = fiber.stack[prompt];
        let links = [fiber.stack[start + NEXT], fiber.stack[start + BASE], outside];
        fiber.stack[start + NEXT] = number_word(fiber.pc as u64);
        fiber.stack[start + BASE] = Value::fixnum((fiber.base - start) as i64);
        let same = self.context == outside;
        fiber.stack[start + CONTEXT] = if same { Value::UNDEFINED } else { self.context };
        let continuation = self.heap.fields(Kind::Continuation, &fiber.stack[start..at]);
        fiber.stack[start + NEXT..=start + CONTEXT].copy_from_slice(&links);
        Ok((prompt, continuation))
    }

    /// Puts a continuation's frames back and goes on in them with the argument as the value of
    /// its `shift`. An error value when there is no room.
    pub(crate) fn reinstate(&mut self, fiber: &mut Fiber, site: CallSite) -> Option<Value> {
        let from = fiber.base + site.window;
        let slots = fiber.stack[from].field_count();
        let end = from + WINDOW_SLOTS + slots + REGISTERS_MAX;
        if let Some(error) = self.make_room(fiber, end) {
            return Some(error);
        }
        let (continuation, value) = (fiber.stack[from], fiber.stack[from + WINDOW_SLOTS]);
        let (at, merged) = self.place(fiber, site.window, site.tail, site.again);
        let outside = if merged { fiber.stack[at + CONTEXT] } else { self.context };
        fiber.stack[at] = continuation.field(0);
        fiber.stack[at + CONTEXT] = outside;
        for (index, slot) in fiber.stack[at..at + slots].iter_mut().enumerate().skip(CONTEXT + 1) {
            *slot = continuation.field(index);
        }
        let inner = continuation.field(CONTEXT);
        self.context = if inner.is_undefined() { outside } else { inner };
        fiber.stack[at + slots] = value;
        fiber.base = at + continuation.field(BASE).as_fixnum() as usize;
        fiber.pc = continuation.field(NEXT).bits() as *const u32;
        fiber.pending = false;
        None
    }

    /// Where a marker goes for a call in `window`, its links being set; true when a prompt stands
    /// there already and serves (rule 4).
    fn place(&self, fiber: &mut Fiber, window: usize, tail: bool, again: bool) -> (usize, bool) {
        let base = fiber.base;
        if !tail {
            let at = base + window;
            fiber.stack[at + 1] = number_word(fiber.pc as u64);
            fiber.stack[at + 2] = link(window + WINDOW_SLOTS, again);
            return (at, false);
        }
        let caller = base - link_distance(fiber.stack[base - 1]);
        if caller > 0 && self.is_prompt(fiber, caller) {
            return (caller - WINDOW_SLOTS, true);
        }
        (base - WINDOW_SLOTS, false)
    }

    fn enter_marker(&mut self, fiber: &mut Fiber, at: usize, code: Value, context: Value) {
        fiber.stack[at] = self.closure(code, &[]);
        fiber.stack[at + WINDOW_SLOTS] = context;
        fiber.base = at + WINDOW_SLOTS;
        // SAFETY: rule 1 of code.rs — the marker's closure, just put on the stack, keeps it alive.
        fiber.pc = unsafe { &*code_of(fiber.stack[at]) }.words.as_ptr();
        fiber.pending = false;
    }

    /// Calls a function in the window of the marker that is the running frame.
    fn call_below(
        &mut self,
        fiber: &mut Fiber,
        function: Value,
        argument: Option<Value>,
    ) -> Result<(), Exit> {
        let at = fiber.base + WINDOW;
        fiber.stack[at] = function;
        if let Some(argument) = argument {
            fiber.stack[at + WINDOW_SLOTS] = argument;
        }
        let site = CallSite {
            window: WINDOW,
            count: usize::from(argument.is_some()),
            tail: false,
            again: false,
            environment: Value::UNDEFINED,
        };
        self.call_any(fiber, site)
    }

    fn is_prompt(&self, fiber: &Fiber, base: usize) -> bool {
        code_of(fiber.stack[base - WINDOW_SLOTS]) as usize == self.markers.prompt_code
    }

    /// The base of the innermost prompt.
    fn find_prompt(&self, fiber: &Fiber) -> Option<usize> {
        let mut base = fiber.base;
        while base > 0 && !self.is_prompt(fiber, base) {
            base -= link_distance(fiber.stack[base - 1]);
        }
        (base > 0).then_some(base)
    }
}
