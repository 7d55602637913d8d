//! Arithmetic on units.

use crate::{Decimal, FRACTION_DIGITS, Rounding, UNITS_PER_ONE};
use ethnum::U256;

/// Units in the number one, for products that need more than 128 bits.
const ONE: U256 = U256::new(UNITS_PER_ONE as u128);

/// `numerator / divisor`, rounded half to even, with this sign; none outside the range.
fn rounded(numerator: U256, divisor: U256, is_negative: bool) -> Option<Decimal> {
    let (quotient, rest) = (numerator / divisor, numerator % divisor);
    // The rest is compared with what is missing to the divisor: twice the rest may not fit.
    let rounds_up = match rest.cmp(&(divisor - rest)) {
        std::cmp::Ordering::Less => false,
        std::cmp::Ordering::Equal => *quotient.low() & 1 == 1,
        std::cmp::Ordering::Greater => true,
    };
    let quotient = if rounds_up { quotient + U256::ONE } else { quotient };
    let magnitude = (*quotient.high() == 0).then_some(*quotient.low())?;
    signed(magnitude, is_negative).map(Decimal)
}

/// A magnitude with a sign, if 128 bits hold it.
pub(crate) fn signed(magnitude: u128, is_negative: bool) -> Option<i128> {
    if is_negative {
        0_i128.checked_sub_unsigned(magnitude)
    } else {
        i128::try_from(magnitude).ok()
    }
}

impl Decimal {
    /// The sum, if it is in range.
    pub fn checked_add(self, other: Decimal) -> Option<Decimal> {
        self.0.checked_add(other.0).map(Decimal)
    }

    /// The difference, if it is in range.
    pub fn checked_sub(self, other: Decimal) -> Option<Decimal> {
        self.0.checked_sub(other.0).map(Decimal)
    }

    /// The product, rounded half to even, if it is in range.
    pub fn checked_mul(self, other: Decimal) -> Option<Decimal> {
        let is_negative = (self.0 < 0) != (other.0 < 0);
        let product = U256::new(self.0.unsigned_abs()) * U256::new(other.0.unsigned_abs());
        rounded(product, ONE, is_negative)
    }

    /// The quotient, rounded half to even, if it is in range and `other` is not zero.
    pub fn checked_div(self, other: Decimal) -> Option<Decimal> {
        if other.0 == 0 {
            return None;
        }
        let is_negative = (self.0 < 0) != (other.0 < 0);
        let numerator = U256::new(self.0.unsigned_abs()) * ONE;
        rounded(numerator, U256::new(other.0.unsigned_abs()), is_negative)
    }

    /// What is left of the quotient rounded toward zero: it has the sign of `self`. None for a
    /// divisor of zero.
    pub fn checked_rem(self, other: Decimal) -> Option<Decimal> {
        // The one overflow, the smallest number by minus one unit, has no rest.
        (other.0 != 0).then(|| Decimal(self.0.checked_rem(other.0).unwrap_or(0)))
    }

    /// What is left of the quotient rounded down: it has the sign of `other`. None for a divisor of
    /// zero.
    pub fn checked_modulo(self, other: Decimal) -> Option<Decimal> {
        let rest = self.checked_rem(other)?;
        let fits = rest.0 == 0 || (rest.0 < 0) == (other.0 < 0);
        // Of unlike signs, so the sum is nearer to zero than both.
        Some(if fits { rest } else { Decimal(rest.0 + other.0) })
    }

    /// The negative, if it is in range.
    pub fn checked_neg(self) -> Option<Decimal> {
        self.0.checked_neg().map(Decimal)
    }

    /// The magnitude, if it is in range.
    pub fn checked_abs(self) -> Option<Decimal> {
        self.0.checked_abs().map(Decimal)
    }

    /// The number cut to so many digits after the point. As it is from [`FRACTION_DIGITS`] on; none
    /// if rounding leads out of the range.
    pub fn round_to(self, digits: usize, rounding: Rounding) -> Option<Decimal> {
        if digits >= FRACTION_DIGITS {
            return Some(self);
        }
        let step = 10_i128.pow((FRACTION_DIGITS - digits) as u32);
        let (floor, rest) = (self.0.div_euclid(step), self.0.rem_euclid(step));
        let rounds_up = match rounding {
            Rounding::Floor => false,
            Rounding::Ceiling => rest > 0,
            Rounding::Truncate => rest > 0 && self.0 < 0,
            Rounding::HalfEven => rest * 2 > step || (rest * 2 == step && floor % 2 != 0),
        };
        (floor + i128::from(rounds_up)).checked_mul(step).map(Decimal)
    }
}
