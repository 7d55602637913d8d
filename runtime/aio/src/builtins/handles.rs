//! Making, inspecting, awaiting and cancelling handles.

use super::{Checked, exactly, function, handle, milliseconds, now, outcome};
use crate::combinators::within::{AtTimeout, start as within};
use crate::event::{Call, Target};
use crate::executor;
use crate::handle::{cancel, completed, end, handle_of, is_handle, settled, status};
use std::time::Duration;
use valk_heap::Value;
use valk_lang::builtins::{DEADLINE_EXCEEDED, fail};
use valk_sync::cell::{End, Status};
use valk_vm::{Arity, NativeFn, Outcome, Vm};

pub(super) const TABLE: &[(&str, Arity, NativeFn)] = &[
    ("aio/await", Arity::Any, await_),
    ("aio/status", Arity::Any, status_of),
    ("aio/result", Arity::Any, result),
    ("aio/error", Arity::Any, error),
    ("aio/cancelled?", Arity::Any, is_cancelled),
    ("aio/cancel", Arity::Any, cancel_handle),
    ("aio/on-cancel", Arity::Any, on_cancel),
    ("aio/pure", Arity::Any, pure),
    ("aio/fail", Arity::Any, fail_with),
    ("handle?", Arity::Curried(1), is_handle_value),
];

/// A keyword.
fn keyword(vm: &mut Vm, name: &str) -> Value {
    vm.heap.intern(name.as_bytes())
}

/// The one argument, a handle.
fn one(vm: &mut Vm, name: &str, arguments: &[Value]) -> Checked<Value> {
    let [value] = exactly(vm, arguments, format_args!("{name}: expected 1 argument"))?;
    handle(vm, value, format_args!("{name}: expected handle argument"))
}

/// The time that the context's deadline leaves, if it has one.
fn left(vm: &mut Vm) -> Option<Duration> {
    valk_lang::remaining_deadline(vm)
}

/// `(aio/await handle)` or `(aio/await handle milliseconds)`.
fn await_(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    outcome(await_checked(vm, arguments))
}

fn await_checked(vm: &mut Vm, arguments: &[Value]) -> Checked<Outcome> {
    let (value, time) = match *arguments {
        [value] => (value, None),
        [value, time] => {
            let text = "aio/await: second argument must be a number (milliseconds)";
            (value, Some(milliseconds(vm, time, text)?))
        }
        _ => return Err(fail(vm, "aio/await: expected 1 argument (handle)")),
    };
    let value = handle(vm, value, "aio/await: argument must be a handle")?;
    if end(vm, value).is_some() {
        return Ok(Outcome::Suspend(value));
    }
    Ok(match (time, left(vm)) {
        (None, None) => Outcome::Suspend(value),
        (_, Some(Duration::ZERO)) => fail(vm, DEADLINE_EXCEEDED),
        (Some(time), Some(left)) if left < time => deadline(vm, value, left),
        (Some(time), _) => Outcome::Suspend(within(vm, value, time, AtTimeout::Leave)),
        (None, Some(left)) => deadline(vm, value, left),
    })
}

/// An operation that ends at the deadline itself ends before a wait for it does.
const AFTER_DEADLINE: Duration = Duration::from_millis(1);

fn deadline(vm: &mut Vm, value: Value, left: Duration) -> Outcome {
    Outcome::Suspend(within(vm, value, left + AFTER_DEADLINE, AtTimeout::Deadline))
}

fn status_name(vm: &mut Vm, value: Value) -> Option<&'static str> {
    let is_cancelled = handle_of(&vm.heap, value)?.cell.is_cancel_requested();
    Some(match status(vm, value)? {
        Status::Cancelled => ":cancelled",
        Status::Pending | Status::Running if is_cancelled => ":cancelled",
        Status::Pending => ":pending",
        Status::Running => ":running",
        Status::Completed => ":completed",
        Status::Failed => ":failed",
    })
}

fn status_of(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let name = |vm: &mut Vm| -> Checked<Outcome> {
        let value = one(vm, "aio/status", arguments)?;
        let name = status_name(vm, value).unwrap_or(":unknown");
        Ok(keyword(vm, name).into())
    };
    outcome(name(vm))
}

fn result(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let value = |vm: &mut Vm| -> Checked<Outcome> {
        let handle = one(vm, "aio/result", arguments)?;
        Ok(match end(vm, handle) {
            Some(End::Completed(value)) => value.into(),
            _ => fail(vm, "aio/result: handle not completed"),
        })
    };
    outcome(value(vm))
}

fn error(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let value = |vm: &mut Vm| -> Checked<Outcome> {
        let handle = one(vm, "aio/error", arguments)?;
        Ok(match end(vm, handle) {
            Some(End::Failed(value)) if value.is_undefined() => fail(vm, "async operation failed"),
            Some(End::Failed(value)) => value.into(),
            _ => fail(vm, "aio/error: handle not failed"),
        })
    };
    outcome(value(vm))
}

fn truth(vm: &mut Vm, condition: bool) -> Value {
    keyword(vm, if condition { ":true" } else { ":false" })
}

fn is_cancelled(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let answer = |vm: &mut Vm| -> Checked<Outcome> {
        let value = one(vm, "aio/cancelled?", arguments)?;
        let cancelled =
            handle_of(&vm.heap, value).is_some_and(|handle| handle.cell.is_cancel_requested());
        Ok(truth(vm, cancelled).into())
    };
    outcome(answer(vm))
}

/// `(aio/cancel handle)`: `:true` if it had not ended.
fn cancel_handle(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let answer = |vm: &mut Vm| -> Checked<Outcome> {
        let value = one(vm, "aio/cancel", arguments)?;
        let cancelled = cancel(vm, value);
        let answer = truth(vm, cancelled);
        Ok(now(vm, answer))
    };
    outcome(answer(vm))
}

/// `(aio/on-cancel handle f)`: the handle; `(f)` is called once if it is or gets cancelled.
fn on_cancel(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    outcome(on_cancel_checked(vm, arguments))
}

fn on_cancel_checked(vm: &mut Vm, arguments: &[Value]) -> Checked<Outcome> {
    let [value, callback] =
        exactly(vm, arguments, "aio/on-cancel: expected 2 arguments (handle fn)")?;
    let value = handle(vm, value, "aio/on-cancel: first argument must be a handle")?;
    let callback = function(vm, callback, "aio/on-cancel: second argument must be a function")?;
    vm.heap.touch_host(value);
    let call = Call::new(vm, callback, &[], Target::Cleanup);
    let late = {
        let object = handle_of(&vm.heap, value).expect("checked above");
        let mut body = object.body();
        let status = object.cell.status();
        if status.is_terminal() {
            (status == Status::Cancelled).then_some(call)
        } else {
            body.on_cancel.push(call);
            None
        }
    };
    if let Some(call) = late {
        executor::call_soon(vm, call);
    }
    Ok(now(vm, value))
}

fn pure(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    match *arguments {
        [value] => completed(vm, value).into(),
        _ => fail(vm, "aio/pure: expected 1 argument"),
    }
}

fn fail_with(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    match *arguments {
        [value] => settled(vm, End::Failed(value)).into(),
        _ => fail(vm, "aio/fail: expected 1 argument"),
    }
}

fn is_handle_value(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    Value::fixnum(i64::from(is_handle(vm, arguments[0]))).into()
}
