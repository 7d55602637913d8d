//! Everyday operations on numbers: quotients, extremes, checked arithmetic; and on integers: bits,
//! radix.
//!
//! Integers are 64 bits wide and wrap, except in `+!`, `-!` and `*!`, which give an error instead.
//! Decimals never wrap.

use crate::builtins::row::{Row, fail, number, string, truth, wrong_type};
use std::cmp::Ordering;
use valk_decimal::Decimal;
use valk_heap::Value;
use valk_vm::{
    Arity, Opcode, Outcome, Vm, as_decimal, decimal_value, is_number, number_as_decimal, operate,
};

pub(super) const TABLE: &[Row] = &[
    ("quot", Arity::Exactly(2), quotient),
    ("abs", Arity::Exactly(1), absolute),
    ("min", Arity::MoreThan(0), minimum),
    ("max", Arity::MoreThan(0), maximum),
    ("even?", Arity::Exactly(1), is_even),
    ("odd?", Arity::Exactly(1), is_odd),
    ("+!", Arity::Exactly(2), checked_add),
    ("-!", Arity::Exactly(2), checked_subtract),
    ("*!", Arity::Exactly(2), checked_multiply),
    ("bit/and", Arity::Exactly(2), bit_and),
    ("bit/or", Arity::Exactly(2), bit_or),
    ("bit/xor", Arity::Exactly(2), bit_xor),
    ("bit/not", Arity::Exactly(1), bit_not),
    ("bit/shift-left", Arity::Exactly(2), shift_left),
    ("bit/shift-right", Arity::Exactly(2), shift_right),
    ("number->string", Arity::Exactly(2), to_text),
    ("string->number", Arity::Exactly(2), from_text),
];

/// Largest and smallest base of a number's text.
const RADIX: std::ops::RangeInclusive<i64> = 2..=36;

/// The quotient of two numbers, rounded toward zero to a whole number.
fn quotient(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let [mut x, y] = [arguments[0], arguments[1]];
    let has_decimal = [x, y].into_iter().any(|value| as_decimal(value).is_some());
    if let (true, Some(dividend), Some(divisor)) =
        (has_decimal, number_as_decimal(x), number_as_decimal(y))
        && let Some(rest) = dividend.checked_rem(divisor)
        && let Some(multiple) = dividend.checked_sub(rest)
    {
        // Of a multiple of the divisor the quotient is whole.
        x = decimal_value(&mut vm.heap, multiple);
    }
    operate(vm, Opcode::Divide, x, y).into()
}

fn absolute(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    if let Some(number) = as_decimal(arguments[0]) {
        return match number.checked_abs() {
            Some(number) => decimal_value(&mut vm.heap, number).into(),
            None => fail(vm, &format!("abs: {number} has no magnitude in the range of decimals")),
        };
    }
    let number = number!(vm, arguments[0]);
    vm.heap.integer(number.wrapping_abs()).into()
}

/// The first of the numbers that is in this order to all others.
fn extreme(vm: &mut Vm, arguments: &[Value], order: Ordering) -> Outcome {
    let mut found: Option<(Value, Decimal)> = None;
    for &value in arguments {
        let Some(number) = number_as_decimal(value) else {
            return wrong_type(vm, value, "Number");
        };
        if found.is_none_or(|(_, extreme)| number.cmp(&extreme) == order) {
            found = Some((value, number));
        }
    }
    found.expect("the arity asks for one").0.into()
}

fn minimum(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    extreme(vm, arguments, Ordering::Less)
}

fn maximum(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    extreme(vm, arguments, Ordering::Greater)
}

fn is_even(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    truth(number!(vm, arguments[0]) & 1 == 0)
}

fn is_odd(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    truth(number!(vm, arguments[0]) & 1 == 1)
}

/// An operation on two numbers that may leave the range of integers; with a decimal, the same as
/// the instruction.
fn checked(
    vm: &mut Vm,
    name: &str,
    arguments: &[Value],
    operation: fn(i64, i64) -> Option<i64>,
    opcode: Opcode,
) -> Outcome {
    let has_decimal = arguments.iter().any(|value| as_decimal(*value).is_some());
    if has_decimal && arguments.iter().all(|value| is_number(*value)) {
        return operate(vm, opcode, arguments[0], arguments[1]).into();
    }
    let (x, y) = (number!(vm, arguments[0]), number!(vm, arguments[1]));
    match operation(x, y) {
        Some(number) => vm.heap.integer(number).into(),
        None => fail(vm, &format!("{name}: the result of {x} and {y} does not fit 64 bits")),
    }
}

fn checked_add(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    checked(vm, "+!", arguments, i64::checked_add, Opcode::Add)
}

fn checked_subtract(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    checked(vm, "-!", arguments, i64::checked_sub, Opcode::Subtract)
}

fn checked_multiply(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    checked(vm, "*!", arguments, i64::checked_mul, Opcode::Multiply)
}

/// An operation on the bits of two numbers.
fn bits(vm: &mut Vm, arguments: &[Value], operation: fn(i64, i64) -> i64) -> Outcome {
    let (x, y) = (number!(vm, arguments[0]), number!(vm, arguments[1]));
    vm.heap.integer(operation(x, y)).into()
}

fn bit_and(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    bits(vm, arguments, |x, y| x & y)
}

fn bit_or(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    bits(vm, arguments, |x, y| x | y)
}

fn bit_xor(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    bits(vm, arguments, |x, y| x ^ y)
}

fn bit_not(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let number = number!(vm, arguments[0]);
    vm.heap.integer(!number).into()
}

/// A shift; the distance is a number of bits from 0 to 63.
fn shift(vm: &mut Vm, name: &str, arguments: &[Value], operation: fn(i64, u32) -> i64) -> Outcome {
    let (number, distance) = (number!(vm, arguments[0]), number!(vm, arguments[1]));
    match u32::try_from(distance) {
        Ok(distance) if distance < i64::BITS => vm.heap.integer(operation(number, distance)).into(),
        _ => fail(vm, &format!("{name}: the distance is a number from 0 to 63, got {distance}")),
    }
}

fn shift_left(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    shift(vm, "bit/shift-left", arguments, i64::wrapping_shl)
}

/// Keeps the sign.
fn shift_right(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    shift(vm, "bit/shift-right", arguments, i64::wrapping_shr)
}

/// The base in an argument, or the outcome that says what is wrong.
fn radix(vm: &mut Vm, name: &str, value: Value) -> Result<u32, Outcome> {
    match value.as_integer() {
        Some(radix) if RADIX.contains(&radix) => Ok(radix as u32),
        Some(radix) => {
            Err(fail(vm, &format!("{name}: the radix is a number from 2 to 36, got {radix}")))
        }
        None => Err(wrong_type(vm, value, "Number")),
    }
}

fn to_text(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let number = number!(vm, arguments[0]);
    let radix = match radix(vm, "number->string", arguments[1]) {
        Ok(radix) => radix,
        Err(outcome) => return outcome,
    };
    let (mut rest, mut digits) = (number.unsigned_abs(), Vec::new());
    while rest > 0 || digits.is_empty() {
        let digit = (rest % u64::from(radix)) as u32;
        digits.push(char::from_digit(digit, radix).expect("smaller than the radix") as u8);
        rest /= u64::from(radix);
    }
    if number < 0 {
        digits.push(b'-');
    }
    digits.reverse();
    vm.heap.string(&digits).into()
}

fn from_text(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let text = String::from_utf8_lossy(&string!(vm, arguments[0])).into_owned();
    let radix = match radix(vm, "string->number", arguments[1]) {
        Ok(radix) => radix,
        Err(outcome) => return outcome,
    };
    match i64::from_str_radix(&text, radix) {
        Ok(number) => vm.heap.integer(number).into(),
        Err(_) => fail(vm, &format!("string->number: no number of radix {radix}: {text}")),
    }
}
