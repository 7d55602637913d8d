//! Numbers with units, as people write them on command lines and read them in reports.

use std::time::Duration;

/// Parses `250us`, `20ms`, `1.5s`, `2m`, `1h` and sums of them like `1m30s`.
///
/// # Errors
/// Says what was found and which units exist.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let mut rest = text.trim();
    let mut seconds = 0.0;
    loop {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (number, tail) = rest.split_at(digits);
        let end = tail.find(|c: char| c.is_ascii_digit()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(end);
        let value: f64 = number.parse().map_err(|_| {
            format!("`{text}` is not a time; write a number and a unit, like 10s or 1m30s")
        })?;
        seconds += value * time_unit(text, unit)?;
        rest = tail;
        if rest.is_empty() {
            break;
        }
    }
    Duration::try_from_secs_f64(seconds).map_err(|_| format!("`{text}` is too long"))
}

fn time_unit(text: &str, unit: &str) -> Result<f64, String> {
    Ok(match unit {
        "us" => 1e-6,
        "ms" => 1e-3,
        "s" => 1.0,
        "m" | "min" => 60.0,
        "h" => 3600.0,
        "" => {
            return Err(format!(
                "`{text}` has no unit; write it as us, ms, s, m or h, like `{text}s`"
            ));
        }
        other => return Err(format!("`{other}` is not a unit of time; use us, ms, s, m or h")),
    })
}

/// Parses a rate per second: `1000`, `1k`, `2.5M`, `1000/s`, `60/m`.
///
/// # Errors
/// Says what was found and what would be right.
pub fn parse_rate(text: &str) -> Result<f64, String> {
    let (number, per) = match text.trim().split_once('/') {
        None => (text.trim(), 1.0),
        Some((number, "s")) => (number, 1.0),
        Some((number, "m" | "min")) => (number, 60.0),
        Some((_, other)) => return Err(format!("`{other}` is not a time of a rate; use /s or /m")),
    };
    Ok(scaled(text, number, "a rate; write it like 1000, 1k or 1000/s")? / per)
}

/// Parses a count: `20`, `10k`, `1M`.
///
/// # Errors
/// Says what was found and what would be right.
pub fn parse_count(text: &str) -> Result<u32, String> {
    let value = scaled(text, text.trim(), "a count; write it like 20 or 10k")?;
    if value.fract() != 0.0 || value > f64::from(u32::MAX) {
        return Err(format!("`{text}` is not a whole number below {}", u32::MAX));
    }
    Ok(value as u32)
}

/// A number at least 0 with an optional `k` or `M`.
fn scaled(text: &str, number: &str, what: &str) -> Result<f64, String> {
    let (digits, factor) = match number.as_bytes().last() {
        Some(b'k' | b'K') => (&number[..number.len() - 1], 1e3),
        Some(b'M') => (&number[..number.len() - 1], 1e6),
        _ => (number, 1.0),
    };
    match digits.parse::<f64>() {
        Ok(value) if value.is_finite() && value >= 0.0 => Ok(value * factor),
        _ => Err(format!("`{text}` is not {what}")),
    }
}

/// Parses a number of bytes: `100`, `64KiB`, `1MiB`, `10kB`, `1MB`.
///
/// # Errors
/// Says what was found and which units exist.
pub fn parse_bytes(text: &str) -> Result<u64, String> {
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let scale = match unit {
        "" | "B" => 1.0,
        "k" | "kB" | "KB" => 1e3,
        "M" | "MB" => 1e6,
        "KiB" | "K" => 1024.0,
        "MiB" => 1024.0 * 1024.0,
        "GiB" => 1024.0 * 1024.0 * 1024.0,
        other => {
            return Err(format!("`{other}` is not a unit of bytes; use B, kB, KiB, MB, MiB, GiB"));
        }
    };
    match number.parse::<f64>() {
        Ok(value) if (value * scale).fract() == 0.0 => Ok((value * scale) as u64),
        _ => Err(format!("`{text}` is not a number of bytes; write it like 100 or 64KiB")),
    }
}

/// Microseconds in the largest unit in which they are at least 1.
pub fn show_us(us: u64) -> String {
    match us {
        0..1_000 => format!("{us} us"),
        1_000..1_000_000 => format!("{:.2} ms", us as f64 / 1e3),
        _ => format!("{:.2} s", us as f64 / 1e6),
    }
}

/// A duration as it is written on the command line: `100ms`, `1m30s`.
pub fn show_duration(duration: Duration) -> String {
    let us = whole_us(duration);
    let (hours, minutes) = (us / 3_600_000_000, us / 60_000_000 % 60);
    let rest = us % 60_000_000;
    let part = |value: u64, unit: &str| {
        if value > 0 { format!("{value}{unit}") } else { String::new() }
    };
    let seconds = match rest {
        0 if us > 0 => String::new(),
        0 => "0s".to_string(),
        1_000_000.. => format!("{}s", rest as f64 / 1e6),
        _ if rest.is_multiple_of(1_000) => format!("{}ms", rest / 1_000),
        _ => format!("{rest}us"),
    };
    part(hours, "h") + &part(minutes, "m") + &seconds
}

/// A rate per second without a needless fraction.
pub fn show_rate(rate: f64) -> String {
    if rate.fract() == 0.0 { format!("{rate:.0}/s") } else { format!("{rate:.1}/s") }
}

/// Text from outside, fit for a terminal: control characters but the end of a line become escapes.
pub fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() && c != '\n' {
            shown.extend(c.escape_default());
        } else {
            shown.push(c);
        }
    }
    shown
}

/// Microseconds of a duration; saturates far beyond any run.
pub fn whole_us(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// Nanoseconds of a duration; saturates after 584 years.
pub fn whole_ns(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// Seconds of a duration; a part of a second becomes a whole one.
pub fn whole_seconds(duration: Duration) -> u64 {
    duration.as_secs_f64().ceil() as u64
}
