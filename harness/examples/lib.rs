//! Twice a number: what the example tests.

/// Twice `number`.
pub fn double(number: i64) -> i64 {
    number * 2
}
