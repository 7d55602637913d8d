//! The run second by second: counts and the latencies of the answers that came in it.
//!
//! 1. A row is closed when its second is over; its histogram is kept encoded, some hundred bytes, so
//!    that a run of 24 hours needs tens of megabytes at most.
//! 2. Things are counted in the second in which they happened, or in the open one if that came
//!    later: a closed row does not change.

use hdrhistogram::Histogram;
use hdrhistogram::serialization::{Deserializer, Serializer, V2Serializer};

use super::counts::histogram;
use crate::limits::MAX_SECONDS;

/// One second of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SecondRow {
    /// Seconds since the origin.
    pub second: u64,
    /// Requests that came due.
    pub offered: u64,
    /// Answers that came.
    pub ok: u64,
    /// Requests that failed.
    pub errors: u64,
    /// Latencies of the answers, `HdrHistogram` V2; empty without answers.
    encoded: Vec<u8>,
}

impl SecondRow {
    /// The latencies of the answers of this second, in microseconds.
    pub fn latencies(&self) -> Histogram<u64> {
        Deserializer::new().deserialize(&mut &self.encoded[..]).unwrap_or_else(|_| histogram())
    }

    fn set_latencies(&mut self, latencies: &Histogram<u64>) {
        self.encoded.clear();
        if !latencies.is_empty() {
            V2Serializer::new()
                .serialize(latencies, &mut self.encoded)
                .expect("writing to memory cannot fail");
        }
    }

    fn is_empty(&self) -> bool {
        self.offered + self.ok + self.errors == 0
    }
}

/// The second that is being counted, and the rows before it.
#[derive(Debug)]
pub struct OpenSecond {
    /// Closed rows, in order of time; seconds in which nothing happened have none.
    pub rows: Vec<SecondRow>,
    open: SecondRow,
    latencies: Histogram<u64>,
}

impl Default for OpenSecond {
    fn default() -> OpenSecond {
        OpenSecond { rows: Vec::new(), open: SecondRow::default(), latencies: histogram() }
    }
}

impl OpenSecond {
    /// A request came due.
    pub fn offered(&mut self, at_ns: u64) {
        self.advance(at_ns);
        self.open.offered += 1;
    }

    /// An answer came.
    pub fn ok(&mut self, at_ns: u64, latency_us: u64) {
        self.advance(at_ns);
        self.open.ok += 1;
        self.latencies.saturating_record(latency_us);
    }

    /// A request failed.
    pub fn error(&mut self, at_ns: u64) {
        self.advance(at_ns);
        self.open.errors += 1;
    }

    fn advance(&mut self, at_ns: u64) {
        let second = at_ns / 1_000_000_000;
        if second > self.open.second {
            self.close();
            self.open.second = second;
        }
    }

    /// Closes the open row if there is something in it.
    pub fn close(&mut self) {
        if self.open.is_empty() || self.rows.len() >= MAX_SECONDS {
            return;
        }
        let mut row = std::mem::take(&mut self.open);
        self.open.second = row.second;
        row.set_latencies(&self.latencies);
        self.latencies.reset();
        self.rows.push(row);
    }
}

/// Adds rows of another recorder to those of this one; both are in order of time.
pub fn merge_rows(into: &mut Vec<SecondRow>, from: &[SecondRow]) {
    for row in from {
        match into.binary_search_by_key(&row.second, |r| r.second) {
            Err(place) => into.insert(place, row.clone()),
            Ok(place) => {
                let same = &mut into[place];
                let mut latencies = same.latencies();
                latencies.add(row.latencies()).expect("all histograms have the same bounds");
                same.set_latencies(&latencies);
                same.offered += row.offered;
                same.ok += row.ok;
                same.errors += row.errors;
            }
        }
    }
}
