//! `future`, `pmap` and promises.

use crate::handle::{HandleState, is_promise, new_handle, new_promise, settle};
use crate::workers;
use valk_heap::Value;
use valk_lang::builtins::{fail, truth, wrong_type};
use valk_lang::elements;
use valk_vm::{Arity, NativeFn, Outcome, Vm};

pub(crate) const TABLE: &[(&str, Arity, NativeFn)] = &[
    ("future", Arity::Curried(1), future),
    ("pmap", Arity::Curried(2), parallel_map),
    ("promise", Arity::Exactly(0), promise),
    ("promise/deliver", Arity::Curried(2), deliver),
];

/// Parts of a list that each worker gets in a parallel map, so that one with much to do holds up
/// the others less.
const PARTS_PER_WORKER: usize = 8;

/// A handle that has failed because no worker takes the function.
fn refused(vm: &mut Vm, handle: Value, problem: &str) -> Value {
    let error = vm.error(problem);
    settle(vm, handle, HandleState::Failed(error), None);
    handle
}

/// `(future f)`: a handle that ends with the value of `(f)`, which another thread calls.
fn future(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let function = arguments[0];
    if !Vm::is_function(function) {
        return wrong_type(vm, function, "Function");
    }
    let handle = new_handle(vm);
    match workers::call(vm, function, handle) {
        Ok(()) => handle.into(),
        Err(problem) => refused(vm, handle, &problem).into(),
    }
}

/// `(pmap f list)`: `(map f list)` on several threads.
fn parallel_map(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let [function, list] = [arguments[0], arguments[1]];
    if !list.is_list() {
        return wrong_type(vm, list, "List, Nil");
    }
    if list.is_nil() {
        return Value::NIL.into();
    }
    let workers = match workers::count(vm) {
        Ok(count) => count,
        Err(problem) => return fail(vm, &problem),
    };
    let map = vm.intern("map");
    let Some(map) = vm.global(map) else { return fail(vm, "pmap: `map` is not bound") };
    let elements = elements(list);
    let length = elements.len().div_ceil(workers * PARTS_PER_WORKER);
    let parts: Vec<[Value; 2]> = elements
        .chunks(length)
        .map(|part| {
            let cons = |rest, item: &Value| vm.heap.cons(*item, rest, true);
            [function, part.iter().rev().fold(Value::NIL, cons)]
        })
        .collect();
    let handle = new_handle(vm);
    match workers::call_each(vm, map, &parts, handle) {
        Ok(()) => Outcome::Suspend(handle),
        Err(problem) => Outcome::Suspend(refused(vm, handle, &problem)),
    }
}

/// `(promise)`: a handle that [`deliver`] ends.
fn promise(vm: &mut Vm, _: &[Value]) -> Outcome {
    new_promise(vm).into()
}

/// `(promise/deliver p value)`: 1 when this ended the promise, 0 when it had ended.
fn deliver(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let [promise, value] = [arguments[0], arguments[1]];
    if !is_promise(vm, promise) {
        return wrong_type(vm, promise, "Promise");
    }
    truth(settle(vm, promise, HandleState::of(value), None))
}
