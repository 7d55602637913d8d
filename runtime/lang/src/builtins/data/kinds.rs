//! Questions about the type of a value.

use crate::builtins::row::{Row, truth};
use valk_heap::Value;
use valk_vm::{Arity, Outcome, Vm, as_decimal, is_number, type_name};

pub(super) const TABLE: &[Row] = &[
    ("type", Arity::Exactly(1), type_of),
    ("number?", Arity::Exactly(1), is_any_number),
    ("integer?", Arity::Exactly(1), is_integer),
    ("decimal?", Arity::Exactly(1), is_decimal),
    ("string?", Arity::Exactly(1), is_string),
    ("symbol?", Arity::Exactly(1), is_symbol),
    ("keyword?", Arity::Exactly(1), is_keyword),
    ("function?", Arity::Exactly(1), is_function),
];

/// The name that error texts use, as a string.
fn type_of(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    vm.heap.string(type_name(arguments[0]).as_bytes()).into()
}

fn is_any_number(_: &mut Vm, arguments: &[Value]) -> Outcome {
    truth(is_number(arguments[0]))
}

fn is_integer(_: &mut Vm, arguments: &[Value]) -> Outcome {
    truth(arguments[0].as_integer().is_some())
}

fn is_decimal(_: &mut Vm, arguments: &[Value]) -> Outcome {
    truth(as_decimal(arguments[0]).is_some())
}

fn is_string(_: &mut Vm, arguments: &[Value]) -> Outcome {
    truth(arguments[0].is_string())
}

fn is_symbol(_: &mut Vm, arguments: &[Value]) -> Outcome {
    truth(arguments[0].is_symbol())
}

fn is_keyword(_: &mut Vm, arguments: &[Value]) -> Outcome {
    truth(arguments[0].is_keyword())
}

fn is_function(_: &mut Vm, arguments: &[Value]) -> Outcome {
    truth(Vm::is_function(arguments[0]))
}
