//! Combinators: operations made of other operations, as state machines over handles.
//!
//! 1. A combinator's state is the [`Node`] of its handle. It changes when an input ends, a function
//!    that it called returns, its timer fires, or its handle is cancelled; nothing polls.
//! 2. Everything that happens to a node happens on the executor that made it, so one after the
//!    other; its handle may be settled or cancelled by any thread. Whoever takes the node out of
//!    the handle ends it.
//! 3. An input may belong to any number of nodes, and be awaited beside that. A node takes itself
//!    off its inputs when it ends.
//! 4. Functions are called on fibers of their own. One that waits goes on by itself; the node gets
//!    its value when it comes. A handle that a function returns is *adopted*: its end is the end of
//!    the node.
//!
//! Does not know how arguments are checked ([`crate::builtins`]).

pub(crate) mod bracket;
pub(crate) mod chain;
pub(crate) mod group;
pub(crate) mod operation;
pub(crate) mod retry;
pub(crate) mod timer;
pub(crate) mod within;

use crate::event::{Call, Target};
use crate::executor::{self, here};
use crate::handle::{
    self, Waiter, end_of, handle_of, is_handle, settle, subscribe, unobserved, unsubscribe,
};
use crate::timers::TimerId;
use bracket::Bracket;
use chain::{Chain, ChainKind};
use group::Group;
use operation::Operation;
use retry::Retry;
use timer::Timer;
use valk_heap::{Tracer, Value};
use valk_sync::cell::{End, Token};
use valk_vm::Vm;
use within::Within;

/// An observed handle, and the token of the observation; none once its end was seen.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Input {
    pub handle: Value,
    pub token: Option<Token>,
}

impl Input {
    fn trace(&mut self, tracer: &mut Tracer<'_>) {
        tracer.value(&mut self.handle);
    }

    /// Takes the observation back.
    fn release(&mut self, vm: &Vm) {
        if let Some(token) = self.token.take() {
            drop(unsubscribe(vm, self.handle, token));
        }
    }
}

/// What a node is waiting for, and what it does then.
#[derive(Debug)]
pub(crate) enum Kind {
    /// A program settles it.
    Promise,
    /// Something that happens whether it is waited for or not, such as the end of a system.
    Event,
    /// A task of the host settles it.
    Operation(Operation),
    /// A timer.
    Timer(Timer),
    /// `then`, `catch`, `finally`.
    Chain(Chain),
    /// A function that was called; its value ends the node.
    Function,
    /// Another handle, whose end is the node's.
    Adopt(Input),
    /// `all`, `race`, `any`, `all-settled`.
    Group(Group),
    /// A handle or a time.
    Within(Within),
    /// Attempts, with pauses.
    Retry(Retry),
    /// A resource, and what uses it.
    Bracket(Bracket),
}

/// The operation behind a handle.
#[derive(Debug)]
pub(crate) struct Node {
    pub kind: Kind,
    /// The executor on which it changes (rule 2).
    executor: u16,
    /// The request context of the fiber that made it, which functions run in.
    context: Value,
    forbids_definitions: bool,
}

impl Node {
    /// A node of the running fiber.
    pub fn new(vm: &Vm, kind: Kind) -> Node {
        Node {
            kind,
            executor: here(vm).index,
            context: vm.context,
            forbids_definitions: vm.definitions_forbidden,
        }
    }

    /// The node of a handle that a program settles.
    pub fn promise(vm: &Vm) -> Node {
        Node::new(vm, Kind::Promise)
    }

    /// The node of the handle that completes when a system has stopped.
    pub fn end_of_system(vm: &Vm) -> Node {
        Node::new(vm, Kind::Event)
    }

    /// Whether others than its observers have a use for it.
    pub fn is_shared(&self) -> bool {
        matches!(self.kind, Kind::Promise | Kind::Event)
    }

    /// Whether a program settles it.
    pub fn is_promise(&self) -> bool {
        matches!(self.kind, Kind::Promise)
    }

    pub fn trace(&mut self, tracer: &mut Tracer<'_>) {
        tracer.value(&mut self.context);
        match &mut self.kind {
            Kind::Promise | Kind::Event | Kind::Operation(_) | Kind::Function => {}
            Kind::Timer(timer) => timer.trace(tracer),
            Kind::Chain(chain) => chain.trace(tracer),
            Kind::Adopt(input) => input.trace(tracer),
            Kind::Group(group) => group.trace(tracer),
            Kind::Within(within) => within.trace(tracer),
            Kind::Retry(retry) => retry.trace(tracer),
            Kind::Bracket(bracket) => bracket.trace(tracer),
        }
    }

    /// Bytes outside the heap.
    pub fn bytes(&self) -> usize {
        let more = if let Kind::Group(group) = &self.kind { group.bytes() } else { 0 };
        size_of::<Node>() + more
    }

    /// A call of a function of this node; its value comes to [`returned`].
    fn call(&self, handle: Value, function: Value, arguments: &[Value]) -> Call {
        Call {
            function,
            arguments: arguments.to_vec(),
            target: Target::Node(handle),
            context: self.context,
            forbids_definitions: self.forbids_definitions,
        }
    }

    /// A call of a function whose value nothing waits for.
    fn cleanup(&self, function: Value, arguments: &[Value]) -> Call {
        Call { target: Target::Cleanup, ..self.call(Value::NIL, function, arguments) }
    }
}

/// Takes a node out of its handle; `None` if the handle has ended.
fn take(vm: &mut Vm, handle: Value) -> Option<Box<Node>> {
    vm.heap.touch_host(handle);
    handle_of(&vm.heap, handle)?.body().node.take()
}

/// Changes the node of a handle that was just made, which no one else knows.
fn change(vm: &mut Vm, handle: Value, change: impl FnOnce(&mut Node)) {
    vm.heap.touch_host(handle);
    let mut body = handle_of(&vm.heap, handle).expect("it was just made").body();
    change(body.node.as_mut().expect("nothing has ended it"));
}

/// Puts a node back that goes on. A handle that was cancelled meanwhile takes none.
pub(crate) fn put(vm: &mut Vm, handle: Value, node: Box<Node>) {
    vm.heap.touch_host(handle);
    let object = handle_of(&vm.heap, handle).expect("a node is of a handle");
    let left = {
        let mut body = object.body();
        if object.cell.status().is_terminal() {
            Some(node)
        } else {
            body.node = Some(node);
            None
        }
    };
    if let Some(node) = left {
        release(vm, *node);
    }
}

/// Observes `input` for the node of `handle`; its end, if it has ended.
fn observe(vm: &mut Vm, handle: Value, executor: u16, input: Value, number: usize) -> Observed {
    let waiter = Waiter::Input { node: handle, executor, input: number as u32 };
    match subscribe(vm, input, waiter) {
        Ok(token) => Observed::Pending(Input { handle: input, token: Some(token) }),
        Err((_, end)) => Observed::Ended(end),
    }
}

/// What observing a handle gives.
enum Observed {
    Pending(Input),
    Ended(End<Value>),
}

/// Cancels handles that nothing observes any more.
fn cancel_unobserved(vm: &mut Vm, handles: impl IntoIterator<Item = Value>) {
    for handle in handles {
        if let Some(handle) = unobserved(vm, handle) {
            handle::cancel(vm, handle);
        }
    }
}

/// An input of a node has ended.
pub(crate) fn input_ended(vm: &mut Vm, handle: Value, number: usize) {
    let Some(mut node) = take(vm, handle) else { return };
    match &mut node.kind {
        Kind::Chain(_) => chain::source_ended(vm, handle, node),
        Kind::Adopt(input) => {
            let end = handle::end(vm, input.handle).unwrap_or(End::Cancelled);
            settle(vm, handle, end);
        }
        Kind::Group(_) => group::input_ended(vm, handle, node, number),
        Kind::Within(_) => within::source_ended(vm, handle, node),
        Kind::Retry(_) => retry::attempt_ended(vm, handle, node),
        Kind::Bracket(_) => bracket::input_ended(vm, handle, node),
        Kind::Promise | Kind::Event | Kind::Operation(_) | Kind::Timer(_) | Kind::Function => {
            put(vm, handle, node);
        }
    }
}

/// A function that the node of `handle` called has returned.
pub(crate) fn returned(vm: &mut Vm, handle: Value, value: Value) {
    let Some(mut node) = take(vm, handle) else { return };
    match &mut node.kind {
        Kind::Chain(_) => chain::returned(vm, handle, node, value),
        Kind::Timer(_) => timer::returned(vm, handle, node, value),
        Kind::Retry(_) => retry::returned(vm, handle, node, value),
        Kind::Bracket(_) => bracket::returned(vm, handle, node, value),
        _ => finish(vm, handle, node, value),
    }
}

/// Ends a node with what a function returned, or has it adopt the handle that this is (rule 4).
fn finish(vm: &mut Vm, handle: Value, mut node: Box<Node>, value: Value) {
    if !is_handle(vm, value) {
        settle(vm, handle, end_of(value));
        return;
    }
    match observe(vm, handle, node.executor, value, 0) {
        Observed::Ended(end) => {
            settle(vm, handle, end);
        }
        Observed::Pending(input) => {
            node.kind = Kind::Adopt(input);
            put(vm, handle, node);
        }
    }
}

/// The timer `id` of the node of `handle` has fired.
pub(crate) fn timer_fired(vm: &mut Vm, handle: Value, id: TimerId) {
    let Some(mut node) = take(vm, handle) else {
        executor::cancel_timer(vm, here(vm).index, id, true);
        return;
    };
    match &mut node.kind {
        Kind::Timer(_) => timer::fired(vm, handle, node),
        Kind::Within(_) => within::fired(vm, handle, node),
        Kind::Retry(_) => retry::fired(vm, handle, node),
        _ => put(vm, handle, node),
    }
}

/// Lets go of what a node holds whose handle was settled by another thread or by its program.
pub(crate) fn release(vm: &mut Vm, node: Node) {
    let left = cancelled(vm, node);
    cancel_unobserved(vm, left);
}

/// Lets go of what a node holds; the handles that it observed. Runs `finally` and release functions.
pub(crate) fn cancelled(vm: &mut Vm, mut node: Node) -> Vec<Value> {
    match &mut node.kind {
        Kind::Promise | Kind::Event | Kind::Function => Vec::new(),
        Kind::Operation(operation) => {
            operation.release();
            Vec::new()
        }
        Kind::Timer(timer) => {
            timer.release(vm);
            Vec::new()
        }
        Kind::Adopt(input) => {
            input.release(vm);
            vec![input.handle]
        }
        Kind::Chain(_) => {
            chain::cancelled(vm, node);
            Vec::new()
        }
        Kind::Group(group) => group.release(vm),
        Kind::Within(within) => within.release(vm),
        Kind::Retry(retry) => retry.release(vm),
        Kind::Bracket(_) => bracket::cancelled(vm, node),
    }
}

/// A handle that ends as the call of `function` does; the call comes before the running builtin
/// returns by [`executor::after_urgent`].
pub(crate) fn call(vm: &mut Vm, function: Value, arguments: &[Value], gets_handle: bool) -> Value {
    let node = Node::new(vm, Kind::Function);
    let handle = handle::with_node(vm, node);
    let arguments = if gets_handle { &[handle][..] } else { arguments };
    let call = Call::new(vm, function, arguments, Target::Node(handle));
    executor::call_soon(vm, call);
    handle
}

/// `then`, `catch` or `finally` of `source`.
pub(crate) fn chain(vm: &mut Vm, kind: ChainKind, source: Value, function: Value) -> Value {
    chain::start(vm, kind, source, function)
}
