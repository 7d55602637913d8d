//! The uncommon cases of number operations: boxed integers, errors, wrong types.
//!
//! An error argument is the result (the first one); any other non-number gives a type error.
//! `+ - *` wrap at 64 bits, `/` rounds toward zero; it, `rem` and `mod` give an error for 0 only.

use crate::code::opcode::Opcode;
use crate::vm::Vm;
use valk_heap::Value;

/// Header mark of host objects that are async handles, a type of their own to programs.
pub const AUX_HANDLE: u16 = 1;

/// The name of a value's type as error texts spell it.
pub fn type_name(value: Value) -> &'static str {
    use valk_heap::Kind::{
        Builtin, Cell, Closure, Continuation, Environment, Error, Host, Integer, Map, Nil, Pair,
        Partial, Record, String, Symbol, Undefined, Vector,
    };
    match value.kind() {
        Integer => "Number",
        Symbol => "Symbol",
        String => "String",
        Builtin | Closure | Continuation | Partial => "Function",
        Nil => "Nil",
        Pair => "List",
        Error => "Error",
        Host if value.aux() == AUX_HANDLE => "Handle",
        Host => "Reference",
        Map => "Map",
        Vector => "Vector",
        Undefined | Cell | Environment | Record => "UNDEFINED",
    }
}

/// The result of an arithmetic or ordering operation on any two values.
///
/// # Panics
/// When the instruction is none of a primitive on numbers.
#[cold]
pub fn operate(vm: &mut Vm, opcode: Opcode, a: Value, b: Value) -> Value {
    let integers = opcode.primitive().and_then(|primitive| primitive.integers);
    let integers = integers.expect("an instruction of a primitive on numbers");
    if let (Some(x), Some(y)) = (a.as_integer(), b.as_integer()) {
        return match (integers.compute)(x, y) {
            Some(result) => vm.heap.integer(result),
            None => vm.error("Division By Zero"),
        };
    }
    if let Some(error) = [a, b].into_iter().find(|v| v.is_error()) {
        return error;
    }
    let wrong = if a.as_integer().is_none() { a } else { b };
    let text = if integers.compares {
        format!("Actual: {}, Expected(One-Of): [Number]", type_name(wrong))
    } else {
        format!("This function only supports Numbers : {}", type_name(wrong))
    };
    vm.error(&text)
}
