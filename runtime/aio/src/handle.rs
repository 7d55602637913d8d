//! Async handles: values that arrive later.
//!
//! Who waits for a handle is kept outside the heap, keyed by the handle's address, which does not
//! change; a root keeps the handle alive while somebody waits.

use crate::executor::{Continuation, Reactor, Waiting, drive};
use valk_heap::{HostObject, Tracer, Value};
use valk_lang::SharedVm;
use valk_vm::{AUX_HANDLE, FiberId, Vm};

/// What is known about a handle's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HandleState {
    /// Nothing yet.
    Pending,
    /// The value.
    Completed(Value),
    /// Why there will be none: an error value.
    Failed(Value),
}

/// An operation in progress.
#[derive(Debug)]
pub struct Handle {
    state: HandleState,
}

impl HostObject for Handle {
    fn trace(&mut self, tracer: &mut Tracer<'_>) {
        match &mut self.state {
            HandleState::Pending => {}
            HandleState::Completed(value) | HandleState::Failed(value) => tracer.value(value),
        }
    }
    fn type_name(&self) -> &'static str {
        "handle"
    }
}

fn with_state(vm: &mut Vm, state: HandleState) -> Value {
    let handle = vm.heap.host(Box::new(Handle { state }));
    vm.heap.set_aux(handle, AUX_HANDLE);
    handle
}

/// A pending handle.
pub fn new_handle(vm: &mut Vm) -> Value {
    with_state(vm, HandleState::Pending)
}

/// A handle that has its value.
pub fn completed(vm: &mut Vm, value: Value) -> Value {
    with_state(vm, HandleState::Completed(value))
}

/// A handle that failed with an error of this text.
pub fn failed(vm: &mut Vm, text: &str) -> Value {
    let error = vm.error(text);
    with_state(vm, HandleState::Failed(error))
}

/// The state of a value that is a handle.
pub fn settled(vm: &Vm, value: Value) -> Option<HandleState> {
    value.host::<Handle>(&vm.heap).map(|handle| handle.state)
}

/// What waits for a handle.
pub(crate) struct Waiter {
    pub(crate) fiber: FiberId,
    pub(crate) then: Continuation,
}

/// Gives a pending handle its end and resumes who waits for it; does nothing to a terminal one.
/// Called from the event loop, with the machine free.
pub fn complete(vm: &SharedVm, handle: Value, state: HandleState) {
    let (waiters, root) = {
        let mut vm = vm.borrow_mut();
        if settled(&vm, handle) != Some(HandleState::Pending) {
            return;
        }
        let host = handle.host_mut::<Handle>(&mut vm.heap).expect("settled says it is a handle");
        host.state = state;
        vm.heap.touch_host(handle);
        vm.extension::<Reactor>().completions += 1;
        let waiting = vm.extension::<Waiting>().handles.remove(&handle.address());
        match waiting {
            None => return,
            Some((waiters, root)) => (waiters, root),
        }
    };
    for waiter in waiters {
        let answer = {
            let vm = vm.borrow();
            match settled(&vm, vm.heap.resolve(&root)) {
                Some(HandleState::Completed(value) | HandleState::Failed(value)) => value,
                _ => Value::NIL,
            }
        };
        drive(vm, waiter.fiber, answer, waiter.then);
    }
    vm.borrow_mut().heap.release(root);
}
