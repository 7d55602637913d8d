//! Builders of text, `builder/*`: text that grows in a place, for code that has no use for the steps.
//!
//! A builder holds a string of the heap, to which it appends ([`valk_heap::Heap::append`]), so its text
//! counts as memory of the program and costs nothing to take.

use super::room::Text;
use super::strings::appended;
use crate::builtins::row::{Row, wrong_type};
use crate::print::Style;
use std::sync::{Mutex, PoisonError};
use valk_heap::{HostObject, Tracer, Value};
use valk_vm::{Arity, Outcome, Vm};

pub(super) const TABLE: &[Row] = &[
    ("builder", Arity::Any, new_builder),
    ("builder/add", Arity::MoreThan(0), add),
    ("builder/text", Arity::Exactly(1), text),
    ("builder/size", Arity::Exactly(1), size),
];

/// The text so far.
struct Builder(Mutex<Value>);

impl HostObject for Builder {
    fn trace(&mut self, tracer: &mut Tracer<'_>) {
        tracer.value(self.0.get_mut().unwrap_or_else(PoisonError::into_inner));
    }
    fn type_name(&self) -> &'static str {
        "builder"
    }
}

impl Builder {
    fn text(&self) -> Value {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The text of a builder or leaves the builtin with the type error.
macro_rules! held {
    ($vm:expr, $value:expr) => {
        match $value.host::<Builder>(&$vm.heap) {
            Some(builder) => builder.text(),
            None => return wrong_type($vm, $value, "Builder"),
        }
    };
}

/// The display forms of values.
fn displayed(vm: &Vm, values: &[Value]) -> Text {
    let mut text = Text::default();
    for value in values {
        text.print(&vm.heap, *value, Style::Display);
    }
    text
}

/// `(builder value …)`: a builder that begins with the display forms of the values.
fn new_builder(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let empty = vm.heap.string(b"");
    match displayed(vm, arguments).append_to(vm, empty) {
        Ok(text) => vm.heap.host(Box::new(Builder(Mutex::new(text)))).into(),
        Err(instead) => instead,
    }
}

/// `(builder/add b value …)`: the builder.
fn add(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let mut before = held!(vm, arguments[0]);
    let more = match displayed(vm, &arguments[1..]).bytes(&vm.heap) {
        Ok(more) => more,
        Err(refusal) => return refusal,
    };
    loop {
        let text = match appended(vm, before, &more) {
            Ok(text) => text,
            Err(instead) => return instead,
        };
        vm.heap.touch_host(arguments[0]);
        let builder = arguments[0].host::<Builder>(&vm.heap).expect("looked at above");
        let mut held = builder.0.lock().unwrap_or_else(PoisonError::into_inner);
        if *held == before {
            *held = text;
            return arguments[0].into();
        }
        // Another thread has added something meanwhile.
        before = *held;
    }
}

fn text(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    held!(vm, arguments[0]).into()
}

/// Number of bytes.
fn size(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let text = held!(vm, arguments[0]);
    Value::fixnum(text.bytes(&vm.heap).len() as i64).into()
}
