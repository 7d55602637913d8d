//! A builtin as a row of a table, and what its function makes of its arguments.
//!
//! A typed builtin that is given an error where it needs another type returns that error unchanged.

use valk_heap::Value;
use valk_vm::{Arity, NativeFn, Outcome, ReflectiveFn, Vm, type_name};

/// A plain builtin's row.
pub(crate) type Row = (&'static str, Arity, NativeFn);
/// A reflective builtin's row.
pub(crate) type ReflectiveRow = (&'static str, Arity, ReflectiveFn);

/// The outcome for a value of a wrong type: the error itself, or a type error.
pub fn wrong_type(vm: &mut Vm, value: Value, expected: &str) -> Outcome {
    if value.is_error() {
        return value.into();
    }
    let text = format!("Actual: {}, Expected(One-Of): [{expected}]", type_name(value));
    vm.error(&text).into()
}

/// An error outcome.
pub fn fail(vm: &mut Vm, text: &str) -> Outcome {
    vm.error(text).into()
}

/// 1 or 0.
pub fn truth(condition: bool) -> Outcome {
    Outcome::Value(if condition { Value::ONE } else { Value::ZERO })
}

/// Takes a number argument or leaves the builtin with the type error.
macro_rules! number {
    ($vm:expr, $value:expr) => {
        match $value.as_integer() {
            Some(number) => number,
            None => return $crate::builtins::row::wrong_type($vm, $value, "Number"),
        }
    };
}

/// Takes a string argument as owned bytes or leaves the builtin with the type error.
macro_rules! string {
    ($vm:expr, $value:expr) => {
        match $value.as_bytes(&$vm.heap) {
            Some(bytes) => bytes.to_vec(),
            None => return $crate::builtins::row::wrong_type($vm, $value, "String"),
        }
    };
}

pub(crate) use {number, string};
