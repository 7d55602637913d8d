//! Persistent maps: `map/*`. Keys are any values, told apart by `==`; entries keep the order in
//! which their keys came.

use super::room::CELL_BYTES;
use crate::builtins::row::{Row, ask, fail, truth, wrong_type};
use crate::compile::elements;
use valk_heap::{Kind, Value};
use valk_vm::persistent::{ENTRIES_MAX, map};
use valk_vm::{Arity, Outcome, Vm};

pub(super) const TABLE: &[Row] = &[
    ("map?", Arity::Exactly(1), is_map),
    ("map/of", Arity::Any, of),
    ("map/from-list", Arity::Exactly(1), from_list),
    ("map/size", Arity::Exactly(1), size),
    ("map/get", Arity::MoreThan(1), get),
    ("map/has?", Arity::Exactly(2), has),
    ("map/set", Arity::MoreThan(2), set),
    ("map/remove", Arity::MoreThan(1), remove),
    ("map/first", Arity::Exactly(1), first),
    ("map/last", Arity::Exactly(1), last),
    ("map/remove-first", Arity::Exactly(1), remove_first),
    ("map/part", Arity::Exactly(3), part),
    ("map/keys", Arity::Exactly(1), keys),
    ("map/values", Arity::Exactly(1), values),
    ("map/entries", Arity::Exactly(1), entries),
    ("map/merge", Arity::MoreThan(0), merge),
];

/// Whether a value is a map.
pub(super) fn is(value: Value) -> bool {
    value.kind() == Kind::Map
}

/// Leaves the builtin with the type error unless the value is a map.
macro_rules! map {
    ($vm:expr, $value:expr) => {
        if is($value) { $value } else { return wrong_type($vm, $value, "Map") }
    };
}

/// Bytes beside the heap that an entry takes while entries are listed.
const LISTED_BYTES: usize = 32;

/// Most entries, with room to double a table.
const SIZE_MAX: usize = ENTRIES_MAX / 2;

/// Makes a change that allocates so many bytes for a collection of so many elements; what to answer
/// instead when there is no room.
pub(super) fn with_room<T>(
    vm: &mut Vm,
    bytes: usize,
    elements: usize,
    change: impl FnOnce(&mut Vm) -> T,
) -> Result<T, Outcome> {
    if elements > SIZE_MAX {
        return Err(fail(vm, &format!("a collection has at most {SIZE_MAX} elements")));
    }
    if vm.heap.room(bytes).is_err() {
        return Err(Outcome::NeedsRoom(bytes));
    }
    Ok(change(vm))
}

/// The builtin's answer.
pub(super) fn answer(result: Result<Value, Outcome>) -> Outcome {
    result.map_or_else(|instead| instead, Outcome::from)
}

/// Sets every key in turn.
fn set_each(
    vm: &mut Vm,
    map: Value,
    pairs: impl IntoIterator<Item = (Value, Value)>,
) -> Result<Value, Outcome> {
    pairs.into_iter().try_fold(map, |map, (key, value)| set_with_room(vm, map, key, value))
}

/// The map with a key set; what to answer instead when there is no room.
pub(super) fn set_with_room(
    vm: &mut Vm,
    map: Value,
    key: Value,
    value: Value,
) -> Result<Value, Outcome> {
    if let Some(changed) = map::set_at_once(&mut vm.heap, map, key, value) {
        return Ok(changed);
    }
    with_room(vm, map::change_bytes(&vm.heap, map, key, value), map::size(map) + 1, |vm| {
        map::set(&mut vm.heap, map, key, value)
    })
}

/// A quoted list of these values.
pub(super) fn list(vm: &mut Vm, items: impl DoubleEndedIterator<Item = Value>) -> Value {
    items.rev().fold(Value::NIL, |rest, item| vm.heap.cons(item, rest, true))
}

fn is_map(_: &mut Vm, arguments: &[Value]) -> Outcome {
    truth(is(arguments[0]))
}

/// `(map/of k1 v1 k2 v2 …)`.
fn of(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let empty = map::new(&mut vm.heap);
    set_all(vm, "map/of", empty, arguments)
}

/// The map with keys and values, in turn, set.
fn set_all(vm: &mut Vm, name: &str, map: Value, pairs: &[Value]) -> Outcome {
    if !pairs.len().is_multiple_of(2) {
        return fail(vm, &format!("{name}: the last key has no value"));
    }
    answer(set_each(vm, map, pairs.chunks_exact(2).map(|pair| (pair[0], pair[1]))))
}

/// `(map/from-list {{k1 v1} {k2 v2} …})`.
fn from_list(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    if !arguments[0].is_list() {
        return wrong_type(vm, arguments[0], "List, Nil");
    }
    let mut pairs = Vec::new();
    for entry in elements(arguments[0]) {
        if entry.is_error() {
            return entry.into();
        }
        match elements(entry)[..] {
            [key, value] => pairs.extend([key, value]),
            _ => return fail(vm, "map/from-list: an entry is a list of a key and a value"),
        }
    }
    let empty = map::new(&mut vm.heap);
    set_all(vm, "map/from-list", empty, &pairs)
}

fn size(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let map = map!(vm, arguments[0]);
    Value::fixnum(map::size(map) as i64).into()
}

/// The value of a key; what to answer instead when there is no room to look into an older map.
#[inline(always)]
fn find(vm: &mut Vm, map: Value, key: Value) -> Result<Option<Value>, Outcome> {
    match map::get_newest(&vm.heap, map, key) {
        Some(found) => Ok(found),
        None => look_back(vm, map, key),
    }
}

#[cold]
fn look_back(vm: &mut Vm, map: Value, key: Value) -> Result<Option<Value>, Outcome> {
    let bytes = map::get_bytes(&vm.heap, map);
    with_room(vm, bytes, 0, |vm| map::get(&mut vm.heap, map, key))
}

/// `(map/get m key)` or `(map/get m key default)`.
fn get(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let map = map!(vm, arguments[0]);
    if arguments.len() > 3 {
        let text = format!("Invalid argument count, Actual[{}] <= Expected[3]", arguments.len());
        return fail(vm, &text);
    }
    let absent = arguments.get(2).copied().unwrap_or(Value::NIL);
    answer(find(vm, map, arguments[1]).map(|found| found.unwrap_or(absent)))
}

fn has(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let map = map!(vm, arguments[0]);
    match find(vm, map, arguments[1]) {
        Ok(found) => truth(found.is_some()),
        Err(instead) => instead,
    }
}

/// `(map/set m k1 v1 …)`.
fn set(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let map = map!(vm, arguments[0]);
    if let [_, key, value] = *arguments
        && let Some(larger) = map::set_at_once(&mut vm.heap, map, key, value)
    {
        return larger.into();
    }
    set_all(vm, "map/set", map, &arguments[1..])
}

/// `(map/remove m key …)`.
fn remove(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let map = map!(vm, arguments[0]);
    answer(arguments[1..].iter().try_fold(map, |map, &key| {
        with_room(
            vm,
            map::change_bytes(&vm.heap, map, key, Value::UNDEFINED),
            map::size(map),
            |vm| map::remove(&mut vm.heap, map, key),
        )
    }))
}

/// The entry whose key came first, or last.
fn end(vm: &mut Vm, map: Value, last: bool) -> Result<Option<(Value, Value)>, Outcome> {
    let bytes = 2 * map::get_bytes(&vm.heap, map);
    with_room(vm, bytes, 0, |vm| map::end(&mut vm.heap, map, last))
}

/// `{key value}`, or nil.
fn end_entry(vm: &mut Vm, map: Value, last: bool) -> Outcome {
    match end(vm, map, last) {
        Ok(Some((key, value))) => list(vm, [key, value].into_iter()).into(),
        Ok(None) => Value::NIL.into(),
        Err(instead) => instead,
    }
}

fn first(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let map = map!(vm, arguments[0]);
    end_entry(vm, map, false)
}

fn last(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let map = map!(vm, arguments[0]);
    end_entry(vm, map, true)
}

/// `(map/part m place n)`: where to go on, and up to n entries from that place on; 0 is the first.
fn part(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let map = map!(vm, arguments[0]);
    let [from, count] = [arguments[1].as_fixnum(), arguments[2].as_fixnum()];
    let count = (count as usize).min(map::size(map));
    let listed = count * (3 * CELL_BYTES + LISTED_BYTES) + CELL_BYTES;
    let bytes = 2 * map::get_bytes(&vm.heap, map) + listed;
    answer(with_room(vm, bytes, 0, |vm| {
        let (entries, next) = map::part(&mut vm.heap, map, from, count);
        let mut all = Value::NIL;
        for (key, value) in entries.into_iter().rev() {
            let entry = list(vm, [key, value].into_iter());
            all = vm.heap.cons(entry, all, true);
        }
        vm.heap.cons(Value::fixnum(next), all, true)
    }))
}

/// The map without its first entry; an empty one as it is.
fn remove_first(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let map = map!(vm, arguments[0]);
    match end(vm, map, false) {
        Ok(Some((key, _))) => remove(vm, &[map, key]),
        Ok(None) => map.into(),
        Err(instead) => instead,
    }
}

fn keys(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let map = map!(vm, arguments[0]);
    ask!(vm, map::size(map) * (CELL_BYTES + LISTED_BYTES));
    let entries = map::entries(&vm.heap, map);
    list(vm, entries.into_iter().map(|(key, _)| key)).into()
}

fn values(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let map = map!(vm, arguments[0]);
    ask!(vm, map::size(map) * (CELL_BYTES + LISTED_BYTES));
    let entries = map::entries(&vm.heap, map);
    list(vm, entries.into_iter().map(|(_, value)| value)).into()
}

/// `{{k1 v1} {k2 v2} …}`.
fn entries(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let map = map!(vm, arguments[0]);
    ask!(vm, map::size(map) * (3 * CELL_BYTES + LISTED_BYTES));
    let entries = map::entries(&vm.heap, map).into_iter().rev();
    let mut all = Value::NIL;
    for (key, value) in entries {
        let entry = list(vm, [key, value].into_iter());
        all = vm.heap.cons(entry, all, true);
    }
    all.into()
}

/// `(map/merge m1 m2 …)`: the entries of all; of equal keys the last one's value counts.
fn merge(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let mut merged = map!(vm, arguments[0]);
    for other in &arguments[1..] {
        let other = map!(vm, *other);
        let entries = map::entries(&vm.heap, other);
        merged = match set_each(vm, merged, entries) {
            Ok(map) => map,
            Err(instead) => return instead,
        };
    }
    merged.into()
}

/// The element count of a map or vector, for `len`.
pub(super) fn count(value: Value) -> Option<usize> {
    match value.kind() {
        Kind::Map => Some(map::size(value)),
        Kind::Vector => Some(valk_vm::persistent::vector::size(value)),
        _ => None,
    }
}
