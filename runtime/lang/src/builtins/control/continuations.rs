//! `reset` and `shift` as values.
//!
//! The compiler inlines their literal uses; these serve computed arguments and uses as values by
//! handing the literal form back to be evaluated.

use super::forms::{literal, own_form, quoted};
use crate::builtins::row::{ReflectiveRow, fail, wrong_type};
use valk_heap::Value;
use valk_vm::{Arity, Outcome, Vm};

pub(super) const REFLECTIVE: &[ReflectiveRow] = &[
    ("reset", Arity::Exactly(1), reset),
    ("async-reset", Arity::Exactly(1), reset),
    ("shift", Arity::MoreThan(0), shift),
    ("async-shift", Arity::MoreThan(0), shift),
];

fn reset(vm: &mut Vm, _: Value, arguments: &[Value]) -> Outcome {
    let body = arguments[0];
    if body.is_pair() && body.is_quoted() {
        return Outcome::Evaluate(own_form(vm, "reset", &[body]));
    }
    body.into()
}

fn shift(vm: &mut Vm, _: Value, arguments: &[Value]) -> Outcome {
    match arguments {
        [function] if Vm::is_function(*function) => {
            Outcome::Evaluate(own_form(vm, "shift", &[*function]))
        }
        [other] => wrong_type(vm, *other, "Function"),
        [name, body] => {
            if !name.is_pair() || !name.head().is_symbol() || !name.tail().is_nil() {
                let text = "shift: the first argument is a list with the continuation's name";
                return if name.is_error() { (*name).into() } else { fail(vm, text) };
            }
            let body = if body.is_pair() { literal(*body) } else { quoted(vm, *body) };
            Outcome::Evaluate(own_form(vm, "shift", &[literal(*name), body]))
        }
        more => fail(vm, &format!("shift requires 1-2 arguments, got {}", more.len())),
    }
}
