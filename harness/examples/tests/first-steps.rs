//! A passing, a parameterised, a skipped and a hanging test, and one with a fixture; README.md of the
//! harness explains them.

use harness_example::double;
use valk_harness::Fixture;

fn main() -> std::process::ExitCode {
    valk_harness::main()
}

#[valk_harness::test_fn]
fn passes() {
    assert_eq!(double(1), 2);
}

#[valk_harness::test_fn]
fn doubles(#[values(1, 2, 3)] number: u32, #[values(false, true)] negative: bool) {
    let number = if negative { -i64::from(number) } else { i64::from(number) };
    assert_eq!(number + number, double(number));
}

#[valk_harness::test_fn]
#[filter(number != 2)]
fn leaves_out(#[values(1, 2, 3)] number: u32) {
    assert_ne!(number, 2);
}

#[valk_harness::test_fn]
#[case("decimal", "12", 12)]
#[case("negative", "-1", -1)]
fn reads(text: &str, number: i64) -> Result<(), std::num::ParseIntError> {
    assert_eq!(text.parse::<i64>()?, number);
    Ok(())
}

#[valk_harness::test_fn]
fn returns_an_error() -> Result<(), std::num::ParseIntError> {
    "x".parse::<i64>().map(drop)
}

#[valk_harness::test_fn]
#[require = NeedsCores(4096)]
fn needs_a_large_computer() {}

#[valk_harness::test_fn]
#[timeout_ms = 500]
fn hangs() {
    std::thread::sleep(std::time::Duration::from_mins(1));
}

static NUMBERS: Fixture<Vec<u32>> = Fixture::new("numbers", || (0..1_000_000).collect())
    .tear_down(|numbers| assert!(!numbers.is_empty()));

#[valk_harness::test_fn]
fn sums_up(#[fixture(NUMBERS)] numbers: &[u32]) {
    assert_eq!(numbers.iter().map(|n| u64::from(*n)).sum::<u64>(), 499_999_500_000);
}
