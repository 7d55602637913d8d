//! Decimals as text.

use crate::arithmetic::signed;
use crate::{Decimal, FRACTION_DIGITS, UNITS_PER_ONE};
use std::fmt;

/// Why a text is no decimal; displayed as what is to be said of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Problem {
    /// It is not written as a number.
    Malformed,
    /// It has more than [`FRACTION_DIGITS`] digits after the point.
    TooManyDigits,
    /// It is outside the range.
    OutOfRange,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Problem::Malformed => f.write_str("is not a number"),
            Problem::TooManyDigits => {
                write!(f, "has more than {FRACTION_DIGITS} digits after the point")
            }
            Problem::OutOfRange => write!(f, "is outside {} to {}", Decimal::MIN, Decimal::MAX),
        }
    }
}

impl std::error::Error for Problem {}

/// The parts of a number's text.
struct Parts<'t> {
    is_negative: bool,
    whole: &'t str,
    fraction: &'t str,
}

fn parts(text: &str) -> Option<Parts<'_>> {
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = unsigned.split_once('.')?;
    let is_digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    let is_negative = unsigned.len() < text.len();
    (is_digits(whole) && is_digits(fraction)).then_some(Parts { is_negative, whole, fraction })
}

/// Reads a number as programs write it: `-` or nothing, digits, a point, digits.
///
/// # Errors
/// [`Problem`]: what is wrong with the text.
pub fn parse(text: &str) -> Result<Decimal, Problem> {
    let Parts { is_negative, whole, fraction } = parts(text).ok_or(Problem::Malformed)?;
    if fraction.len() > FRACTION_DIGITS {
        return Err(Problem::TooManyDigits);
    }
    let zeros = FRACTION_DIGITS - fraction.len();
    let digits = whole.bytes().chain(fraction.bytes());
    let digits = digits.chain(std::iter::repeat_n(b'0', zeros));
    units(digits, 0, is_negative).ok_or(Problem::OutOfRange)
}

/// Reads a number as JSON writes it (RFC 8259 section 6): a fraction and an exponent are optional,
/// digits after the point are any number. What has no place in a decimal is rounded half to even.
///
/// # Errors
/// [`Problem::Malformed`] and [`Problem::OutOfRange`].
pub fn parse_scientific(text: &str) -> Result<Decimal, Problem> {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent_of(exponent)?),
        None => (text, 0),
    };
    let with_point;
    let mantissa = if mantissa.contains('.') {
        mantissa
    } else {
        with_point = format!("{mantissa}.0");
        &with_point
    };
    let Parts { is_negative, whole, fraction } = parts(mantissa).ok_or(Problem::Malformed)?;
    let all = || whole.bytes().chain(fraction.bytes());
    if all().all(|digit| digit == b'0') {
        return Ok(Decimal::ZERO);
    }
    // How many of the digits count units, if there are enough of them.
    let kept = whole.len() as i64 + FRACTION_DIGITS as i64 + exponent;
    if kept < 0 {
        return Ok(Decimal::ZERO);
    }
    let leading_zeros = all().take_while(|digit| *digit == b'0').count() as i64;
    if kept - leading_zeros > UNITS_DIGITS_MAX {
        return Err(Problem::OutOfRange);
    }
    let kept = kept as usize;
    let rest = all().skip(kept);
    let last = all().chain(std::iter::repeat(b'0')).take(kept).last().unwrap_or(b'0');
    let head = all().chain(std::iter::repeat(b'0')).take(kept);
    let rounded = u128::from(rounds_up(rest, last));
    units(head, rounded, is_negative).ok_or(Problem::OutOfRange)
}

/// Digits of the largest number of units.
const UNITS_DIGITS_MAX: i64 = 39;
/// Exponents beyond this are as good as this: a text has fewer digits.
const EXPONENT_MAX: i64 = 1 << 40;

/// The exponent, cut to [`EXPONENT_MAX`].
fn exponent_of(text: &str) -> Result<i64, Problem> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return Err(Problem::Malformed);
    }
    // Digits that do not fit are a large number.
    let size = digits.parse::<i64>().unwrap_or(EXPONENT_MAX).min(EXPONENT_MAX);
    Ok(if text.starts_with('-') { -size } else { size })
}

/// Whether the digits that are cut off round the digit before them up, half to even.
fn rounds_up(mut rest: impl Iterator<Item = u8>, last: u8) -> bool {
    match rest.next().unwrap_or(b'0') {
        b'0'..=b'4' => false,
        b'5' => rest.any(|digit| digit != b'0') || last % 2 == 1,
        _ => true,
    }
}

/// So many units, and `more`.
fn units(digits: impl Iterator<Item = u8>, more: u128, is_negative: bool) -> Option<Decimal> {
    let mut magnitude = 0_u128;
    for digit in digits {
        magnitude = magnitude.checked_mul(10)?.checked_add(u128::from(digit - b'0'))?;
    }
    signed(magnitude.checked_add(more)?, is_negative).map(Decimal::from_units)
}

impl Decimal {
    /// The number with exactly so many digits after the point, and no point for none. Further digits
    /// are not shown: round first.
    pub fn with_digits(self, digits: usize) -> String {
        let (sign, whole, fraction) = self.parts();
        match digits {
            0 => format!("{sign}{whole}"),
            _ => format!("{sign}{whole}.{fraction:0<digits$.digits$}"),
        }
    }

    /// The sign, the whole part, and all digits after the point.
    fn parts(self) -> (&'static str, u128, String) {
        let one = UNITS_PER_ONE.unsigned_abs();
        let units = self.units().unsigned_abs();
        let sign = if self.units() < 0 { "-" } else { "" };
        (sign, units / one, format!("{:0FRACTION_DIGITS$}", units % one))
    }
}

/// As programs write it, with as few digits after the point as say it all, and at least one.
impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (sign, whole, digits) = self.parts();
        let shown = digits.trim_end_matches('0');
        write!(f, "{sign}{whole}.{}", if shown.is_empty() { "0" } else { shown })
    }
}
