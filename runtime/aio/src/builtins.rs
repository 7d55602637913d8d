//! The `aio/` builtins.

use crate::handle::{Handle, HandleState, complete, completed, new_handle, until};
use crate::system::{System, Systems, machine};
use std::time::Duration;
use valk_heap::Value;
use valk_lang::SharedVm;
use valk_lang::builtins::{fail, register_table, wrong_type};
use valk_vm::{Arity, NativeFn, Outcome, Vm};

const TABLE: &[(&str, Arity, NativeFn)] = &[
    ("aio/start", Arity::AtMost(1), start),
    ("aio/run", Arity::Exactly(1), run),
    ("aio/stop", Arity::Exactly(1), stop),
    ("aio/await", Arity::MoreThan(0), await_),
    ("aio/sleep", Arity::Exactly(2), sleep),
    ("handle?", Arity::Curried(1), is_handle),
];

/// Registers the `aio/` builtins in a machine.
pub fn register(vm: &SharedVm) {
    let mut machine = vm.borrow_mut();
    machine.extension::<Systems>().set_machine(vm);
    register_table(&mut machine, TABLE);
    register_table(&mut machine, crate::metrics::TABLE);
    register_table(&mut machine, crate::futures::TABLE);
    register_table(&mut machine, crate::pools::TABLE);
    register_table(&mut machine, crate::diagnostics::TABLE);
}

/// The system a value refers to.
pub fn system_of(vm: &Vm, value: Value) -> Option<System> {
    value.host::<System>(&vm.heap).cloned()
}

fn start(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let list = arguments.first().copied().unwrap_or(Value::NIL);
    match System::start(vm, list) {
        Ok(system) => completed(vm, system).into(),
        Err(reason) => {
            // Programs compare the error's text.
            tracing::error!(target: crate::LOG_TARGET, "{reason}");
            fail(vm, "Failed to start AIO system")
        }
    }
}

fn run(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    match system_of(vm, arguments[0]) {
        Some(system) => Outcome::Suspend(system.stopped_handle(vm)),
        None => wrong_type(vm, arguments[0], "Reference"),
    }
}

fn stop(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    match system_of(vm, arguments[0]) {
        Some(system) => {
            system.stop();
            Value::NIL.into()
        }
        None => wrong_type(vm, arguments[0], "Reference"),
    }
}

/// `(aio/await handle)` or `(aio/await handle ms)`.
fn await_(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    if arguments[0].host::<Handle>(&vm.heap).is_none() {
        return wrong_type(vm, arguments[0], "Handle");
    }
    let time = match *arguments {
        [handle] => return Outcome::Suspend(handle),
        [_, time] => time,
        _ => {
            let text =
                format!("Invalid argument count, Actual[{}] <= Expected[2]", arguments.len());
            return fail(vm, &text);
        }
    };
    let Some(milliseconds) = time.as_integer() else { return wrong_type(vm, time, "Number") };
    match until(vm, arguments[0], Duration::from_millis(milliseconds.max(0) as u64)) {
        Ok(follower) => Outcome::Suspend(follower),
        Err(problem) => fail(vm, &problem),
    }
}

fn is_handle(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let handle = arguments[0].host::<Handle>(&vm.heap).is_some();
    Value::fixnum(i64::from(handle)).into()
}

/// `(aio/sleep system ms)`: a handle that completes with nil after that time, or when the system
/// stops.
fn sleep(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let Some(system) = system_of(vm, arguments[0]) else {
        return wrong_type(vm, arguments[0], "Reference");
    };
    let Some(milliseconds) = arguments[1].as_integer() else {
        return wrong_type(vm, arguments[1], "Number");
    };
    let Some(shared) = machine(vm) else { return fail(vm, "no executor is running") };
    let handle = new_handle(vm);
    let root = vm.heap.root(handle);
    let time = Duration::from_millis(milliseconds.max(0) as u64);
    let stopping = system.clone();
    system.spawn(vm, async move {
        tokio::select! {
            () = tokio::time::sleep(time) => {}
            () = stopping.stop_requested() => {}
        }
        let handle = shared.borrow_mut().heap.release(root);
        complete(&shared, handle, HandleState::Completed(Value::NIL));
    });
    handle.into()
}
