//! The builtins of this crate, and how their arguments are checked.
//!
//! Each family has its table beside its functions; [`register`] is the one list of them.

mod combinators;
mod forms;
mod handles;
mod systems;
mod timers;

use crate::executor::{self, ExecutorState, Pool};
use crate::handle::is_handle;
use crate::system::{System, system_of};
use crate::time::ExecutorClock;
use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;
use valk_heap::Value;
use valk_lang::builtins::{fail, register_table, take_errors};
use valk_lang::{HostClock, Language, SharedVm};
use valk_net::Clock;
use valk_vm::{Arity, NativeFn, Outcome, Vm};

/// The tables of this crate.
const TABLES: &[&[(&str, Arity, NativeFn)]] = &[
    systems::TABLE,
    handles::TABLE,
    timers::TABLE,
    combinators::TABLE,
    forms::TABLE,
    crate::futures::TABLE,
    crate::metrics::TABLE,
    crate::program_metrics::TABLE,
    crate::pools::TABLE,
    crate::diagnostics::TABLE,
];

/// Those that take errors: they store one, or tell what a value is.
const TAKERS: &[&str] = &["aio/pure", "aio/fail", "promise/deliver", "handle?"];

/// Registers the builtins of this crate in the first VM of a runtime, which runs in the time of the
/// system.
pub fn register(vm: &SharedVm) {
    register_with(vm, Clock::system());
}

/// The same, in the time of `clock`.
pub fn register_with(vm: &SharedVm, clock: Clock) {
    let vm = &mut *vm.borrow_mut();
    let clock = ExecutorClock::new(clock);
    let language = vm.extension::<Language>();
    language.clock = HostClock::new(clock);
    language.wait_for_output = Some(crate::output::wait_for_room);
    let pool = Arc::new(Pool::new(language, clock));
    let state = Arc::new(ExecutorState::new(0, Arc::clone(&pool)));
    state.install(vm);
    // The first executor has no calls that wait for it.
    drop(pool.add(&state));
    for table in TABLES {
        register_table(vm, table);
    }
    take_errors(vm, TAKERS);
    forms::register_rewrites(vm);
}

/// A check that failed, with the outcome that says so.
type Checked<T> = Result<T, Outcome>;

/// Takes exactly `N` arguments, or gives the error `text`, which is made only then.
fn exactly<const N: usize>(
    vm: &mut Vm,
    arguments: &[Value],
    text: impl Display,
) -> Checked<[Value; N]> {
    <[Value; N]>::try_from(arguments).map_err(|_| fail(vm, &text.to_string()))
}

/// Checks that a value is a handle.
fn handle(vm: &mut Vm, value: Value, text: impl Display) -> Checked<Value> {
    if is_handle(vm, value) { Ok(value) } else { Err(fail(vm, &text.to_string())) }
}

/// Checks that a value can be called.
fn function(vm: &mut Vm, value: Value, text: impl Display) -> Checked<Value> {
    if Vm::is_function(value) { Ok(value) } else { Err(fail(vm, &text.to_string())) }
}

/// Checks that a value is a number of milliseconds. Another value gives the error `text`.
fn milliseconds(vm: &mut Vm, value: Value, text: &str) -> Checked<Duration> {
    valk_lang::builtins::milliseconds(value).ok_or_else(|| fail(vm, text))
}

/// Checks that a value is a system.
fn system(vm: &mut Vm, name: &str, value: Value) -> Checked<System> {
    match system_of(vm, value) {
        Some(system) => Ok(system),
        None => Err(fail(vm, &format!("{name}: Expected AIO system reference"))),
    }
}

/// The outcome of a builtin that may have failed a check.
fn outcome(checked: Checked<Outcome>) -> Outcome {
    checked.unwrap_or_else(|failed| failed)
}

/// The result of a builtin that may have caused functions to be called.
fn now(vm: &mut Vm, value: Value) -> Outcome {
    executor::after_urgent(vm, value)
}

/// 1 if the running function was called by an event loop.
fn in_callback(vm: &mut Vm) -> Value {
    if executor::is_in_callback(vm) { Value::ONE } else { Value::ZERO }
}
