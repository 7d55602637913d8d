//! Calendar days, as far as expiry dates need them.
//!
//! Days are counted in the proleptic Gregorian calendar from 1970-01-01, UTC. Does not read the
//! clock except in [`Day::today`].

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::error::Error;

/// Days since 1970-01-01.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Day(i64);

/// Days in four hundred years, after which the calendar repeats.
const DAYS_PER_ERA: i64 = 146_097;

impl Day {
    /// The current day in UTC.
    pub fn today() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self((since.as_secs() / 86_400) as i64)
    }

    /// Reads `YYYY-MM-DD`.
    ///
    /// # Errors
    /// Any other shape, and days that do not exist.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let bad = || Error::BadDate { found: text.to_owned() };
        let shaped = text.len() == 10
            && text.bytes().enumerate().all(|(at, byte)| match at {
                4 | 7 => byte == b'-',
                _ => byte.is_ascii_digit(),
            });
        if !shaped {
            return Err(bad());
        }
        let number = |range: std::ops::Range<usize>| {
            text[range].bytes().fold(0_i64, |sum, digit| sum * 10 + i64::from(digit - b'0'))
        };
        let day = Self::from_civil(number(0..4), number(5..7), number(8..10));
        // A day that does not exist comes back as another one.
        if day.to_string() == text { Ok(day) } else { Err(bad()) }
    }

    /// This day plus `days`.
    #[must_use]
    pub fn plus(self, days: i64) -> Self {
        Self(self.0 + days)
    }

    /// Years are counted from March, so that the leap day is the last of its year.
    fn from_civil(year: i64, month: i64, day: i64) -> Self {
        let year = year - i64::from(month <= 2);
        let era = year.div_euclid(400);
        let year_of_era = year.rem_euclid(400);
        let month_from_march = (month + 9) % 12;
        let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
        let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
        Self(era * DAYS_PER_ERA + day_of_era - 719_468)
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let days = self.0 + 719_468;
        let era = days.div_euclid(DAYS_PER_ERA);
        let day_of_era = days.rem_euclid(DAYS_PER_ERA);
        let leap_corrected =
            day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096;
        let year_of_era = leap_corrected / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_from_march = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
        let month = (month_from_march + 2) % 12 + 1;
        let year = era * 400 + year_of_era + i64::from(month <= 2);
        write!(f, "{year:04}-{month:02}-{day:02}")
    }
}
