//! Responses that programs need often: `res/text`, `res/json`, `res/redirect`.

use valk_heap::Value;
use valk_lang::builtins::{fail, wrong_type};
use valk_lang::property_list::build;
use valk_vm::{Arity, NativeFn, NativeKind, Outcome, Vm};

pub(super) const TABLE: &[(&str, Arity, NativeFn)] = &[
    ("res/text", Arity::Any, text),
    ("res/json", Arity::Any, json),
    ("res/redirect", Arity::Any, redirect),
];

/// The value and the status of a call; a status has to be one of `statuses`.
fn checked(
    vm: &mut Vm,
    name: &str,
    arguments: &[Value],
    (default, statuses): (i64, std::ops::RangeInclusive<i64>),
) -> Result<(Value, Value), Outcome> {
    let (value, status) = match *arguments {
        [value] => (value, Value::fixnum(default)),
        [value, status] => (value, status),
        _ => {
            let given = arguments.len();
            let text = format!("{name}: expected 1-2 arguments (value [status]), got {given}");
            return Err(fail(vm, &text));
        }
    };
    match status.as_integer() {
        Some(number) if statuses.contains(&number) => Ok((value, status)),
        _ => {
            let (first, last) = statuses.into_inner();
            Err(fail(vm, &format!("{name}: the status must be a number from {first} to {last}")))
        }
    }
}

/// Any final status.
const FINAL: (i64, std::ops::RangeInclusive<i64>) = (200, 200..=599);

fn of_type(vm: &mut Vm, status: Value, content_type: &str, body: Value) -> Outcome {
    let content_type = vm.heap.string(content_type.as_bytes());
    build(vm, &[(":status", status), (":content-type", content_type), (":body", body)]).into()
}

fn text(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    match checked(vm, "res/text", arguments, FINAL) {
        Ok((value, status)) => of_type(vm, status, "text/plain; charset=utf-8", value),
        Err(outcome) => outcome,
    }
}

fn json(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let (value, status) = match checked(vm, "res/json", arguments, FINAL) {
        Ok(checked) => checked,
        Err(outcome) => return outcome,
    };
    let encode = vm.builtin("json/encode").and_then(Value::as_builtin).expect("a core builtin");
    let NativeKind::Plain(encode) = vm.native(encode).kind else {
        unreachable!("json/encode is plain")
    };
    match encode(vm, &[value]) {
        Outcome::Value(body) if !body.is_error() => of_type(vm, status, "application/json", body),
        other => other,
    }
}

fn redirect(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let (location, status) = match checked(vm, "res/redirect", arguments, (302, 300..=399)) {
        Ok(checked) => checked,
        Err(outcome) => return outcome,
    };
    if location.as_bytes(&vm.heap).is_none() {
        return wrong_type(vm, location, "String");
    }
    let value = vm.heap.cons(location, Value::NIL, true);
    let name = vm.heap.string(b"location");
    let field = vm.heap.cons(name, value, true);
    let fields = vm.heap.cons(field, Value::NIL, true);
    build(vm, &[(":status", status), (":headers", fields)]).into()
}
