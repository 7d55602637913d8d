//! The latencies of every second as a `HdrHistogram` log, and logs added together.
//!
//! The format is that of the `HdrHistogram` tools, version 1.3: a line is
//! `Tag=GROUP,start,length,max,V2 histogram in base64`, with times in seconds and the largest value
//! in milliseconds. Values are microseconds.

use std::time::Duration;

use hdrhistogram::Histogram;
use hdrhistogram::serialization::interval_log::{
    IntervalLogIterator, IntervalLogWriterBuilder, LogEntry, Tag,
};
use hdrhistogram::serialization::{Deserializer, V2DeflateSerializer};

use super::report::Report;
use crate::recording::counts::histogram;

/// Base64 (RFC 4648 section 4) of logs.
const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// The log of a run.
pub fn bytes(report: &Report<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    let mut serializer = V2DeflateSerializer::new();
    let cannot_fail = "writing to memory cannot fail";
    let mut log = IntervalLogWriterBuilder::new()
        .add_comment("valk-load: latency in microseconds, intended to last byte")
        .with_start_time(report.result.started)
        .with_base_time(report.result.started)
        .with_max_value_divisor(1_000.0)
        .begin_log_with(&mut out, &mut serializer)
        .expect(cannot_fail);
    for group in &report.result.groups {
        let tag = Tag::new(group.name).expect("names of groups have no comma and no blank");
        for row in group.seconds.iter().filter(|row| row.ok > 0) {
            let start = Duration::from_secs(row.second);
            log.write_histogram(&row.latencies(), start, Duration::from_secs(1), Some(tag))
                .expect(cannot_fail);
        }
    }
    out
}

/// All histograms of a log, added by tag; untagged lines have the tag "".
///
/// # Errors
/// Says which line is wrong.
pub fn read(text: &[u8]) -> Result<Vec<(String, Histogram<u64>)>, String> {
    let mut sums: Vec<(String, Histogram<u64>)> = Vec::new();
    let mut deserializer = Deserializer::new();
    for entry in IntervalLogIterator::new(text) {
        let line = match entry {
            Ok(LogEntry::Interval(line)) => line,
            Ok(_) => continue,
            Err(error) => return Err(format!("not a HdrHistogram log: {error:?}")),
        };
        let tag = line.tag().map_or(String::new(), |tag| tag.as_str().to_string());
        let coded = decode_base64(line.encoded_histogram())
            .ok_or_else(|| format!("a histogram of `{tag}` is not base64"))?;
        let one: Histogram<u64> = deserializer
            .deserialize(&mut &coded[..])
            .map_err(|error| format!("a histogram of `{tag}` cannot be read: {error:?}"))?;
        let place = sums.iter().position(|(known, _)| *known == tag).unwrap_or_else(|| {
            sums.push((tag.clone(), histogram()));
            sums.len() - 1
        });
        sums[place].1.add(&one).map_err(|error| format!("`{tag}` does not fit: {error}"))?;
    }
    if sums.is_empty() {
        return Err("no histogram in it".to_string());
    }
    Ok(sums)
}

/// The lines of several logs in one: each keeps its time, so tools can add them or show them.
pub fn log_of(groups: &[(String, Histogram<u64>)]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut serializer = V2DeflateSerializer::new();
    let cannot_fail = "writing to memory cannot fail";
    let mut log = IntervalLogWriterBuilder::new()
        .add_comment("valk-load merge: latency in microseconds, intended to last byte")
        .with_max_value_divisor(1_000.0)
        .begin_log_with(&mut out, &mut serializer)
        .expect(cannot_fail);
    for (name, sum) in groups {
        let (start, length) = (Duration::ZERO, Duration::from_secs(1));
        log.write_histogram(sum, start, length, Tag::new(name)).expect(cannot_fail);
    }
    out
}

fn decode_base64(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut count) = (0_u32, 0);
    for digit in text.trim_end_matches('=').bytes() {
        let value = DIGITS.iter().position(|known| *known == digit)? as u32;
        bits = bits << 6 | value;
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
            bits &= (1 << count) - 1;
        }
    }
    Some(bytes)
}
