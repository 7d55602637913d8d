//! Handles: values of the language that stand for operations in progress.
//!
//! 1. A handle is a [`CompletionCell`] in a host object. It ends once, on any thread; every waiter
//!    is notified once or taken back once.
//! 2. There are three kinds of waiters and no other way to wait: a fiber, a Rust task, an input of
//!    a combinator.
//! 3. Settling notifies waiters by events for their executors ([`Event`]), never by calling them, so
//!    a chain of any length settles with a constant part of the host's stack.
//! 4. The object is announced to the heap before a value inside it changes.
//! 5. Cancellation goes downward: what only this handle observes is cancelled with it.
//!
//! Does not know what a builtin is called, nor what a combinator does with its inputs.

use crate::combinators::{self, Node};
use crate::event::{Call, Event, Parked, Target};
use crate::executor::{self, ANY_EXECUTOR};
use crate::lost_failures::{self, Asked};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use valk_heap::{Heap, HostObject, Tracer, Value};
use valk_sync::cell::{CompletionCell, End, Status, Token};
use valk_sync::shim::lock;
use valk_vm::{AUX_HANDLE, Vm};

/// What is notified when a handle ends.
#[derive(Debug)]
pub(crate) enum Waiter {
    /// A fiber.
    Fiber(Box<Parked>),
    /// A Rust task.
    Task(Waker),
    /// An input of a combinator: the combinator's handle, its executor, the number of the input.
    Input {
        /// The combinator's handle.
        node: Value,
        /// Where the combinator runs.
        executor: u16,
        /// Which of its inputs has ended.
        input: u32,
    },
}

impl Waiter {
    /// Whether it is the program's own fiber.
    pub fn is_program(&self) -> bool {
        matches!(self, Waiter::Fiber(parked) if matches!(parked.target, Target::Program(_)))
    }
}

/// What belongs to a handle until it ends.
#[derive(Debug, Default)]
pub(crate) struct Body {
    /// The operation that ends it; none for a fiber's result.
    pub node: Option<Box<Node>>,
    /// Where the fiber that computes the result waits.
    pub awaiting: Option<(Value, Token)>,
    /// Calls to be made if it is cancelled, in order of registration, each in the request context
    /// that it was registered in.
    pub on_cancel: Vec<Call>,
}

/// A handle, as an object of the heap.
#[derive(Debug)]
pub struct Handle {
    pub(crate) cell: CompletionCell<Value, Waiter>,
    body: Mutex<Body>,
    /// Whether anybody asks how it ends.
    pub(crate) asked: Asked,
    /// Programs may settle it.
    pub(crate) is_promise: bool,
    /// Only the fiber that waits for it has it.
    pub(crate) is_private: bool,
}

impl Handle {
    pub(crate) fn body(&self) -> MutexGuard<'_, Body> {
        lock(&self.body)
    }
}

impl HostObject for Handle {
    fn trace(&mut self, tracer: &mut Tracer<'_>) {
        let (end, waiters) = self.cell.get_mut();
        if let Some(End::Completed(value) | End::Failed(value)) = end {
            tracer.value(value);
        }
        for waiter in waiters.iter_mut() {
            match waiter {
                Waiter::Fiber(parked) => parked.trace(tracer),
                Waiter::Input { node, .. } => tracer.value(node),
                Waiter::Task(_) => {}
            }
        }
        let body = self.body.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(node) = &mut body.node {
            node.trace(tracer);
        }
        if let Some((handle, _)) = &mut body.awaiting {
            tracer.value(handle);
        }
        for call in &mut body.on_cancel {
            call.trace(tracer);
        }
    }

    fn type_name(&self) -> &'static str {
        "handle"
    }

    fn external_bytes(&self) -> usize {
        let body = lock(&self.body);
        let node = body.node.as_ref().map_or(0, |node| node.bytes());
        node + self.asked.bytes()
            + self.cell.with_waiters(|waiters| {
                waiters.iter().fold(waiters.bytes(), |bytes, waiter| match waiter {
                    Waiter::Fiber(parked) => bytes + parked.bytes(),
                    Waiter::Task(_) | Waiter::Input { .. } => bytes,
                })
            })
    }
}

/// How a function's value ends the handle of its call: an error is a failure.
pub(crate) fn end_of(value: Value) -> End<Value> {
    if value.is_error() { End::Failed(value) } else { End::Completed(value) }
}

fn make(vm: &mut Vm, cell: CompletionCell<Value, Waiter>, body: Body) -> Value {
    let is_promise = body.node.as_ref().is_some_and(|node| node.is_promise());
    let (body, asked) = (Mutex::new(body), Asked::default());
    object(vm, Handle { cell, body, asked, is_promise, is_private: false })
}

fn object(vm: &mut Vm, handle: Handle) -> Value {
    let value = vm.heap.host(Box::new(handle));
    vm.heap.set_aux(value, AUX_HANDLE);
    value
}

/// A handle of an operation in progress that only the calling fiber waits for.
pub(crate) fn private_handle(vm: &mut Vm) -> Value {
    let (cell, body, asked) = (CompletionCell::running(), Mutex::default(), Asked::default());
    object(vm, Handle { cell, body, asked, is_promise: false, is_private: true })
}

/// A handle of an operation in progress.
pub fn new_handle(vm: &mut Vm) -> Value {
    make(vm, CompletionCell::running(), Body::default())
}

/// A handle that `node` ends.
pub(crate) fn with_node(vm: &mut Vm, node: Node) -> Value {
    let body = Body { node: Some(Box::new(node)), ..Body::default() };
    make(vm, CompletionCell::running(), body)
}

/// A handle that has ended.
pub fn settled(vm: &mut Vm, end: End<Value>) -> Value {
    let handle = make(vm, CompletionCell::settled(end), Body::default());
    note_failure(vm, handle, end);
    handle
}

/// Notes a failure that nobody has asked for.
fn note_failure(vm: &mut Vm, handle: Value, end: End<Value>) {
    let End::Failed(failure) = end else { return };
    if handle_of(&vm.heap, handle).is_none_or(|object| object.asked.has_asked()) {
        return;
    }
    let text = lost_failures::text_of(vm, failure);
    if let Some(object) = handle_of(&vm.heap, handle) {
        executor::here(vm).pool.lost_failures.note(&object.asked, text);
    }
}

/// A handle that has its value.
pub fn completed(vm: &mut Vm, value: Value) -> Value {
    settled(vm, End::Completed(value))
}

/// A handle that failed with an error of this text.
pub fn failed(vm: &mut Vm, text: &str) -> Value {
    let error = vm.error(text);
    settled(vm, End::Failed(error))
}

/// The handle that a value is, if it is one.
pub(crate) fn handle_of(heap: &Heap, value: Value) -> Option<&Handle> {
    value.host::<Handle>(heap)
}

/// Whether a value is a handle.
pub fn is_handle(vm: &Vm, value: Value) -> bool {
    handle_of(&vm.heap, value).is_some()
}

/// The status of a handle; `None` for another value. Who sees that it has failed has asked for that.
pub fn status(vm: &Vm, value: Value) -> Option<Status> {
    let handle = handle_of(&vm.heap, value)?;
    let status = handle.cell.status();
    if status.is_terminal() {
        handle.asked.ask();
    }
    Some(status)
}

/// Notes that how a handle ends is asked for.
pub(crate) fn ask(vm: &Vm, value: Value) {
    if let Some(handle) = handle_of(&vm.heap, value) {
        handle.asked.ask();
    }
}

/// How a handle ended; `None` while it has not, and for another value.
pub fn end(vm: &Vm, value: Value) -> Option<End<Value>> {
    let handle = handle_of(&vm.heap, value)?;
    let end = handle.cell.end();
    if end.is_some() {
        handle.asked.ask();
    }
    end
}

/// Whether a handle has ended. Another value has.
pub(crate) fn has_ended(vm: &Vm, value: Value) -> bool {
    handle_of(&vm.heap, value).is_none_or(|handle| handle.cell.status().is_terminal())
}

/// What awaiting a handle that ended so gives.
pub fn awaited(vm: &mut Vm, end: End<Value>) -> Value {
    match end {
        End::Completed(value) => value,
        End::Failed(value) if value.is_undefined() => vm.error("async operation failed"),
        End::Failed(value) => value,
        End::Cancelled => vm.error("async operation cancelled"),
    }
}

/// Registers a waiter; it and the end come back if the handle has ended.
///
/// # Panics
/// When `handle` is none.
pub(crate) fn subscribe(
    vm: &mut Vm,
    handle: Value,
    waiter: Waiter,
) -> Result<Token, (Waiter, End<Value>)> {
    vm.heap.touch_host(handle);
    let object = handle_of(&vm.heap, handle).expect("a handle is waited for");
    object.asked.ask();
    object.cell.subscribe(waiter)
}

/// Takes a waiter back; `None` if it was notified.
pub(crate) fn unsubscribe(vm: &Vm, handle: Value, token: Token) -> Option<Waiter> {
    handle_of(&vm.heap, handle)?.cell.unsubscribe(token)
}

/// Ends a handle and notifies its waiters. Returns false if it had ended. Never collects.
pub fn settle(vm: &mut Vm, handle: Value, end: End<Value>) -> bool {
    vm.heap.touch_host(handle);
    let Some(object) = handle_of(&vm.heap, handle) else { return false };
    let Ok(waiters) = object.cell.settle(end) else { return false };
    let body = std::mem::take(&mut *object.body());
    if let Some(node) = body.node {
        combinators::release(vm, *node);
    }
    for waiter in waiters {
        notify(vm, waiter, end);
    }
    note_failure(vm, handle, end);
    if end == End::Cancelled {
        // The one that was registered last runs first.
        for call in body.on_cancel.into_iter().rev() {
            executor::call_soon(vm, call);
        }
    }
    true
}

/// Tells one waiter how the handle ended.
fn notify(vm: &mut Vm, waiter: Waiter, end: End<Value>) {
    match waiter {
        Waiter::Task(waker) => executor::wake_task(vm, waker),
        Waiter::Input { node, executor, input } => {
            executor::notify_node(vm, executor, node, input);
        }
        Waiter::Fiber(parked) => {
            let answer = awaited(vm, end);
            if parked.home == ANY_EXECUTOR {
                executor::resume_anywhere(vm, parked, answer);
            } else {
                executor::post(vm, parked.home, Event::Resume(parked, answer));
            }
        }
    }
}

/// Cancels a handle and everything that only it observes (rule 5). Returns false if it had ended.
pub fn cancel(vm: &mut Vm, handle: Value) -> bool {
    let is_open = |object: &Handle| object.cell.request_cancel();
    if !handle_of(&vm.heap, handle).is_some_and(is_open) {
        return false;
    }
    executor::cancelling(vm, |vm| cancel_tree(vm, handle));
    executor::interrupt_cancelled(vm);
    true
}

fn cancel_tree(vm: &mut Vm, root: Value) {
    // A list in place of recursion: trees may be deep. What is below is looked at when its turn
    // comes: by then those above it may have left it.
    let mut pending = Vec::new();
    let mut next = Some(root);
    while let Some(handle) = next {
        vm.heap.touch_host(handle);
        let Some(object) = handle_of(&vm.heap, handle) else { break };
        let (node, awaiting) = {
            let mut body = object.body();
            (body.node.take(), body.awaiting.take())
        };
        settle(vm, handle, End::Cancelled);
        let inputs = node.map_or_else(Vec::new, |node| combinators::cancelled(vm, *node));
        pending.extend(inputs.into_iter().rev());
        if let Some((awaited, token)) = awaiting {
            // The fiber that computes the result runs no further step.
            drop(unsubscribe(vm, awaited, token));
            pending.push(awaited);
        }
        next = std::iter::from_fn(|| pending.pop()).find_map(|below| unobserved(vm, below));
    }
}

/// The handle, if it has not ended, nothing waits for it any more, and only its observers have a
/// use for it. The producer of a promise may still have one.
pub(crate) fn unobserved(vm: &Vm, handle: Value) -> Option<Value> {
    let object = handle_of(&vm.heap, handle)?;
    let is_shared = object.body().node.as_ref().is_some_and(|node| node.is_shared());
    let is_left = !is_shared && object.cell.waiters() == 0 && object.cell.request_cancel();
    is_left.then_some(handle)
}
