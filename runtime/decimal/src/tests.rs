//! Examples, properties over seeded numbers, and one figure for a million operations.

use crate::{Decimal, Problem, Rounding, UNITS_PER_ONE, parse, parse_scientific};
use ethnum::U256;

fn decimal(text: &str) -> Decimal {
    parse(text).unwrap_or_else(|problem| panic!("{text}: {problem}"))
}

/// Numbers by seed, of all sizes.
struct Random(u64);

impl Random {
    fn word(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ mixed >> 31
    }

    fn decimal(&mut self) -> Decimal {
        let wide = i128::from(self.word() as i64) << 64 | i128::from(self.word());
        Decimal::from_units(wide >> (self.word() % 127))
    }
}

/// Whether `result` is `numerator / divisor` rounded half to even.
fn is_nearest(result: Decimal, numerator: U256, divisor: U256, is_negative: bool) -> bool {
    let magnitude = U256::new(result.units().unsigned_abs());
    let back = magnitude * divisor;
    let error = if back > numerator { back - numerator } else { numerator - back };
    let sign_fits = result.units() == 0 || (result.units() < 0) == is_negative;
    let is_tie = error == divisor - error;
    sign_fits && error <= divisor - error && (!is_tie || *magnitude.low() & 1 == 0)
}

valk_harness::test! {
    fn texts_and_numbers_agree() {
        for (text, shown) in [
            ("0.0", "0.0"), ("-0.0", "0.0"), ("2.0", "2.0"), ("2.50", "2.5"), ("-0.5", "-0.5"),
            ("007.10", "7.1"), ("0.000000000000000001", "0.000000000000000001"),
            ("170141183460469231731.687303715884105727", "170141183460469231731.687303715884105727"),
            ("-170141183460469231731.687303715884105728", "-170141183460469231731.687303715884105728"),
        ] {
            assert_eq!(decimal(text).to_string(), shown);
            assert_eq!(decimal(shown), decimal(text));
        }
        for (text, problem) in [
            ("", Problem::Malformed), ("1", Problem::Malformed), ("1.", Problem::Malformed),
            (".5", Problem::Malformed), ("--1.0", Problem::Malformed), ("+1.0", Problem::Malformed),
            ("1.2.3", Problem::Malformed), ("1.x", Problem::Malformed), ("1.5e3", Problem::Malformed),
            ("0.0000000000000000000", Problem::TooManyDigits),
            ("170141183460469231731.687303715884105728", Problem::OutOfRange),
            ("-170141183460469231731.687303715884105729", Problem::OutOfRange),
            ("1000000000000000000000000000000000000000000.0", Problem::OutOfRange),
        ] {
            assert_eq!(parse(text), Err(problem), "{text}");
        }
        assert!(Problem::OutOfRange.to_string().contains("170141183460469231731.687303715884105727"));
        assert!(Problem::TooManyDigits.to_string().contains("18 digits"));
    }

    fn digits_after_the_point_are_shown_as_asked() {
        for (text, digits, shown) in [
            ("1.5", 0, "1"), ("1.5", 1, "1.5"), ("1.5", 3, "1.500"), ("-0.25", 2, "-0.25"),
            ("7.0", 18, "7.000000000000000000"), ("7.0", 20, "7.00000000000000000000"),
        ] {
            assert_eq!(decimal(text).with_digits(digits), shown);
        }
    }

    fn json_numbers_are_read_exactly_or_rounded() {
        for (text, shown) in [
            ("1", "1.0"), ("1.5", "1.5"), ("1e3", "1000.0"), ("1.25E+2", "125.0"), ("-12e-1", "-1.2"),
            ("123456789.123456789123456789", "123456789.123456789123456789"),
            ("0.0000000000000000005", "0.0"), ("0.0000000000000000015", "0.000000000000000002"),
            ("0.0000000000000000025", "0.000000000000000002"),
            ("0.00000000000000000250001", "0.000000000000000003"),
            ("0.0000000000000000026", "0.000000000000000003"),
            ("-0.0000000000000000015", "-0.000000000000000002"),
            ("9.9999999999999999999", "10.0"), ("1e-400", "0.0"), ("5e-19", "0.0"), ("6e-19", "0.000000000000000001"),
            ("0e99999999999999999999", "0.0"), ("0.00000000000000000000000000000000000000001e41", "1.0"),
            ("100000000000000000000000000000e-29", "1.0"),
        ] {
            assert_eq!(parse_scientific(text).map(|number| number.to_string()), Ok(shown.to_owned()), "{text}");
        }
        for text in ["1e21", "1e99999999999999999999", "170141183460469231731.6873037158841057275"] {
            assert_eq!(parse_scientific(text), Err(Problem::OutOfRange), "{text}");
        }
        for text in ["", "e5", "1e", "1e+", "1e1.5", "1.e5", "x"] {
            assert_eq!(parse_scientific(text), Err(Problem::Malformed), "{text}");
        }
    }

    fn sums_are_exact() {
        assert_eq!(decimal("0.1").checked_add(decimal("0.2")), Some(decimal("0.3")));
        assert_eq!(decimal("0.3").checked_sub(decimal("0.1")), Some(decimal("0.2")));
        assert_eq!(Decimal::MAX.checked_add(Decimal::from_units(1)), None);
        assert_eq!(Decimal::MIN.checked_sub(Decimal::from_units(1)), None);
        assert_eq!(Decimal::MIN.checked_neg(), None);
        assert_eq!(Decimal::MIN.checked_abs(), None);
        assert_eq!(decimal("-1.5").checked_abs(), decimal("-1.5").checked_neg());
    }

    fn products_and_quotients_round_half_to_even() {
        let unit = Decimal::from_units(1);
        assert_eq!(unit.checked_mul(decimal("0.5")), Some(Decimal::ZERO));
        assert_eq!(Decimal::from_units(3).checked_mul(decimal("0.5")), Some(Decimal::from_units(2)));
        assert_eq!(Decimal::from_units(-3).checked_mul(decimal("0.5")), Some(Decimal::from_units(-2)));
        assert_eq!(decimal("1.0").checked_div(decimal("3.0")), Some(decimal("0.333333333333333333")));
        assert_eq!(decimal("2.0").checked_div(decimal("3.0")), Some(decimal("0.666666666666666667")));
        assert_eq!(unit.checked_div(decimal("2.0")), Some(Decimal::ZERO));
        assert_eq!(decimal("1.0").checked_div(Decimal::ZERO), None);
        assert_eq!(Decimal::MAX.checked_mul(decimal("1.1")), None);
        assert_eq!(Decimal::MAX.checked_div(decimal("0.5")), None);
        assert_eq!(Decimal::MIN.checked_mul(decimal("1.0")), Some(Decimal::MIN));
        assert_eq!(Decimal::MIN.checked_div(decimal("-1.0")), None);
    }

    fn a_hundred_thousand_products_and_quotients_are_the_nearest() {
        let mut random = Random(7);
        let one = U256::new(UNITS_PER_ONE as u128);
        for _ in 0..100_000 {
            let (x, y) = (random.decimal(), random.decimal());
            let is_negative = (x.units() < 0) != (y.units() < 0);
            let (a, b) = (U256::new(x.units().unsigned_abs()), U256::new(y.units().unsigned_abs()));
            match x.checked_mul(y) {
                Some(product) => assert!(is_nearest(product, a * b, one, is_negative), "{x} * {y}"),
                None => assert!(a * b / one >= U256::new(i128::MAX as u128), "{x} * {y}"),
            }
            match x.checked_div(y) {
                Some(quotient) => assert!(is_nearest(quotient, a * one, b, is_negative), "{x} / {y}"),
                None => assert!(b == U256::ZERO || a * one / b >= U256::new(i128::MAX as u128), "{x} / {y}"),
            }
        }
    }

    fn remainders_are_exact_and_have_their_sign() {
        for (x, y, rest, modulo) in [
            ("5.5", "2.0", "1.5", "1.5"), ("-5.5", "2.0", "-1.5", "0.5"), ("5.5", "-2.0", "1.5", "-0.5"),
            ("-5.5", "-2.0", "-1.5", "-1.5"), ("6.0", "1.5", "0.0", "0.0"), ("-6.0", "1.5", "0.0", "0.0"),
        ] {
            assert_eq!(decimal(x).checked_rem(decimal(y)), Some(decimal(rest)), "{x} rem {y}");
            assert_eq!(decimal(x).checked_modulo(decimal(y)), Some(decimal(modulo)), "{x} mod {y}");
        }
        assert_eq!(decimal("1.0").checked_rem(Decimal::ZERO), None);
        assert_eq!(decimal("1.0").checked_modulo(Decimal::ZERO), None);
        assert_eq!(Decimal::MIN.checked_rem(Decimal::from_units(-1)), Some(Decimal::ZERO));
    }

    fn numbers_are_cut_as_asked() {
        use Rounding::{Ceiling, Floor, HalfEven, Truncate};
        for (text, digits, rounding, cut) in [
            ("2.5", 0, HalfEven, "2.0"), ("3.5", 0, HalfEven, "4.0"), ("-2.5", 0, HalfEven, "-2.0"),
            ("-3.5", 0, HalfEven, "-4.0"), ("2.51", 0, HalfEven, "3.0"), ("2.49", 0, HalfEven, "2.0"),
            ("-2.1", 0, Floor, "-3.0"), ("2.9", 0, Floor, "2.0"), ("-2.9", 0, Ceiling, "-2.0"),
            ("2.1", 0, Ceiling, "3.0"), ("-2.9", 0, Truncate, "-2.0"), ("2.9", 0, Truncate, "2.0"),
            ("2.0", 0, Ceiling, "2.0"), ("1.005", 2, HalfEven, "1.0"), ("1.015", 2, HalfEven, "1.02"),
            ("1.25", 18, HalfEven, "1.25"), ("1.25", 400, Floor, "1.25"),
        ] {
            assert_eq!(decimal(text).round_to(digits, rounding), Some(decimal(cut)), "{text} {rounding:?}");
        }
        assert_eq!(Decimal::MAX.round_to(0, Ceiling), None);
        assert_eq!(Decimal::MIN.round_to(0, Floor), None);
    }

    fn integers_are_decimals() {
        for number in [0, 1, -1, i64::MAX, i64::MIN] {
            assert_eq!(Decimal::from_integer(number).as_integer(), Some(number));
        }
        assert_eq!(decimal("0.5").as_integer(), None);
        assert_eq!(decimal("9223372036854775808.0").as_integer(), None);
        assert!(decimal("-0.1") < Decimal::ZERO && Decimal::from_integer(2) < decimal("2.1"));
    }

    /// The same figure on every machine and in every build.
    fn a_million_operations_give_one_figure() {
        let mut random = Random(2026);
        let mut figure = 0_u64;
        for _ in 0..250_000 {
            let (x, y) = (random.decimal(), random.decimal());
            for result in [x.checked_add(y), x.checked_mul(y), x.checked_div(y), x.checked_modulo(y)] {
                let units = result.map_or(u128::MAX, |number| number.units() as u128);
                figure = (figure.rotate_left(5) ^ units as u64 ^ (units >> 64) as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
            }
        }
        // Computed once more with integers of any size, in another language.
        assert_eq!(figure, 16_763_098_830_801_662_771);
    }

    /// Rule 4.
    fn there_is_no_floating_point_here() {
        for (name, text) in [
            ("lib.rs", include_str!("lib.rs")),
            ("arithmetic.rs", include_str!("arithmetic.rs")),
            ("text.rs", include_str!("text.rs")),
        ] {
            for word in ["f32", "f64", "powi", "sqrt"] {
                assert!(!text.contains(word), "{name} has `{word}`");
            }
        }
    }
}
