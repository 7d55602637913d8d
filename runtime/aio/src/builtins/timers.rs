//! `aio/sleep`, `aio/schedule`, `aio/interval`, `aio/never`, and `sleep`.

use super::{Checked, exactly, milliseconds, outcome, system};
use crate::combinators::Node;
use crate::combinators::timer::{OnTime, start};
use crate::combinators::within::{AtTimeout, start as within};
use crate::handle::{failed, with_node};
use crate::system::system_of;
use std::time::Duration;
use valk_heap::Value;
use valk_lang::Language;
use valk_lang::builtins::{DEADLINE_EXCEEDED, fail, wrong_type};
use valk_vm::{Arity, NativeFn, Outcome, Vm, is_number};

pub(super) const TABLE: &[(&str, Arity, NativeFn)] = &[
    ("aio/sleep", Arity::Any, sleep),
    ("aio/schedule", Arity::Exactly(3), schedule),
    ("aio/interval", Arity::Exactly(3), interval),
    ("aio/never", Arity::Any, never),
    ("sleep", Arity::Exactly(1), pause),
];

/// `(aio/sleep system ms)`: a handle that completes with nil after that time, or at the deadline
/// of the context.
fn sleep(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    outcome(sleep_checked(vm, arguments))
}

fn sleep_checked(vm: &mut Vm, arguments: &[Value]) -> Checked<Outcome> {
    let [owner, time] = exactly(vm, arguments, "aio/sleep: expected 2 arguments (sys ms)")?;
    let system = system(vm, "aio/sleep", owner)?;
    let time = milliseconds(vm, time, "aio/sleep: second argument must be a number")?;
    let time = match valk_lang::remaining_deadline(vm) {
        Some(Duration::ZERO) => return Ok(failed(vm, DEADLINE_EXCEEDED).into()),
        Some(left) => time.min(left),
        None => time,
    };
    Ok(start(vm, Some(&system), time, OnTime::Complete).into())
}

/// `(sleep ms)`: the fiber waits that long; others go on. An error at the deadline of the context.
fn pause(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    if !is_number(arguments[0]) {
        return wrong_type(vm, arguments[0], "Number");
    }
    let time = match milliseconds(vm, arguments[0], "") {
        Ok(Duration::ZERO) => return Value::NIL.into(),
        Ok(time) => time,
        Err(failed) => return failed,
    };
    vm.extension::<Language>().output.flush();
    match valk_lang::remaining_deadline(vm) {
        Some(Duration::ZERO) => fail(vm, DEADLINE_EXCEEDED),
        Some(left) if left < time => {
            let node = Node::promise(vm);
            let never = with_node(vm, node);
            Outcome::Suspend(within(vm, never, left, AtTimeout::Deadline))
        }
        _ => Outcome::Suspend(start(vm, None, time, OnTime::Complete)),
    }
}

/// The arguments of `aio/schedule` and `aio/interval`.
fn timed(vm: &mut Vm, name: &str, arguments: &[Value]) -> Checked<(Value, Duration, Value)> {
    let [owner, time, function] = [arguments[0], arguments[1], arguments[2]];
    if system_of(vm, owner).is_none() {
        return Err(fail(vm, &format!("{name}: invalid AIO system")));
    }
    if !is_number(time) {
        return Err(wrong_type(vm, time, "Number"));
    }
    let time = milliseconds(vm, time, "")?;
    if !Vm::is_function(function) {
        return Err(wrong_type(vm, function, "Function"));
    }
    Ok((owner, time, function))
}

/// `(aio/schedule system ms f)`: a handle that completes with the value of `(f)` after that time.
fn schedule(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let start = |vm: &mut Vm| -> Checked<Outcome> {
        let (owner, time, function) = timed(vm, "aio/schedule", arguments)?;
        let system = system(vm, "aio/schedule", owner)?;
        Ok(start(vm, Some(&system), time, OnTime::Call(function)).into())
    };
    outcome(start(vm))
}

/// `(aio/interval system ms f)`: calls `(f)` every so often until it returns `:stop`.
fn interval(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let start = |vm: &mut Vm| -> Checked<Outcome> {
        let (owner, time, function) = timed(vm, "aio/interval", arguments)?;
        let system = system(vm, "aio/interval", owner)?;
        // A period of nothing would leave no time for anything else.
        let time = time.max(Duration::from_millis(1));
        Ok(start(vm, Some(&system), time, OnTime::Repeat(function, time)).into())
    };
    outcome(start(vm))
}

/// `(aio/never system)`: a handle that ends only by cancellation.
fn never(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let start = |vm: &mut Vm| -> Checked<Outcome> {
        let [owner] = exactly(vm, arguments, "aio/never: expected 1 argument (aio system)")?;
        let system = system(vm, "aio/never", owner)?;
        Ok(start(vm, Some(&system), Duration::ZERO, OnTime::Never).into())
    };
    outcome(start(vm))
}
