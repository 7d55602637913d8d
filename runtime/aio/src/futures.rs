//! `future`, `aio/spawn`, `pmap` and promises.

use crate::combinators::Node;
use crate::combinators::within::{AtTimeout, start as within};
use crate::event::{Call, Job, Target};
use crate::executor;
use crate::handle::{end_of, handle_of, has_ended, new_handle, private_handle, settle, with_node};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use valk_heap::{HostObject, Tracer, Value};
use valk_lang::builtins::{DEADLINE_EXCEEDED, fail, truth, wrong_type};
use valk_lang::{elements, remaining_deadline};
use valk_sync::cell::End;
use valk_sync::shim::lock;
use valk_vm::{Arity, NativeFn, Outcome, Vm};

pub(crate) const TABLE: &[(&str, Arity, NativeFn)] = &[
    ("future", Arity::Curried(1), future),
    ("aio/spawn", Arity::Curried(1), future),
    ("pmap", Arity::Curried(2), parallel_map),
    ("promise", Arity::Exactly(0), promise),
    ("promise/deliver", Arity::Curried(2), deliver),
];

/// Parts of a list that each executor gets in a parallel map, so that one with much to do holds up
/// the others less.
const PARTS_PER_EXECUTOR: usize = 8;

/// The parts of a parallel map's value, as they come; the first error among them ends it.
struct JoinAll {
    handle: Value,
    /// The request context of the map, for its deadline.
    context: Value,
    parts: Mutex<Parts>,
}

struct Parts {
    values: Vec<Value>,
    missing: usize,
}

impl HostObject for JoinAll {
    fn trace(&mut self, tracer: &mut Tracer<'_>) {
        tracer.value(&mut self.handle);
        tracer.value(&mut self.context);
        let parts = self.parts.get_mut().unwrap_or_else(PoisonError::into_inner);
        tracer.slice(&mut parts.values);
    }
    fn type_name(&self) -> &'static str {
        "join"
    }
}

/// Whether nobody waits for the value of a parallel map any more.
pub(crate) fn is_cancelled(vm: &Vm, join: Value) -> bool {
    join.host::<JoinAll>(&vm.heap).is_some_and(|join| has_ended(vm, join.handle))
}

/// A part of a parallel map has its value.
pub(crate) fn part_done(vm: &mut Vm, join: Value, part: usize, value: Value) {
    vm.heap.touch_host(join);
    let object = join.host::<JoinAll>(&vm.heap).expect("a part is of a parallel map");
    let (handle, context) = (object.handle, object.context);
    let values = {
        let mut parts = lock(&object.parts);
        parts.values[part] = value;
        parts.missing -= 1;
        (parts.missing == 0).then(|| std::mem::take(&mut parts.values))
    };
    if let Some(values) = values {
        // Functions that waited up to the deadline have ended with it, perhaps before the map has.
        let is_late = is_late(vm, context);
        let value = if is_late { vm.error(DEADLINE_EXCEEDED) } else { joined(vm, &values) };
        settle(vm, handle, end_of(value));
    }
}

/// Whether the deadline of this context has passed.
fn is_late(vm: &mut Vm, context: Value) -> bool {
    let own = std::mem::replace(&mut vm.context, context);
    let left = remaining_deadline(vm);
    vm.context = own;
    left == Some(Duration::ZERO)
}

/// One list of the elements of all; the first error instead, if there is one.
fn joined(vm: &mut Vm, lists: &[Value]) -> Value {
    if let Some(error) = lists.iter().find(|list| list.is_error()) {
        return *error;
    }
    let elements: Vec<Value> = lists.iter().flat_map(|list| elements(*list)).collect();
    elements.iter().rev().fold(Value::NIL, |rest, item| vm.heap.cons(*item, rest, true))
}

/// Fails a handle because no executor takes its function.
fn refused(vm: &mut Vm, handle: Value, problem: &str) -> Value {
    let error = vm.error(problem);
    settle(vm, handle, End::Failed(error));
    handle
}

/// `(future f)`: a handle that ends with the value of `(f)`, which any executor calls.
fn future(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let function = arguments[0];
    if !Vm::is_function(function) {
        return wrong_type(vm, function, "Function");
    }
    let handle = new_handle(vm);
    let call = Call::new(vm, function, &[], Target::Handle(handle));
    match executor::submit(vm, Job::Call(Box::new(call))) {
        Ok(()) => handle.into(),
        Err(problem) => refused(vm, handle, &problem).into(),
    }
}

/// `(pmap f list)`: `(map f list)` on all executors. An error at the deadline of the context; what
/// has begun then goes on.
fn parallel_map(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let [function, list] = [arguments[0], arguments[1]];
    if !list.is_list() {
        return wrong_type(vm, list, "List, Nil");
    }
    if list.is_nil() {
        return Value::NIL.into();
    }
    let executors = match executor::executors(vm) {
        Ok(count) => count,
        Err(problem) => return fail(vm, &problem),
    };
    let map = vm.intern("map");
    let Some(map) = vm.library_value(map) else { return fail(vm, "pmap: `map` is not bound") };
    let items = elements(list);
    let length = items.len().div_ceil(executors * PARTS_PER_EXECUTOR);
    let parts: Vec<[Value; 2]> = items
        .chunks(length)
        .map(|part| {
            let cons = |rest, item: &Value| vm.heap.cons(*item, rest, true);
            [function, part.iter().rev().fold(Value::NIL, cons)]
        })
        .collect();
    let left = remaining_deadline(vm);
    if left == Some(Duration::ZERO) {
        return fail(vm, DEADLINE_EXCEEDED);
    }
    let handle = private_handle(vm);
    let values = vec![Value::NIL; parts.len()];
    let collected = Mutex::new(Parts { values, missing: parts.len() });
    let join = vm.heap.host(Box::new(JoinAll { handle, context: vm.context, parts: collected }));
    for (part, arguments) in parts.iter().enumerate() {
        let call = Call::new(vm, map, arguments, Target::Part(join, part as u32));
        if let Err(problem) = executor::submit(vm, Job::Call(Box::new(call))) {
            // Parts before this one run, and nothing waits for them.
            return Outcome::Suspend(refused(vm, handle, &problem));
        }
    }
    Outcome::Suspend(match left {
        Some(left) => within(vm, handle, left, AtTimeout::Deadline),
        None => handle,
    })
}

/// `(promise)`: a handle that [`deliver`] ends.
fn promise(vm: &mut Vm, _: &[Value]) -> Outcome {
    let node = Node::promise(vm);
    with_node(vm, node).into()
}

/// `(promise/deliver p value)`: 1 when this ended the promise, 0 when it had ended.
fn deliver(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let [promise, value] = [arguments[0], arguments[1]];
    if !handle_of(&vm.heap, promise).is_some_and(|handle| handle.is_promise) {
        return wrong_type(vm, promise, "Promise");
    }
    truth(settle(vm, promise, end_of(value)))
}
