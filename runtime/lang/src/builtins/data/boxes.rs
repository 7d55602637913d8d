//! Boxes: variables that functions on several threads share, `box/*`.
//!
//! 1. A box knows which fiber changed it last. `box/update` calls its function again when another fiber
//!    changed the box meanwhile. When it was its own fiber, the function did it and would do it again
//!    each time, so that is an error.
//! 2. So is a change by what the function has started, such as a future that it waits for. A function
//!    that is called again is observed for that: the context of what it starts knows the update, and
//!    the box the updates for which it was changed last.

use crate::builtins::control::context;
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
    ("box/begin-update", Arity::Exactly(0), begin_update),
    ("box/end-update", Arity::Exactly(1), end_update),
    ("box/replace", Arity::Exactly(3), replace),
    ("box/replace-for", Arity::Exactly(4), replace_for),
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
    /// The updates for which that was done (rule 2).
    updates: Value,
}

/// Who changes a box.
#[derive(Clone, Copy)]
struct Changer {
    fiber: u64,
    updates: Value,
}

impl Changer {
    fn running(vm: &Vm) -> Changer {
        Changer { fiber: vm.running_fiber(), updates: context::updates(vm) }
    }
}

impl Held {
    /// Puts `new` in the place of `old`; false when the box holds something else.
    fn replace(&mut self, old: Value, new: Value, by: Changer) -> bool {
        let is_same = self.value == old;
        if is_same {
            self.set(new, by);
        }
        is_same
    }

    fn set(&mut self, value: Value, by: Changer) {
        *self = Held { value, changed_by: by.fiber, updates: by.updates };
    }
}

impl HostObject for SharedBox {
    fn trace(&mut self, tracer: &mut Tracer<'_>) {
        let held = self.0.get_mut().unwrap_or_else(PoisonError::into_inner);
        tracer.value(&mut held.value);
        tracer.value(&mut held.updates);
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
    let held = Held { value: arguments[0], changed_by: 0, updates: Value::NIL };
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
    let by = Changer::running(vm);
    match with_box(vm, arguments[0], |held| held.set(value, by)) {
        Some(()) => value.into(),
        None => wrong_type(vm, arguments[0], "Box"),
    }
}

/// `(box/compare-set b old new)`: 1 when the box held `old` itself and now holds `new`, else 0.
fn compare_set(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let by = Changer::running(vm);
    match with_box(vm, arguments[0], |held| held.replace(arguments[1], arguments[2], by)) {
        Some(changed) => truth(changed),
        None => wrong_type(vm, arguments[0], "Box"),
    }
}

/// Begins an update.
fn begin_update(vm: &mut Vm, _: &[Value]) -> Outcome {
    context::begin_update(vm).into()
}

/// Ends an update.
fn end_update(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    context::end_update(vm, arguments[0]);
    Value::NIL.into()
}

/// Whether `update` is among these.
fn is_among(mut updates: Value, update: Value) -> bool {
    while updates.is_pair() {
        if updates == update {
            return true;
        }
        updates = updates.tail();
    }
    false
}

/// The step of `box/update`, as `box/compare-set`: an error when this fiber has changed the box itself.
fn replace(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    replace_for(vm, &[arguments[0], arguments[1], arguments[2], Value::NIL])
}

/// The same for an update: an error also when what was started in it has changed the box.
fn replace_for(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let update = arguments[3];
    let by = Changer::running(vm);
    let replaced = with_box(vm, arguments[0], |held| {
        let is_replaced = held.replace(arguments[1], arguments[2], by);
        let is_own = || held.changed_by == by.fiber || is_among(held.updates, update);
        (is_replaced, !is_replaced && is_own())
    });
    match replaced {
        Some((_, true)) => vm.error(CHANGED_BY_ITSELF).into(),
        Some((is_replaced, false)) => truth(is_replaced),
        None => wrong_type(vm, arguments[0], "Box"),
    }
}
