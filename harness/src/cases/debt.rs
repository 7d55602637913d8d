//! What a skip owes: who is to mend it, and the day until which it is accepted.
//!
//! Days are those of UTC, in the Gregorian calendar.

use std::fmt;
use std::str::FromStr;
use std::time::{SystemTime, UNIX_EPOCH};

/// First year of the count of days.
const EPOCH_YEAR: u16 = 1970;
const SECONDS_PER_DAY: u64 = 24 * 60 * 60;

/// `#[owner = "name"]` and `#[until = "2027-01-31"]` of a test.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Debt {
    /// Who is to mend the test.
    pub owner: Option<&'static str>,
    /// The last day on which a skip of the test is accepted.
    pub until: Option<Day>,
}

/// A day from 1970 on; earlier ones are less.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Day {
    year: u16,
    month: u8,
    of_month: u8,
}

impl Day {
    /// Reads `YYYY-MM-DD`; `None` for anything else and for days that do not exist.
    pub const fn parse(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        if bytes.len() != 10 || bytes[4] != b'-' || bytes[7] != b'-' {
            return None;
        }
        let (Some(year), Some(month), Some(day)) =
            (digits(bytes, 0, 4), digits(bytes, 5, 7), digits(bytes, 8, 10))
        else {
            return None;
        };
        let exists = year >= EPOCH_YEAR
            && month >= 1
            && month <= 12
            && day >= 1
            && day <= days_in(year, month as u8) as u16;
        if exists { Some(Self { year, month: month as u8, of_month: day as u8 }) } else { None }
    }

    /// The day of a computer's clock.
    pub fn today() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self::from_number(since.as_secs() / SECONDS_PER_DAY)
    }

    /// The day so many days after the first of January 1970; days after the year 9999 are its last.
    pub fn from_number(mut number: u64) -> Self {
        let (mut year, mut month) = (EPOCH_YEAR, 1);
        loop {
            let days = u64::from(days_in(year, month));
            if number < days {
                return Self { year, month, of_month: number as u8 + 1 };
            }
            match (year, month) {
                (9999, 12) => return Self { year, month, of_month: 31 },
                (_, 12) => (year, month) = (year + 1, 1),
                _ => month += 1,
            }
            number -= days;
        }
    }

    /// The inverse of [`Day::from_number`].
    pub fn number(self) -> u64 {
        let months = |year| (1..=12).map(move |month| (year, month));
        let before = (EPOCH_YEAR..=self.year).flat_map(months);
        let before = before.take_while(|month| *month != (self.year, self.month));
        let days: u64 = before.map(|(year, month)| u64::from(days_in(year, month))).sum();
        days + u64::from(self.of_month) - 1
    }
}

/// The number that these digits are.
const fn digits(bytes: &[u8], from: usize, to: usize) -> Option<u16> {
    let (mut number, mut at) = (0, from);
    while at < to {
        if !bytes[at].is_ascii_digit() {
            return None;
        }
        number = number * 10 + (bytes[at] - b'0') as u16;
        at += 1;
    }
    Some(number)
}

const fn days_in(year: u16, month: u8) -> u8 {
    let is_leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if is_leap => 29,
        2 => 28,
        _ => 31,
    }
}

impl FromStr for Day {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Self::parse(text).ok_or(())
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { year, month, of_month } = self;
        write!(f, "{year:04}-{month:02}-{of_month:02}")
    }
}
