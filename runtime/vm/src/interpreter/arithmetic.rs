//! The uncommon cases of number operations: boxed integers, decimals, errors, wrong types.
//!
//! An error argument is the result (the first one); any other non-number gives a type error.
//! Of integers, `+ - *` wrap at 64 bits and `/` rounds toward zero; it, `rem` and `mod` give an error
//! for 0 only. Of decimals, a result outside their range is an error.

use crate::code::opcode::Opcode;
use crate::code::primitives::{Decimals, Numbers};
use crate::values::number::{decimal_value, is_number, number_as_decimal};
use crate::vm::Vm;
use valk_decimal::Decimal;
use valk_heap::Value;

/// Header mark of host objects that are async handles, a type of their own to programs.
pub const AUX_HANDLE: u16 = 1;

/// The name of a value's type as error texts spell it.
pub fn type_name(value: Value) -> &'static str {
    use valk_heap::Kind::{
        Builtin, Cell, Closure, Continuation, Decimal, Environment, Error, Host, Integer, Map, Nil,
        Pair, Partial, Record, String, Symbol, Undefined, Vector,
    };
    match value.kind() {
        Integer => "Number",
        Decimal => "Decimal",
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
    let primitive = opcode.primitive().filter(|primitive| primitive.numbers.is_some());
    let primitive = primitive.expect("an instruction of a primitive on numbers");
    let numbers = primitive.numbers.expect("just looked at");
    if let (Some(x), Some(y)) = (a.as_integer(), b.as_integer()) {
        return match (numbers.integers)(x, y) {
            Some(result) => vm.heap.integer(result),
            None => vm.error(DIVISION_BY_ZERO),
        };
    }
    if let (Some(x), Some(y)) = (number_as_decimal(a), number_as_decimal(b)) {
        return on_decimals(vm, primitive.name, numbers, x, y);
    }
    if let Some(error) = [a, b].into_iter().find(|v| v.is_error()) {
        return error;
    }
    let wrong = type_name(if is_number(a) { b } else { a });
    let text = match numbers.decimals {
        Decimals::Compare(_) => format!("Actual: {wrong}, Expected(One-Of): [Number]"),
        Decimals::Compute(_) => format!("This function only supports Numbers : {wrong}"),
    };
    vm.error(&text)
}

/// The text of the error that a divisor of zero gives.
const DIVISION_BY_ZERO: &str = "Division By Zero";

fn on_decimals(vm: &mut Vm, name: &str, numbers: Numbers, x: Decimal, y: Decimal) -> Value {
    match numbers.decimals {
        Decimals::Compare(holds) => Value::fixnum(i64::from(holds(x.cmp(&y)))),
        Decimals::Compute(compute) => match compute(x, y) {
            Some(result) => decimal_value(&mut vm.heap, result),
            None if y == Decimal::ZERO && !matches!(name, "+" | "-" | "*") => {
                vm.error(DIVISION_BY_ZERO)
            }
            None => vm.error(&format!(
                "{name}: what {x} and {y} give {}",
                valk_decimal::Problem::OutOfRange
            )),
        },
    }
}
