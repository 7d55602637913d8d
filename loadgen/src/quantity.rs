//! Numbers with units: durations as they are written on command lines and in reports.

use std::time::Duration;

/// Parses `250us`, `20ms`, `1.5s` or `2m`.
///
/// # Errors
/// Says what was found and which units exist.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let scale = match unit {
        "us" => 1e-6,
        "ms" => 1e-3,
        "s" => 1.0,
        "m" => 60.0,
        "" => {
            return Err(format!(
                "`{text}` has no unit; write it as us, ms, s or m, like `{text}s`"
            ));
        }
        other => return Err(format!("`{other}` is not a unit of time; use us, ms, s or m")),
    };
    let value: f64 =
        number.parse().map_err(|_| format!("`{text}` does not start with a number, like 10s"))?;
    Duration::try_from_secs_f64(value * scale).map_err(|_| format!("`{text}` is too long"))
}

/// Microseconds in the largest unit in which they are at least 1.
pub fn show_us(us: u64) -> String {
    match us {
        0..1_000 => format!("{us} us"),
        1_000..1_000_000 => format!("{:.2} ms", us as f64 / 1e3),
        _ => format!("{:.2} s", us as f64 / 1e6),
    }
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
