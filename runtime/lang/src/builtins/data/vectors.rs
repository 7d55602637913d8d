//! Persistent vectors: `vec/*`. Elements are counted from 0.

use super::maps::{answer, list, with_room};
use crate::builtins::row::{Row, ask, fail, number, truth, wrong_type};
use crate::compile::elements;
use valk_heap::{Kind, Value};
use valk_vm::persistent::vector;
use valk_vm::{Arity, Outcome, Vm};

pub(super) const TABLE: &[Row] = &[
    ("vec?", Arity::Exactly(1), is_vector),
    ("vec/of", Arity::Any, of),
    ("vec/make", Arity::Exactly(2), make),
    ("vec/from-list", Arity::Exactly(1), from_list),
    ("vec/to-list", Arity::Exactly(1), to_list),
    ("vec/size", Arity::Exactly(1), size),
    ("vec/get", Arity::MoreThan(1), get),
    ("vec/set", Arity::Exactly(3), set),
    ("vec/push", Arity::MoreThan(1), push),
    ("vec/pop", Arity::Exactly(1), pop),
    ("vec/last", Arity::Exactly(1), last),
    ("vec/slice", Arity::Exactly(3), slice),
    ("vec/concat", Arity::MoreThan(0), concat),
];

/// Leaves the builtin with the type error unless the value is a vector.
macro_rules! vector {
    ($vm:expr, $value:expr) => {
        if $value.kind() == Kind::Vector {
            $value
        } else {
            return wrong_type($vm, $value, "Vector");
        }
    };
}

fn is_vector(_: &mut Vm, arguments: &[Value]) -> Outcome {
    truth(arguments[0].kind() == Kind::Vector)
}

/// Bytes of a new vector of so many elements.
fn new_bytes(elements: usize) -> usize {
    elements.saturating_mul(2 * size_of::<Value>())
}

/// A new vector, if there is room.
fn new(vm: &mut Vm, elements: &[Value]) -> Outcome {
    answer(with_room(vm, new_bytes(elements.len()), elements.len(), |vm| {
        vector::from_slice(&mut vm.heap, elements)
    }))
}

fn of(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    new(vm, arguments)
}

/// `(vec/make n x)`: n times x.
fn make(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let count = number!(vm, arguments[0]);
    let Ok(count) = usize::try_from(count) else {
        return fail(vm, "vec/make: the size is negative");
    };
    answer(with_room(vm, new_bytes(count), count, |vm| {
        vector::from_slice(&mut vm.heap, &vec![arguments[1]; count])
    }))
}

fn from_list(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    if !arguments[0].is_list() {
        return wrong_type(vm, arguments[0], "List, Nil");
    }
    new(vm, &elements(arguments[0]))
}

fn to_list(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let vector = vector!(vm, arguments[0]);
    let size = vector::size(vector);
    answer(with_room(vm, new_bytes(size), size, |vm| {
        list(vm, vector::elements(&vm.heap, vector).into_iter())
    }))
}

fn size(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let vector = vector!(vm, arguments[0]);
    Value::fixnum(vector::size(vector) as i64).into()
}

/// The error for an index without an element.
fn no_element(vm: &mut Vm, name: &str, vector: Value, index: i64) -> Outcome {
    let size = vector::size(vector);
    fail(vm, &format!("{name}: no element {index} in a vector of {size}, counted from 0"))
}

/// `(vec/get v i)` or `(vec/get v i default)`.
fn get(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    if let [vector, index, ..] = *arguments
        && arguments.len() <= 3
        && vector.kind() == Kind::Vector
        && index.is_fixnum()
        && let Ok(index) = usize::try_from(index.as_fixnum())
        && let Some(element) = vector::get_newest(&vm.heap, vector, index)
    {
        return element.into();
    }
    let vector = vector!(vm, arguments[0]);
    let index = number!(vm, arguments[1]);
    if arguments.len() > 3 {
        let text = format!("Invalid argument count, Actual[{}] <= Expected[3]", arguments.len());
        return fail(vm, &text);
    }
    let element = usize::try_from(index).ok().and_then(|at| vector::get(&mut vm.heap, vector, at));
    match (element, arguments.get(2)) {
        (Some(element), _) => element.into(),
        (None, Some(default)) => (*default).into(),
        (None, None) => no_element(vm, "vec/get", vector, index),
    }
}

/// `(vec/set v i x)`: element i must be there.
fn set(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let vector = vector!(vm, arguments[0]);
    let index = number!(vm, arguments[1]);
    let size = vector::size(vector);
    let Some(at) = usize::try_from(index).ok().filter(|&at| at < size) else {
        return no_element(vm, "vec/set", vector, index);
    };
    if let Some(changed) = vector::set_at_once(&mut vm.heap, vector, at, arguments[2]) {
        return changed.into();
    }
    answer(with_room(vm, vector::change_bytes(&vm.heap, vector), size, |vm| {
        vector::set(&mut vm.heap, vector, at, arguments[2])
    }))
}

/// `(vec/push v x …)`.
fn push(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let vector = vector!(vm, arguments[0]);
    let more = &arguments[1..];
    if let [element] = *more {
        let size = vector::size(vector);
        if let Some(longer) = vector::set_at_once(&mut vm.heap, vector, size, element) {
            return longer.into();
        }
    }
    let bytes = vector::change_bytes(&vm.heap, vector) + new_bytes(2 * more.len());
    answer(with_room(vm, bytes, vector::size(vector) + more.len(), |vm| {
        more.iter().fold(vector, |vector, element| {
            let size = vector::size(vector);
            vector::set(&mut vm.heap, vector, size, *element)
        })
    }))
}

fn pop(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let vector = vector!(vm, arguments[0]);
    let size = vector::size(vector);
    if size == 0 {
        return fail(vm, "vec/pop: the vector is empty");
    }
    answer(with_room(vm, vector::change_bytes(&vm.heap, vector), size, |vm| {
        vector::pop(&mut vm.heap, vector)
    }))
}

fn last(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let vector = vector!(vm, arguments[0]);
    match vector::size(vector).checked_sub(1) {
        None => fail(vm, "vec/last: the vector is empty"),
        Some(index) => vector::get(&mut vm.heap, vector, index).unwrap_or(Value::NIL).into(),
    }
}

/// `(vec/slice v from to)`: elements from … to - 1; like `str/slice`, ends are clamped.
fn slice(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let vector = vector!(vm, arguments[0]);
    let (from, to) = (number!(vm, arguments[1]), number!(vm, arguments[2]));
    let elements = vector::elements(&vm.heap, vector);
    let clamp = |index: i64| index.clamp(0, elements.len() as i64) as usize;
    let (from, to) = (clamp(from), clamp(to));
    new(vm, elements.get(from..to).unwrap_or_default())
}

fn concat(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let sizes = arguments.iter().filter(|vector| vector.kind() == Kind::Vector);
    ask!(vm, new_bytes(sizes.map(|vector| vector::size(*vector)).sum()));
    let mut all = Vec::new();
    for vector in arguments {
        let vector = vector!(vm, *vector);
        all.extend(vector::elements(&vm.heap, vector));
    }
    new(vm, &all)
}
