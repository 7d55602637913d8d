//! Time and process.

use crate::builtins::row::{Row, number, string, wrong_type};
use crate::runtime::Language;
use std::sync::atomic::Ordering;
use std::time::Duration;
use valk_decimal::UNITS_PER_ONE;
use valk_heap::Value;
use valk_log::Level;
use valk_vm::{Arity, Outcome, Vm, as_decimal};

/// The global that decides the exit status.
pub const EXIT_CODE: &str = "VALK_EXIT_CODE";

pub(super) const TABLE: &[Row] = &[
    ("time-us", Arity::Any, time_us),
    ("sleep", Arity::Exactly(1), sleep),
    ("stack-depth", Arity::Any, stack_depth),
    ("exit", Arity::AtMost(1), exit),
    ("process/set-status", Arity::Exactly(1), set_status),
    ("sys/log/set-level", Arity::Exactly(1), set_log_level),
];

fn time_us(vm: &mut Vm, _: &[Value]) -> Outcome {
    Value::fixnum(vm.extension::<Language>().clock.monotonic_us()).into()
}

fn sleep(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let time = match milliseconds(arguments[0]) {
        Some(Duration::ZERO) => return Value::NIL.into(),
        Some(time) => time,
        None => return wrong_type(vm, arguments[0], "Number"),
    };
    vm.extension::<Language>().output.flush();
    Outcome::blocking(move || std::thread::sleep(time), |_, ()| Value::NIL.into())
}

/// In a millisecond.
const MICROSECONDS: i128 = 1000;

/// A number of milliseconds, which may have a point; nothing for what is no number. A negative one is
/// none: what is left of a time may be less than nothing.
pub fn milliseconds(value: Value) -> Option<Duration> {
    let units = match (value.as_integer(), as_decimal(value)) {
        (Some(whole), _) => i128::from(whole) * UNITS_PER_ONE,
        (None, Some(decimal)) => decimal.units(),
        (None, None) => return None,
    };
    let microseconds = units.max(0) / (UNITS_PER_ONE / MICROSECONDS);
    Some(Duration::from_micros(u64::try_from(microseconds).unwrap_or(u64::MAX)))
}

fn stack_depth(_: &mut Vm, _: &[Value]) -> Outcome {
    Outcome::Depth
}

/// Sets the least important level of log lines that is shown; its name is the result.
fn set_log_level(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let level = string!(vm, arguments[0]);
    let level = Level::from_name(&String::from_utf8_lossy(&level));
    vm.extension::<Language>().log_threshold.set(level);
    arguments[0].into()
}

/// Makes a number the exit status; the status as a value.
fn use_status(vm: &mut Vm, code: i64) -> Value {
    let value = vm.heap.integer(code);
    let symbol = vm.intern(EXIT_CODE);
    vm.set_global(symbol, value);
    vm.extension::<Language>().exit_status.store(code as u8, Ordering::Relaxed);
    value
}

fn exit(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let code = match arguments {
        [] => 0,
        [code, ..] => number!(vm, *code),
    };
    let value = use_status(vm, code);
    vm.extension::<Language>().stopping.store(true, Ordering::Relaxed);
    value.into()
}

/// `(process/set-status code)`: as `exit`, but stops nothing.
fn set_status(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let code = number!(vm, arguments[0]);
    use_status(vm, code).into()
}
