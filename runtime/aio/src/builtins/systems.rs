//! `aio/start`, `aio/run`, `aio/stop`, `aio/on-loop-thread?`.

use super::{Checked, in_callback, outcome, system};
use crate::executor::{is_in_callback, pool};
use crate::handle::completed;
use crate::system::System;
use valk_heap::Value;
use valk_lang::builtins::fail;
use valk_vm::{Arity, NativeFn, Outcome, Vm};

pub(super) const TABLE: &[(&str, Arity, NativeFn)] = &[
    ("aio/start", Arity::AtMost(1), start),
    ("aio/run", Arity::Exactly(1), run),
    ("aio/stop", Arity::Exactly(1), stop),
    ("aio/on-loop-thread?", Arity::Exactly(1), on_loop_thread),
];

/// `(aio/start)` or `(aio/start config)`: a handle that has completed with a system.
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

/// `(aio/run system)`: nil when the system has stopped.
fn run(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let run = |vm: &mut Vm| -> Checked<Outcome> {
        let system = system(vm, "aio/run", arguments[0])?;
        let pool = pool(vm);
        if pool.signal().is_some() && !is_in_callback(vm) {
            // The signal came on the way here.
            pool.set_graceful();
        }
        Ok(Outcome::Suspend(system.stopped_handle(vm)))
    };
    outcome(run(vm))
}

/// `(aio/stop system)`: nil at once; the system stops as soon as it can.
fn stop(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let stop = |vm: &mut Vm| -> Checked<Outcome> {
        system(vm, "aio/stop", arguments[0])?.stop(vm);
        Ok(Value::NIL.into())
    };
    outcome(stop(vm))
}

/// `(aio/on-loop-thread? system)`: 1 in handlers and callbacks, 0 in a program's own code.
fn on_loop_thread(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let answer = |vm: &mut Vm| -> Checked<Outcome> {
        system(vm, "aio/on-loop-thread?", arguments[0])?;
        Ok(in_callback(vm).into())
    };
    outcome(answer(vm))
}
