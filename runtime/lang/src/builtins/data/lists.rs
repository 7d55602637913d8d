//! Lists.

use super::room::CELL_BYTES;
use crate::builtins::row::{Row, ask, fail, number, wrong_type};
use crate::compile::elements;
use valk_heap::Value;
use valk_vm::{Arity, Outcome, Vm};

pub(super) const TABLE: &[Row] = &[
    ("list", Arity::Any, list),
    ("cons", Arity::Exactly(2), cons),
    ("list/prepend", Arity::Exactly(2), prepend),
    ("head", Arity::Any, head),
    ("tail", Arity::Any, tail),
    ("init", Arity::Exactly(1), init),
    ("join", Arity::Any, join),
    ("len", Arity::Exactly(1), len),
    ("range", Arity::Exactly(2), range),
    ("unpack", Arity::Curried(2), unpack),
    ("apply", Arity::Curried(2), unpack),
];

/// A list of these elements in front of `rest`.
fn build(vm: &mut Vm, items: &[Value], rest: Value, quoted: bool) -> Value {
    items.iter().rev().fold(rest, |tail, &item| vm.heap.cons(item, tail, quoted))
}

fn list(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    build(vm, arguments, Value::NIL, true).into()
}

fn cons(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    if !arguments[1].is_list() {
        return wrong_type(vm, arguments[1], "List, Nil");
    }
    vm.heap.cons(arguments[0], arguments[1], false).into()
}

/// Like `cons`, but the result is data: a quoted list.
fn prepend(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    if !arguments[1].is_list() {
        return wrong_type(vm, arguments[1], "List, Nil");
    }
    vm.heap.cons(arguments[0], arguments[1], true).into()
}

/// The only argument of `head` and `tail`, which have an arity text of their own.
fn only_list(vm: &mut Vm, name: &str, arguments: &[Value]) -> Result<Value, Outcome> {
    let [list] = arguments else {
        return Err(fail(vm, &format!("Builtin `{name}` passed too many arguments")));
    };
    if list.is_pair() { Ok(*list) } else { Err(wrong_type(vm, *list, "List, List")) }
}

fn head(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    match only_list(vm, "head", arguments) {
        Ok(list) => list.head().into(),
        Err(outcome) => outcome,
    }
}

fn tail(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    match only_list(vm, "tail", arguments) {
        Ok(list) => list.tail().into(),
        Err(outcome) => outcome,
    }
}

fn init(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let list = arguments[0];
    if !list.is_pair() {
        return wrong_type(vm, list, "List");
    }
    let items = elements(list);
    ask!(vm, items.len() * CELL_BYTES);
    build(vm, &items[..items.len() - 1], Value::NIL, list.is_quoted()).into()
}

fn join(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let Some((first, rest)) = arguments.split_first() else { return Value::NIL.into() };
    if !first.is_list() {
        return wrong_type(vm, *first, "List, Nil");
    }
    let cells: usize =
        arguments.iter().map(|part| if part.is_list() { length(*part) } else { 1 }).sum();
    ask!(vm, cells * CELL_BYTES);
    // From the right, so that the last list is shared and every cell is made once.
    let mut result: Option<Value> = None;
    for part in rest.iter().rev() {
        result = Some(match (part.is_list(), result) {
            (true, None) => *part,
            (true, Some(tail)) if part.is_nil() => tail,
            (true, Some(tail)) => {
                let items = elements(*part);
                build(vm, &items, tail, first.is_quoted())
            }
            (false, tail) => vm.heap.cons(*part, tail.unwrap_or(Value::NIL), first.is_quoted()),
        });
    }
    let tail = result.unwrap_or(Value::NIL);
    let items = elements(*first);
    build(vm, &items, tail, first.is_quoted()).into()
}

fn len(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let value = arguments[0];
    if let Some(bytes) = value.as_bytes(&vm.heap) {
        return Value::fixnum(bytes.len() as i64).into();
    }
    if let Some(count) = super::maps::count(value) {
        return Value::fixnum(count as i64).into();
    }
    if !value.is_list() {
        return wrong_type(vm, value, "List, Nil, String");
    }
    Value::fixnum(length(value) as i64).into()
}

/// Number of elements of a list.
fn length(mut list: Value) -> usize {
    let mut count = 0;
    while list.is_pair() {
        list = list.tail();
        count += 1;
    }
    count
}

fn range(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let (from, to) = (number!(vm, arguments[0]), number!(vm, arguments[1]));
    let count = to.saturating_sub(from).max(0) as usize;
    let bytes = count.saturating_mul(CELL_BYTES);
    if vm.heap.room(bytes).is_err() {
        return Outcome::NeedsRoom(bytes);
    }
    let mut list = Value::NIL;
    for number in (from..to).rev() {
        let number = vm.heap.integer(number);
        list = vm.heap.cons(number, list, false);
    }
    list.into()
}

/// Calls the function with the list's elements as arguments.
fn unpack(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    if !arguments[1].is_list() {
        return wrong_type(vm, arguments[1], "List, Nil");
    }
    // A slot of the stack each, which grows by doubling.
    ask!(vm, 2 * length(arguments[1]) * size_of::<Value>());
    Outcome::Call(arguments[0], elements(arguments[1]))
}
