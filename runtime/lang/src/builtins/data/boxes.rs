//! Boxes: variables that functions on several threads share, `box/*`.
//!
//! 1. A box knows which fiber changed it last. `box/update` calls its function again when another fiber
//!    changed the box meanwhile. When it was its own fiber, the function did it and would do it again
//!    each time, so that is an error.

use crate::builtins::row::{Row, truth, wrong_type};
use std::sync::{Mutex, PoisonError};
use valk_heap::{HostObject, Tracer, Value};
use valk_vm::{Arity, Outcome, Vm};

pub(super) const TABLE: &[Row] = &[
    ("box", Arity::Curried(1), new_box),
    ("box?", Arity::Curried(1), is_box),
    ("box/get", Arity::Curried(1), get),
    ("box/set", Arity::Curried(2), set),
    ("box/compare-set", Arity::Curried(3), compare_set),
    ("box/replace", Arity::Exactly(3), replace),
];

/// What `box/update` says when its function changed the box (rule 1).
const CHANGED_BY_ITSELF: &str = "box/update: the box is being updated by this function";

/// The variable.
struct SharedBox(Mutex<Held>);

/// What a box holds.
struct Held {
    value: Value,
    /// The fiber that put it there; 0 for the value the box was made with.
    changed_by: u64,
}

impl Held {
    /// Puts `new` in the place of `old`; false when the box holds something else.
    fn replace(&mut self, old: Value, new: Value, fiber: u64) -> bool {
        let is_same = self.value == old;
        if is_same {
            *self = Held { value: new, changed_by: fiber };
        }
        is_same
    }
}

impl HostObject for SharedBox {
    fn trace(&mut self, tracer: &mut Tracer<'_>) {
        tracer.value(&mut self.0.get_mut().unwrap_or_else(PoisonError::into_inner).value);
    }
    fn type_name(&self) -> &'static str {
        "box"
    }
}

/// Does something with the value of a box, which is announced to the heap as changed; `None` when
/// the value is no box.
fn with_box<T>(vm: &mut Vm, value: Value, change: impl FnOnce(&mut Held) -> T) -> Option<T> {
    value.host::<SharedBox>(&vm.heap)?;
    vm.heap.touch_host(value);
    let shared = value.host::<SharedBox>(&vm.heap)?;
    Some(change(&mut shared.0.lock().unwrap_or_else(PoisonError::into_inner)))
}

fn new_box(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let held = Held { value: arguments[0], changed_by: 0 };
    vm.heap.host(Box::new(SharedBox(Mutex::new(held)))).into()
}

fn is_box(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    truth(arguments[0].host::<SharedBox>(&vm.heap).is_some())
}

fn get(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let Some(shared) = arguments[0].host::<SharedBox>(&vm.heap) else {
        return wrong_type(vm, arguments[0], "Box");
    };
    let value = shared.0.lock().unwrap_or_else(PoisonError::into_inner).value;
    value.into()
}

/// `(box/set b value)`: the value.
fn set(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let value = arguments[1];
    let changed_by = vm.running_fiber();
    match with_box(vm, arguments[0], |held| *held = Held { value, changed_by }) {
        Some(()) => value.into(),
        None => wrong_type(vm, arguments[0], "Box"),
    }
}

/// `(box/compare-set b old new)`: 1 when the box held `old` itself and now holds `new`, else 0.
fn compare_set(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let fiber = vm.running_fiber();
    match with_box(vm, arguments[0], |held| held.replace(arguments[1], arguments[2], fiber)) {
        Some(changed) => truth(changed),
        None => wrong_type(vm, arguments[0], "Box"),
    }
}

/// The step of `box/update`, as `box/compare-set`: an error when this fiber has changed the box itself.
fn replace(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let fiber = vm.running_fiber();
    let replaced = with_box(vm, arguments[0], |held| {
        let is_replaced = held.replace(arguments[1], arguments[2], fiber);
        (is_replaced, !is_replaced && held.changed_by == fiber)
    });
    match replaced {
        Some((_, true)) => vm.error(CHANGED_BY_ITSELF).into(),
        Some((is_replaced, false)) => truth(is_replaced),
        None => wrong_type(vm, arguments[0], "Box"),
    }
}
