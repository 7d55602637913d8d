//! Lists arranged by their elements or by keys of them: counted, grouped, sorted, cut into parts.
//!
//! Keys are told apart as those of maps are, and things come in the order in which their keys came
//! first. What calls functions of the program is in the library, which passes the keys.

use super::maps::{answer, list, set_with_room};
use super::room::{CELL_BYTES, Tally};
use crate::builtins::row::{Row, ask, fail, number, wrong_type};
use crate::compile::elements;
use std::cmp::Ordering;
use valk_heap::{Kind, Value};
use valk_vm::persistent::{map, vector};
use valk_vm::{Arity, Outcome, Vm, type_name};

pub(super) const TABLE: &[Row] = &[
    ("distinct", Arity::Exactly(1), distinct),
    ("frequencies", Arity::Exactly(1), frequencies),
    ("list/group", Arity::Exactly(2), group),
    ("list/sort-keyed", Arity::Exactly(2), sort_keyed),
    ("list/chunks", Arity::Exactly(2), chunks),
    ("reduced", Arity::Exactly(1), reduced),
    ("reduced?", Arity::Exactly(1), is_reduced),
    ("unreduced", Arity::Exactly(1), unreduced),
];

/// Takes the elements of a list or vector, or leaves the builtin with the type error.
macro_rules! items {
    ($vm:expr, $value:expr) => {
        match $value.kind() {
            Kind::Nil | Kind::Pair => elements($value),
            Kind::Vector => vector::elements(&$vm.heap, $value),
            _ => return wrong_type($vm, $value, "List, Nil, Vector"),
        }
    };
}

/// The elements without those that are equal to an earlier one.
fn distinct(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let items = items!(vm, arguments[0]);
    let mut seen = map::new(&mut vm.heap);
    let mut kept = Vec::new();
    for item in items {
        let before = map::size(seen);
        seen = match set_with_room(vm, seen, item, Value::ONE) {
            Ok(seen) => seen,
            Err(instead) => return instead,
        };
        if map::size(seen) > before {
            kept.push(item);
        }
    }
    ask!(vm, kept.len() * CELL_BYTES);
    list(vm, kept.into_iter()).into()
}

/// A map from each element to how often it is there.
fn frequencies(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let items = items!(vm, arguments[0]);
    let counted = items.into_iter().try_fold(map::new(&mut vm.heap), |counts, item| {
        let before = map::get(&mut vm.heap, counts, item).map_or(0, Value::as_fixnum);
        set_with_room(vm, counts, item, Value::fixnum(before + 1))
    });
    answer(counted)
}

/// Takes as many keys as elements, or leaves the builtin with the error.
macro_rules! keyed {
    ($vm:expr, $name:expr, $arguments:expr) => {{
        let keys = items!($vm, $arguments[0]);
        let items = items!($vm, $arguments[1]);
        if keys.len() != items.len() {
            let (keys, items) = (keys.len(), items.len());
            return fail($vm, &format!("{}: {keys} keys for {items} elements", $name));
        }
        if let Some(error) = keys.iter().find(|key| key.is_error()) {
            return (*error).into();
        }
        (keys, items)
    }};
}

/// `(list/group keys items)`: a map from each key to the list of its elements.
fn group(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let (keys, items) = keyed!(vm, "list/group", arguments);
    let mut places = map::new(&mut vm.heap);
    let mut groups: Vec<(Value, Vec<Value>)> = Vec::new();
    for (key, item) in keys.into_iter().zip(items) {
        if let Some(place) = map::get(&mut vm.heap, places, key) {
            groups[place.as_fixnum() as usize].1.push(item);
            continue;
        }
        places = match set_with_room(vm, places, key, Value::fixnum(groups.len() as i64)) {
            Ok(places) => places,
            Err(instead) => return instead,
        };
        groups.push((key, vec![item]));
    }
    let grouped = groups.into_iter().try_fold(map::new(&mut vm.heap), |grouped, (key, items)| {
        let items = list(vm, items.into_iter());
        set_with_room(vm, grouped, key, items)
    });
    answer(grouped)
}

/// The order of two keys, if both are numbers or both are strings.
fn order(vm: &Vm, a: Value, b: Value) -> Option<Ordering> {
    if let Some((a, b)) = a.as_integer().zip(b.as_integer()) {
        return Some(a.cmp(&b));
    }
    a.as_bytes(&vm.heap).zip(b.as_bytes(&vm.heap)).map(|(a, b)| a.cmp(b))
}

/// `(list/sort-keyed keys items)`: the elements in the order of their keys, which are all numbers or
/// all strings; elements of equal keys keep theirs.
fn sort_keyed(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let (keys, items) = keyed!(vm, "list/sort-keyed", arguments);
    if let Some(other) = keys.iter().find(|key| order(vm, keys[0], **key).is_none()) {
        let (first, other) = (type_name(keys[0]), type_name(*other));
        let problem = format!("the keys are all numbers or all strings, got {first} and {other}");
        return fail(vm, &format!("list/sort-keyed: {problem}"));
    }
    ask!(vm, items.len() * CELL_BYTES);
    let mut sorted: Vec<(Value, Value)> = keys.into_iter().zip(items).collect();
    sorted.sort_by(|(a, _), (b, _)| order(vm, *a, *b).unwrap_or(Ordering::Equal));
    list(vm, sorted.into_iter().map(|(_, item)| item)).into()
}

/// `(list/chunks n items)`: lists of n elements; the last one has what is left.
fn chunks(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let size = number!(vm, arguments[0]);
    let items = items!(vm, arguments[1]);
    let Some(size) = usize::try_from(size).ok().filter(|size| *size > 0) else {
        return fail(vm, &format!("list/chunks: the size is at least 1, got {size}"));
    };
    let mut tally = Tally::default();
    let cells = items.len() + items.len().div_ceil(size);
    if !tally.add(&vm.heap, cells * CELL_BYTES) {
        return Outcome::NeedsRoom(cells * CELL_BYTES);
    }
    let parts: Vec<Value> = items.chunks(size).map(|part| list(vm, part.iter().copied())).collect();
    list(vm, parts.into_iter()).into()
}

/// Fields of an error that ends folds: those of every error, and what the fold gives.
const REDUCED_FIELDS: usize = valk_heap::ERROR_FIELDS + 1;

/// What a function that a fold calls returns to end the fold with this value. It is an error, so that
/// nothing but a fold takes it for an ordinary value, and folds look at each result anyway.
fn reduced(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let value = arguments[0];
    if value.is_error() {
        return value.into();
    }
    let message = vm.heap.string(b"reduced: a value that ends a fold, outside of one");
    let mut fields = [Value::NIL; REDUCED_FIELDS];
    fields[valk_heap::ERROR_MESSAGE] = message;
    fields[valk_heap::ERROR_FIELDS] = value;
    vm.heap.fields(Kind::Error, &fields).into()
}

/// What a fold that is ended gives.
fn result(value: Value) -> Option<Value> {
    let ends = value.is_error() && value.field_count() == REDUCED_FIELDS;
    ends.then(|| value.field(valk_heap::ERROR_FIELDS))
}

fn is_reduced(_: &mut Vm, arguments: &[Value]) -> Outcome {
    crate::builtins::row::truth(result(arguments[0]).is_some())
}

/// What the fold gives, or the value itself.
fn unreduced(_: &mut Vm, arguments: &[Value]) -> Outcome {
    result(arguments[0]).unwrap_or(arguments[0]).into()
}
