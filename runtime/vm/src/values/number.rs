//! Numbers: integers and decimals.
//!
//! 1. An integer and a decimal that are equal as numbers are equal values and the same key.
//! 2. An operation on two integers gives an integer; with a decimal among its operands it gives a
//!    decimal. Comparisons are those of the numbers.

use valk_decimal::Decimal;
use valk_heap::{Heap, Value};

/// The decimal that a value is, if it is one; `None` for an integer.
pub fn as_decimal(value: Value) -> Option<Decimal> {
    value.as_decimal_units().map(Decimal::from_units)
}

/// A number as a decimal, whichever kind it is.
pub fn number_as_decimal(value: Value) -> Option<Decimal> {
    value.as_integer().map(Decimal::from_integer).or_else(|| as_decimal(value))
}

/// Whether a value is an integer or a decimal.
pub fn is_number(value: Value) -> bool {
    value.as_integer().is_some() || value.as_decimal_units().is_some()
}

/// A decimal as a value.
pub fn decimal_value(heap: &mut Heap, number: Decimal) -> Value {
    heap.decimal(number.units())
}

/// The integer that a number equals, if there is one of 64 bits.
pub(crate) fn whole(value: Value) -> Option<i64> {
    value.as_integer().or_else(|| as_decimal(value)?.as_integer())
}

/// The form of a key in a map: that of the small integer which it equals (rule 1).
#[inline]
pub(crate) fn as_key(key: Value) -> Value {
    if !key.is_object() {
        return key;
    }
    let integer = as_decimal(key).and_then(Decimal::as_integer);
    integer.filter(|number| Value::fits_fixnum(*number)).map_or(key, Value::fixnum)
}
