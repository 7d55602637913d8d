//! Between decimals and integers: conversion and rounding.
//!
//! An integer is as good as the decimal that it equals.

use crate::builtins::row::{Row, fail, number, wrong_type};
use valk_decimal::{Decimal, FRACTION_DIGITS, Rounding};
use valk_heap::Value;
use valk_vm::{Arity, Outcome, Vm, decimal_value, number_as_decimal};

pub(super) const TABLE: &[Row] = &[
    ("decimal", Arity::Exactly(1), decimal),
    ("floor", Arity::Exactly(1), floor),
    ("ceiling", Arity::Exactly(1), ceiling),
    ("truncate", Arity::Exactly(1), truncate),
    ("round", Arity::Exactly(1), round),
    ("decimal/round", Arity::Exactly(2), round_to),
];

/// Takes a number as a decimal or leaves the builtin with the type error.
macro_rules! decimal {
    ($vm:expr, $value:expr) => {
        match number_as_decimal($value) {
            Some(number) => number,
            None => return wrong_type($vm, $value, "Number"),
        }
    };
}

fn decimal(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let number = decimal!(vm, arguments[0]);
    decimal_value(&mut vm.heap, number).into()
}

/// The integer that a number is rounded to.
fn to_integer(vm: &mut Vm, name: &str, value: Value, rounding: Rounding) -> Outcome {
    if value.as_integer().is_some() {
        return value.into();
    }
    let number = decimal!(vm, value);
    match number.round_to(0, rounding).and_then(Decimal::as_integer) {
        Some(integer) => vm.heap.integer(integer).into(),
        None => fail(vm, &format!("{name}: {number} is no 64-bit integer when rounded")),
    }
}

fn floor(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    to_integer(vm, "floor", arguments[0], Rounding::Floor)
}

fn ceiling(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    to_integer(vm, "ceiling", arguments[0], Rounding::Ceiling)
}

fn truncate(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    to_integer(vm, "truncate", arguments[0], Rounding::Truncate)
}

fn round(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    to_integer(vm, "round", arguments[0], Rounding::HalfEven)
}

fn round_to(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let number = decimal!(vm, arguments[0]);
    let digits = number!(vm, arguments[1]);
    let Ok(digits) = usize::try_from(digits) else {
        let text = format!(
            "decimal/round: digits after the point are 0 to {FRACTION_DIGITS}, got {digits}"
        );
        return fail(vm, &text);
    };
    match number.round_to(digits, Rounding::HalfEven) {
        Some(number) => decimal_value(&mut vm.heap, number).into(),
        None => fail(vm, &format!("decimal/round: {number} is outside the range when rounded")),
    }
}
