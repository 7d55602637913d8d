//! A builtin as a row of a table, and what its function makes of its arguments.
//!
//! A typed builtin that is given an error where it needs another type returns that error unchanged.

use std::path::PathBuf;
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

/// The outcome of a builtin that takes errors and cannot go on: the first error among its arguments,
/// which is the cause, or an error of this text.
pub(crate) fn fail_over(vm: &mut Vm, arguments: &[Value], text: &str) -> Outcome {
    match arguments.iter().find(|argument| argument.is_error()) {
        Some(cause) => (*cause).into(),
        None => fail(vm, text),
    }
}

/// 1 or 0.
pub fn truth(condition: bool) -> Outcome {
    Outcome::Value(if condition { Value::ONE } else { Value::ZERO })
}

/// Bytes as a path: the system's paths are bytes, whatever they say.
pub(crate) fn path_of(bytes: &[u8]) -> PathBuf {
    use std::os::unix::ffi::OsStrExt;
    PathBuf::from(std::ffi::OsStr::from_bytes(bytes))
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

/// Borrows the bytes of a string argument from the heap or leaves the builtin with the type error.
macro_rules! bytes {
    ($vm:expr, $value:expr) => {
        match $value.as_bytes(&$vm.heap) {
            Some(bytes) => bytes,
            None => return $crate::builtins::row::wrong_type($vm, $value, "String"),
        }
    };
}

/// Takes a string argument as owned bytes or leaves the builtin with the type error.
macro_rules! string {
    ($vm:expr, $value:expr) => {
        $crate::builtins::row::bytes!($vm, $value).to_vec()
    };
}

/// Borrows the text of a string argument from the heap or leaves the builtin named `name` with the
/// type error, or the one that says where the string is not UTF-8.
macro_rules! text {
    ($vm:expr, $name:expr, $value:expr) => {
        match $value.as_text(&$vm.heap) {
            Some(Ok(text)) => text,
            Some(Err(at)) => {
                let problem = format!("{}: the string is not UTF-8 at byte {at}", $name);
                return $crate::builtins::row::fail($vm, &problem);
            }
            None => return $crate::builtins::row::wrong_type($vm, $value, "String"),
        }
    };
}

/// Leaves the builtin, which is called again after a collection, unless so many bytes have room.
macro_rules! ask {
    ($vm:expr, $bytes:expr) => {
        let bytes = $bytes;
        if $vm.heap.room(bytes).is_err() {
            return valk_vm::Outcome::NeedsRoom(bytes);
        }
    };
}

pub(crate) use {ask, bytes, number, string, text};
