//! The core builtins, one table per family.
//!
//! A typed builtin that is given an error where it needs another type returns that error unchanged
//! (decisions, "Error argument reaching a typed builtin").

mod boxes;
mod capture;
mod context;
mod continuations;
mod control;
mod errors;
mod files;
mod help;
mod integers;
mod json;
mod kinds;
mod lists;
mod maps;
mod memory;
pub(crate) use context::IdCounter;
pub use context::{RequestContext, remaining_deadline};
pub use memory::collector_report;
mod numbers;
mod output;
mod process;
mod random;
mod regex;
pub(crate) mod time;
pub use process::EXIT_CODE as process_exit_code;
mod strings;
pub use strings::{STRING_BYTES_MAX, new_string};
mod text;
mod vectors;
mod weak;

use valk_heap::Value;
use valk_vm::{Arity, NativeFn, NativeKind, Outcome, ReflectiveFn, Vm, type_name};

/// A plain builtin's row.
pub(crate) type Row = (&'static str, Arity, NativeFn);
/// A reflective builtin's row.
pub(crate) type ReflectiveRow = (&'static str, Arity, ReflectiveFn);

/// Registers every core builtin.
pub fn register(vm: &mut Vm) {
    let tables = [
        boxes::TABLE,
        capture::TABLE,
        context::TABLE,
        control::TABLE,
        errors::TABLE,
        files::TABLE,
        help::TABLE,
        integers::TABLE,
        json::TABLE,
        kinds::TABLE,
        lists::TABLE,
        maps::TABLE,
        memory::TABLE,
        numbers::TABLE,
        output::TABLE,
        process::TABLE,
        random::TABLE,
        regex::TABLE,
        strings::TABLE,
        text::TABLE,
        time::TABLE,
        vectors::TABLE,
        weak::TABLE,
    ];
    for (name, arity, run) in tables.into_iter().flatten() {
        vm.define_native(name, *arity, NativeKind::Plain(*run));
    }
    for (name, arity, run) in control::REFLECTIVE.iter().chain(continuations::REFLECTIVE) {
        vm.define_native(name, *arity, NativeKind::Reflective(*run));
    }
    let exit = vm.intern("exit");
    let exit = vm.global(exit).expect("registered above");
    let shutdown = vm.intern("shutdown");
    vm.set_global(shutdown, exit);
    vm.guard_primitives();
}

/// Registers further plain builtins, for crates above.
pub fn register_table(vm: &mut Vm, table: &[(&'static str, Arity, NativeFn)]) {
    for (name, arity, run) in table {
        vm.define_native(name, *arity, NativeKind::Plain(*run));
    }
}

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
            None => return $crate::builtins::wrong_type($vm, $value, "Number"),
        }
    };
}

/// Takes a string argument as owned bytes or leaves the builtin with the type error.
macro_rules! string {
    ($vm:expr, $value:expr) => {
        match $value.as_bytes(&$vm.heap) {
            Some(bytes) => bytes.to_vec(),
            None => return $crate::builtins::wrong_type($vm, $value, "String"),
        }
    };
}

pub(crate) use {number, string};
