//! What an error value knows: message, place, calls, cause.

use crate::builtins::row::{Row, wrong_type};
use crate::calls::{Call, calls};
use crate::runtime::Language;
use crate::source::{self, Place};
use valk_heap::{ERROR_CAUSE, ERROR_FIELDS, ERROR_MESSAGE, Value};
use valk_vm::{Arity, Outcome, Vm};

pub(super) const TABLE: &[Row] = &[
    ("error/message", Arity::Exactly(1), message),
    ("error/location", Arity::Exactly(1), location),
    ("error/trace", Arity::Exactly(1), trace),
    ("error/cause", Arity::Exactly(1), cause),
    ("error/with-cause", Arity::Exactly(2), with_cause),
];

/// Leaves the builtin with a type error unless the argument is an error.
macro_rules! error_argument {
    ($vm:expr, $value:expr) => {
        if !$value.is_error() {
            return wrong_type($vm, $value, "Error");
        }
    };
}

fn message(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    error_argument!(vm, arguments[0]);
    arguments[0].field(ERROR_MESSAGE).into()
}

/// A quoted list.
fn list(vm: &mut Vm, items: &[Value]) -> Value {
    items.iter().rev().fold(Value::NIL, |rest, &item| vm.heap.cons(item, rest, true))
}

/// File, line and column as values.
fn place_values(vm: &mut Vm, place: &Place) -> [Value; 3] {
    [
        vm.heap.string(place.file.as_bytes()),
        Value::fixnum(i64::from(place.line)),
        Value::fixnum(i64::from(place.column)),
    ]
}

fn location(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    error_argument!(vm, arguments[0]);
    let span = source::location(arguments[0]);
    let place = span.and_then(|span| vm.extension::<Language>().sources.read().place(span));
    match place {
        Some(place) => {
            let values = place_values(vm, &place);
            list(vm, &values).into()
        }
        None => Value::NIL.into(),
    }
}

fn trace(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    error_argument!(vm, arguments[0]);
    let mut entries = Vec::new();
    for Call { name, place } in calls(vm, arguments[0]) {
        let mut items = vec![vm.heap.string(name.as_bytes())];
        if let Some(place) = place {
            items.extend(place_values(vm, &place));
        }
        entries.push(list(vm, &items));
    }
    list(vm, &entries).into()
}

fn cause(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    error_argument!(vm, arguments[0]);
    arguments[0].field(ERROR_CAUSE).into()
}

/// A copy: errors do not change, so causes cannot form a ring.
fn with_cause(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let (error, cause) = (arguments[0], arguments[1]);
    error_argument!(vm, error);
    error_argument!(vm, cause);
    let copy = vm.heap.error(error.field(ERROR_MESSAGE));
    for index in (0..ERROR_FIELDS).filter(|index| *index != ERROR_MESSAGE) {
        let value = if index == ERROR_CAUSE { cause } else { error.field(index) };
        vm.heap.write(copy, index, value);
    }
    copy.into()
}
