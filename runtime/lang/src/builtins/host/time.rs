//! Wall-clock time as milliseconds since 1970-01-01T00:00:00Z, and its RFC 3339 text in UTC.
//!
//! Dates are proleptic Gregorian; years 0 to 9999 have a text.

use crate::builtins::row::{Row, fail, number, string};
use crate::runtime::Language;
use valk_heap::Value;
use valk_vm::{Arity, Outcome, Vm};

pub(super) const TABLE: &[Row] = &[
    ("time/now", Arity::Exactly(0), now),
    ("time/format", Arity::Exactly(1), format_time),
    ("time/parse", Arity::Exactly(1), parse_time),
];

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

fn now(vm: &mut Vm, _: &[Value]) -> Outcome {
    let milliseconds = vm.extension::<Language>().clock.unix_us() / 1000;
    vm.heap.integer(milliseconds).into()
}

/// Days from 1970-01-01 to a date. Years begin in March here, so that the leap day is the last.
pub(crate) fn days_of(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let day_of_year = (153 * month + 2) / 5 + day - 1;
    let (era, in_era) = (year.div_euclid(400), year.rem_euclid(400));
    era * 146_097 + in_era * 365 + in_era / 4 - in_era / 100 + day_of_year - 719_468
}

/// Year, month and day that lie so many days after 1970-01-01.
pub(crate) fn date_of(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, day) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day_of_year = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let (month, later) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    (era * 400 + year + later, month, day)
}

fn format_time(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let time = number!(vm, arguments[0]);
    let (year, month, day) = date_of(time.div_euclid(DAY_MS));
    if !(0..=9999).contains(&year) {
        return fail(vm, &format!("time/format: {time} is outside the years 0 to 9999"));
    }
    let rest = time.rem_euclid(DAY_MS);
    let (hour, minute) = (rest / 3_600_000, rest / 60_000 % 60);
    let (second, milli) = (rest / 1000 % 60, rest % 1000);
    let text =
        format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z");
    vm.heap.string(text.as_bytes()).into()
}

/// Milliseconds of an RFC 3339 text; digits behind the third of a second's fraction are dropped.
pub(crate) fn parse(text: &str) -> Option<i64> {
    let bytes = text.as_bytes();
    let digits = |from: usize, count: usize| -> Option<i64> {
        let part = bytes.get(from..from + count)?;
        part.iter()
            .all(u8::is_ascii_digit)
            .then(|| part.iter().fold(0, |number, digit| number * 10 + i64::from(digit - b'0')))
    };
    let mark = |at: usize, marks: &[u8]| bytes.get(at).is_some_and(|byte| marks.contains(byte));
    let marks = [(4, &b"-"[..]), (7, b"-"), (10, b"Tt "), (13, b":"), (16, b":")];
    if !marks.iter().all(|(at, which)| mark(*at, which)) {
        return None;
    }
    let (year, month, day) = (digits(0, 4)?, digits(5, 2)?, digits(8, 2)?);
    let (hour, minute, second) = (digits(11, 2)?, digits(14, 2)?, digits(17, 2)?);
    let days = days_of(year, month, day);
    // A leap second counts as the last one before it, as the system's clock does.
    let clock = hour < 24 && minute < 60 && second <= 60;
    if !clock || date_of(days) != (year, month, day) {
        return None;
    }
    let mut at = 19;
    let mut milli = 0;
    if mark(at, b".") {
        let count = bytes[at + 1..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        let fraction = digits(at + 1, count.min(3)).filter(|_| count > 0)?;
        milli = fraction * [0, 100, 10, 1][count.min(3)];
        at += 1 + count;
    }
    let offset = offset(&bytes[at..])?;
    let seconds = hour * 3600 + minute * 60 + second.min(59);
    Some(days * DAY_MS + seconds * 1000 + milli - offset * 60_000)
}

/// Minutes ahead of UTC, from `Z` or `+hh:mm`.
fn offset(zone: &[u8]) -> Option<i64> {
    match zone {
        [b'Z' | b'z'] => Some(0),
        [sign @ (b'+' | b'-'), h, i, b':', m, n]
            if [h, i, m, n].into_iter().all(u8::is_ascii_digit) =>
        {
            let two = |tens: &u8, ones: &u8| i64::from(tens - b'0') * 10 + i64::from(ones - b'0');
            let (hours, minutes) = (two(h, i), two(m, n));
            let size = hours * 60 + minutes;
            (hours < 24 && minutes < 60).then_some(if *sign == b'-' { -size } else { size })
        }
        _ => None,
    }
}

fn parse_time(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let text = String::from_utf8_lossy(&string!(vm, arguments[0])).into_owned();
    match parse(&text) {
        Some(time) => vm.heap.integer(time).into(),
        None => {
            let text = format!("time/parse: no time like 2026-01-31T12:30:00Z: {text}");
            fail(vm, &text)
        }
    }
}
