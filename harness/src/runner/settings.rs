//! Settings from the environment. A value that is not understood is refused: a run with other limits
//! than those asked for would look like the one that was.

use std::str::FromStr;

use crate::cases::debt::Day;
use crate::error::Error;
use crate::execution::plan::{DEFAULT_LIMIT_MS, LIMIT_MAX_MS};
use crate::options::RETRIES_MAX;

/// The largest factor on limits.
const TIME_SCALE_MAX: f64 = 1e6;

/// What the environment says about a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// `VALK_TEST_SEED`.
    pub seed: Option<u64>,
    /// `VALK_TEST_TIMEOUT_SECONDS`, in milliseconds.
    pub limit_ms: u64,
    /// `VALK_TEST_TIME_SCALE`.
    pub time_scale: f64,
    /// `VALK_TEST_TODAY`, or the day of the clock.
    pub today: Day,
    /// `VALK_TEST_RETRIES`.
    pub retries: u32,
    /// `VALK_TEST_NO_FLAKY`.
    pub no_flaky: bool,
    /// `VALK_TEST_NO_FORK`, and Miri, which cannot fork.
    pub no_fork: bool,
}

impl Settings {
    /// Reads the environment of this process.
    ///
    /// # Errors
    /// [`Error::Usage`] that names the variable.
    pub fn read() -> Result<Self, Error> {
        Self::from(|variable| std::env::var(variable).ok())
    }

    /// Reads variables through `lookup`.
    ///
    /// # Errors
    /// As [`Settings::read`].
    pub fn from(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, Error> {
        let seconds: Option<u64> =
            parse(&lookup, "VALK_TEST_TIMEOUT_SECONDS", "a whole number of seconds", |s| *s > 0)?;
        let is_scale = |scale: &f64| *scale > 0.0 && *scale <= TIME_SCALE_MAX;
        let scale = parse(&lookup, "VALK_TEST_TIME_SCALE", "a factor above 0", is_scale)?;
        let retries: Option<u32> =
            parse(&lookup, "VALK_TEST_RETRIES", "a number up to 100", |n| *n <= RETRIES_MAX)?;
        Ok(Self {
            today: parse(&lookup, "VALK_TEST_TODAY", "a day such as 2027-01-31", |_| true)?
                .unwrap_or_else(Day::today),
            retries: retries.unwrap_or(0),
            no_flaky: lookup("VALK_TEST_NO_FLAKY").is_some_and(|value| !value.is_empty()),
            seed: parse(&lookup, "VALK_TEST_SEED", "a whole number", |_| true)?,
            limit_ms: seconds
                .map_or(DEFAULT_LIMIT_MS, |seconds| seconds.saturating_mul(1_000))
                .min(LIMIT_MAX_MS),
            time_scale: scale.unwrap_or(1.0),
            no_fork: cfg!(miri) || lookup("VALK_TEST_NO_FORK").is_some(),
        })
    }
}

fn parse<T: FromStr>(
    lookup: &impl Fn(&str) -> Option<String>,
    variable: &str,
    expected: &str,
    accepts: impl Fn(&T) -> bool,
) -> Result<Option<T>, Error> {
    let Some(text) = lookup(variable).filter(|text| !text.is_empty()) else { return Ok(None) };
    match text.parse().ok().filter(accepts) {
        Some(value) => Ok(Some(value)),
        None => Err(Error::Usage(format!("{variable} needs {expected}, found `{text}`."))),
    }
}
