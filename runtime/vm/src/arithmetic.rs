//! The uncommon cases of number operations: boxed integers, errors, wrong types.
//!
//! An error argument is the result (the first one); any other non-number gives a type error.
//! `+ - *` wrap at 64 bits, `/` rounds toward zero; it, `rem`
//! and `mod` give an error for 0 only (spec 01 D5, D6).

use crate::opcode::Opcode;
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

/// Integer operation of an arithmetic opcode on any integers. `None` is a division by zero.
fn apply(opcode: Opcode, x: i64, y: i64) -> Option<i64> {
    Some(match opcode {
        Opcode::Add | Opcode::AddNumber => x.wrapping_add(y),
        Opcode::Subtract | Opcode::SubtractNumber => x.wrapping_sub(y),
        Opcode::Multiply | Opcode::MultiplyNumber => x.wrapping_mul(y),
        Opcode::Divide | Opcode::Remainder | Opcode::Modulo if y == 0 => return None,
        Opcode::Divide | Opcode::DivideNumber => x.wrapping_div(y),
        Opcode::Remainder | Opcode::RemainderNumber => x.wrapping_rem(y),
        Opcode::Modulo | Opcode::ModuloNumber => modulo(x, y),
        Opcode::Less | Opcode::BranchLess | Opcode::BranchLessNumber => i64::from(x < y),
        Opcode::LessEqual | Opcode::BranchLessEqual | Opcode::BranchLessEqualNumber => {
            i64::from(x <= y)
        }
        Opcode::Greater | Opcode::BranchGreater | Opcode::BranchGreaterNumber => i64::from(x > y),
        _ => i64::from(x >= y),
    })
}

/// `x` modulo `y`, which is not 0: the remainder that has the sign of `y`.
#[inline(always)]
pub(crate) fn modulo(x: i64, y: i64) -> i64 {
    let remainder = x.wrapping_rem(y);
    if remainder != 0 && (remainder < 0) != (y < 0) { remainder + y } else { remainder }
}

/// True for operations whose type error is the comparison's.
fn compares(opcode: Opcode) -> bool {
    !matches!(
        opcode,
        Opcode::Add
            | Opcode::AddNumber
            | Opcode::Subtract
            | Opcode::SubtractNumber
            | Opcode::Multiply
            | Opcode::MultiplyNumber
            | Opcode::Divide
            | Opcode::DivideNumber
            | Opcode::Remainder
            | Opcode::RemainderNumber
            | Opcode::Modulo
            | Opcode::ModuloNumber
    )
}

/// The result of an arithmetic or ordering operation on any two values.
#[cold]
pub fn operate(vm: &mut Vm, opcode: Opcode, a: Value, b: Value) -> Value {
    if let (Some(x), Some(y)) = (a.as_integer(), b.as_integer()) {
        return match apply(opcode, x, y) {
            Some(result) => vm.heap.integer(result),
            None => vm.error("Division By Zero"),
        };
    }
    if let Some(error) = [a, b].into_iter().find(|v| v.is_error()) {
        return error;
    }
    let wrong = if a.as_integer().is_none() { a } else { b };
    let text = if compares(opcode) {
        format!("Actual: {}, Expected(One-Of): [Number]", type_name(wrong))
    } else {
        format!("This function only supports Numbers : {}", type_name(wrong))
    };
    vm.error(&text)
}
