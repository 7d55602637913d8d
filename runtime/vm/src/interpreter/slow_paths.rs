//! Out-of-line parts of instructions: errors, name lookups, splicing.

use super::arithmetic::type_name;
use crate::code::FIRST_CAPTURE;
use crate::code::opcode::Opcode;
use crate::frames::fiber::{Fiber, frame_code};
use crate::values::environment;
use crate::vm::{ModuleId, Vm};
use valk_heap::{Kind, SymbolId, Value};

/// Arithmetic on values that are not both fixnums, or that leaves their range.
#[cold]
pub(crate) fn operate(vm: &mut Vm, fiber: &Fiber, opcode: Opcode, x: Value, y: Value) -> Value {
    let value = super::arithmetic::operate(vm, opcode, x, y);
    vm.locate(fiber, value);
    value
}

/// An error with the running instruction's position.
fn fail(vm: &mut Vm, fiber: &Fiber, text: &str) -> Value {
    let error = vm.error(text);
    vm.locate(fiber, error);
    error
}

/// What a typed operation makes of a value it cannot take: an error comes back unchanged.
fn wrong_type(vm: &mut Vm, fiber: &Fiber, value: Value, expected: &str) -> Value {
    if value.is_error() {
        return value;
    }
    let text = format!("Actual: {}, Expected(One-Of): [{expected}]", type_name(value));
    fail(vm, fiber, &text)
}

/// `head` and `tail` of something without elements.
#[cold]
pub(crate) fn no_elements(vm: &mut Vm, fiber: &Fiber, value: Value) -> Value {
    wrong_type(vm, fiber, value, "List, List")
}

/// `cons` onto something that is no list.
#[cold]
pub(crate) fn no_list(vm: &mut Vm, fiber: &Fiber, value: Value) -> Value {
    wrong_type(vm, fiber, value, "List, Nil")
}

/// A `select` condition that is no number.
#[cold]
pub(crate) fn not_a_number(vm: &mut Vm, fiber: &Fiber, value: Value) -> Value {
    wrong_type(vm, fiber, value, "Number")
}

/// The elements of `list` in front of `rest`; the first error among them instead.
pub(crate) fn splice(vm: &mut Vm, fiber: &Fiber, list: Value, rest: Value, quoted: bool) -> Value {
    if list.is_error() {
        return list;
    }
    if !list.is_list() {
        let text = format!("unquote-splicing requires a list, got {}", type_name(list));
        return fail(vm, fiber, &text);
    }
    let mut items = Vec::new();
    let mut at = list;
    while at.is_pair() {
        items.push(at.head());
        at = at.tail();
    }
    if let Some(error) = items.iter().find(|item| item.is_error()) {
        return *error;
    }
    items.iter().rev().fold(rest, |tail, &item| vm.heap.cons(item, tail, quoted))
}

/// A closure whose captures come from an iterator of known length.
#[inline]
pub(crate) fn make_closure(
    vm: &mut Vm,
    code: Value,
    captures: impl ExactSizeIterator<Item = Value>,
) -> Value {
    const INLINE: usize = 8;
    vm.counters.closures_created += 1;
    let count = captures.len();
    let address = vm.code_address(code);
    if FIRST_CAPTURE + count <= INLINE {
        let mut fields = [Value::NIL; INLINE];
        fields[0] = code;
        fields[1] = address;
        for (slot, capture) in fields[FIRST_CAPTURE..].iter_mut().zip(captures) {
            *slot = capture;
        }
        return vm.heap.fields(Kind::Closure, &fields[..FIRST_CAPTURE + count]);
    }
    let fields: Vec<Value> = [code, address].into_iter().chain(captures).collect();
    vm.heap.fields(Kind::Closure, &fields)
}

/// What a name means in the code that runs.
fn cell(vm: &mut Vm, fiber: &Fiber, name: SymbolId) -> SymbolId {
    let module = frame_code(fiber).map_or(ModuleId::PROGRAM, |code| code.module);
    vm.cell(module, name)
}

/// A variable by name, in `scope` and then among the globals.
pub(crate) fn lookup(vm: &mut Vm, fiber: &Fiber, scope: Value, symbol: SymbolId) -> Value {
    vm.counters.lookups += 1;
    if let Some(value) = environment::lookup(scope, Value::symbol(symbol)) {
        return value;
    }
    let symbol = cell(vm, fiber, symbol);
    if let Some(value) = vm.global(symbol) {
        return value;
    }
    let error = vm.unbound(symbol);
    vm.locate(fiber, error);
    error
}

/// Number of elements of a proper list.
pub(crate) fn length(mut list: Value) -> usize {
    let mut count = 0;
    while list.is_pair() {
        list = list.tail();
        count += 1;
    }
    count
}

/// What `def` does with one name; nil, or the error that says why not.
pub(crate) fn define(vm: &mut Vm, fiber: &Fiber, symbol: SymbolId, value: Value) -> Value {
    if vm.definitions_forbidden || !vm.context.is_nil() {
        return fail(vm, fiber, crate::vm::DEFINITION_FORBIDDEN);
    }
    vm.set_global(symbol, value);
    Value::NIL
}

/// Binds in `scope`, or globally when there is none.
pub(crate) fn bind(vm: &mut Vm, fiber: &Fiber, scope: Value, symbol: Value, value: Value) {
    if scope.is_nil() {
        let module = frame_code(fiber).map_or(ModuleId::PROGRAM, |code| code.module);
        let cell = vm.definition_cell(module, symbol.as_symbol().expect("names are symbols"));
        vm.set_global(cell, value);
    } else {
        environment::bind(&mut vm.heap, scope, symbol, value);
    }
}

/// The value of a name that may mean nothing in the code that runs. The library's code holds symbols
/// of the program.
fn known(vm: &Vm, fiber: &Fiber, name: SymbolId) -> Option<Value> {
    let module = frame_code(fiber).map_or(ModuleId::PROGRAM, |code| code.module);
    let module = if module.is_library() { ModuleId::PROGRAM } else { module };
    vm.known_cell(module, name).and_then(|cell| vm.global(cell))
}

/// The value of a symbol that `def` or `=` was given as a value; the symbol itself when unbound.
pub(crate) fn resolve(vm: &mut Vm, fiber: &Fiber, scope: Value, symbol: Value) -> Value {
    vm.counters.lookups += 1;
    let scope = if scope.is_undefined() { vm.snapshot(fiber) } else { scope };
    let id = symbol.as_symbol().expect("the interpreter asks for symbols only");
    let in_scope = environment::lookup(scope, symbol);
    in_scope.or_else(|| known(vm, fiber, id)).unwrap_or(symbol)
}
