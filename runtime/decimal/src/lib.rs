//! Decimals: fixed-point numbers with 18 digits after the point.
//!
//! 1. A decimal is a whole number of *units* of 10⁻¹⁸, held in 128 bits with a sign: at most
//!    [`Decimal::MAX`], about 1.7 · 10²⁰. Every 64-bit integer is one.
//! 2. Sums, differences and remainders are exact. Products and quotients are the nearest decimal; of
//!    two that are equally near, the one whose last digit is even.
//! 3. A result outside the range is none. Nothing wraps, and nothing is infinite or no number.
//! 4. Only integer instructions are used, so results are the same on every machine. A test refuses
//!    floating point in this crate.
//!
//! Does not know values of the language, nor how a program writes numbers.
#![forbid(unsafe_code)]

mod arithmetic;
mod text;

pub use text::{Problem, parse, parse_scientific};

/// Digits after the point.
pub const FRACTION_DIGITS: usize = 18;

/// Units in the number one.
pub const UNITS_PER_ONE: i128 = 10_i128.pow(FRACTION_DIGITS as u32);

/// A fixed-point number. Order and equality are those of the numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Decimal(i128);

/// What becomes of the part of a number that is cut off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rounding {
    /// The next smaller number.
    Floor,
    /// The next larger number.
    Ceiling,
    /// The next number on the way to zero.
    Truncate,
    /// The nearest number; of two that are equally near, the even one.
    HalfEven,
}

impl Decimal {
    /// The number zero.
    pub const ZERO: Decimal = Decimal(0);
    /// The largest number.
    pub const MAX: Decimal = Decimal(i128::MAX);
    /// The smallest number.
    pub const MIN: Decimal = Decimal(i128::MIN);

    /// The number of so many units.
    pub const fn from_units(units: i128) -> Decimal {
        Decimal(units)
    }

    /// How many units it is.
    pub const fn units(self) -> i128 {
        self.0
    }

    /// An integer as a decimal.
    pub const fn from_integer(number: i64) -> Decimal {
        Decimal(number as i128 * UNITS_PER_ONE)
    }

    /// The integer that it equals, if there is one of 64 bits.
    pub fn as_integer(self) -> Option<i64> {
        if self.0 % UNITS_PER_ONE != 0 {
            return None;
        }
        i64::try_from(self.0 / UNITS_PER_ONE).ok()
    }
}

#[cfg(test)]
mod tests;

#[cfg(test)]
fn main() -> std::process::ExitCode {
    valk_harness::main()
}
