//! Boxes: variables that functions on several threads share, `box/*`.

use super::{Row, truth, wrong_type};
use std::sync::{Mutex, PoisonError};
use valk_heap::{HostObject, Tracer, Value};
use valk_vm::{Arity, Outcome, Vm};

pub(super) const TABLE: &[Row] = &[
    ("box", Arity::Curried(1), new_box),
    ("box?", Arity::Curried(1), is_box),
    ("box/get", Arity::Curried(1), get),
    ("box/set", Arity::Curried(2), set),
    ("box/compare-set", Arity::Curried(3), compare_set),
];

/// The variable.
struct SharedBox(Mutex<Value>);

impl HostObject for SharedBox {
    fn trace(&mut self, tracer: &mut Tracer<'_>) {
        tracer.value(self.0.get_mut().unwrap_or_else(PoisonError::into_inner));
    }
    fn type_name(&self) -> &'static str {
        "box"
    }
}

/// Does something with the value of a box, which is announced to the heap as changed; `None` when
/// the value is no box.
fn with_box<T>(vm: &mut Vm, value: Value, change: impl FnOnce(&mut Value) -> T) -> Option<T> {
    value.host::<SharedBox>(&vm.heap)?;
    vm.heap.touch_host(value);
    let shared = value.host::<SharedBox>(&vm.heap)?;
    Some(change(&mut shared.0.lock().unwrap_or_else(PoisonError::into_inner)))
}

fn new_box(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    vm.heap.host(Box::new(SharedBox(Mutex::new(arguments[0])))).into()
}

fn is_box(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    truth(arguments[0].host::<SharedBox>(&vm.heap).is_some())
}

fn get(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let Some(shared) = arguments[0].host::<SharedBox>(&vm.heap) else {
        return wrong_type(vm, arguments[0], "Box");
    };
    let value = *shared.0.lock().unwrap_or_else(PoisonError::into_inner);
    value.into()
}

/// `(box/set b value)`: the value.
fn set(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let value = arguments[1];
    match with_box(vm, arguments[0], |held| *held = value) {
        Some(()) => value.into(),
        None => wrong_type(vm, arguments[0], "Box"),
    }
}

/// `(box/compare-set b old new)`: 1 when the box held `old` itself and now holds `new`, else 0.
fn compare_set(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let [old, new] = [arguments[1], arguments[2]];
    let changed = with_box(vm, arguments[0], |held| {
        let same = *held == old;
        if same {
            *held = new;
        }
        same
    });
    match changed {
        Some(changed) => truth(changed),
        None => wrong_type(vm, arguments[0], "Box"),
    }
}
