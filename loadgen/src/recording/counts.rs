//! What a recorder has counted: numbers that can be added.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;

use super::clock::Stamps;
use super::error_kind::ErrorKind;
use super::seconds::{SecondRow, merge_rows};
use crate::limits::{HISTOGRAM_DIGITS, MAX_LATENCY_US};

/// An empty histogram of the bounds all histograms here share.
pub fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, MAX_LATENCY_US, HISTOGRAM_DIGITS)
        .expect("the bounds in `limits` are valid")
}

const SAME_BOUNDS: &str = "all histograms have the same bounds";

/// Latency histograms in microseconds, three decimal digits.
#[derive(Clone, Debug)]
pub struct Latencies {
    /// Intended to last byte: the waiting time of a user who came at that time.
    pub total: Histogram<u64>,
    /// Intended to first byte.
    pub first_byte: Histogram<u64>,
    /// Intended to sent: waiting for the generator, a stream or the connection.
    pub send_wait: Histogram<u64>,
    /// Sent to last byte: what a closed-loop tool would call latency.
    pub service: Histogram<u64>,
}

impl Default for Latencies {
    fn default() -> Self {
        let empty = histogram();
        Latencies {
            total: empty.clone(),
            first_byte: empty.clone(),
            send_wait: empty.clone(),
            service: empty,
        }
    }
}

impl Latencies {
    /// Adds one answered request.
    pub fn record(&mut self, at: Stamps) {
        let us = |from: u64, to: u64| to.saturating_sub(from) / 1_000;
        self.total.saturating_record(us(at.intended, at.last));
        self.first_byte.saturating_record(us(at.intended, at.first));
        self.send_wait.saturating_record(us(at.intended, at.sent));
        self.service.saturating_record(us(at.sent, at.last));
    }

    fn add(&mut self, other: &Latencies) {
        self.total.add(&other.total).expect(SAME_BOUNDS);
        self.first_byte.add(&other.first_byte).expect(SAME_BOUNDS);
        self.send_wait.add(&other.send_wait).expect(SAME_BOUNDS);
        self.service.add(&other.service).expect(SAME_BOUNDS);
    }
}

/// What happened to the requests that were due in one phase.
#[derive(Clone, Debug, Default)]
pub struct PhaseCounts {
    /// Requests that were due.
    pub offered: u64,
    /// Requests answered completely and well.
    pub ok: u64,
    /// Failed requests by kind.
    pub errors: BTreeMap<ErrorKind, u64>,
    /// Response body bytes received.
    pub body_bytes: u64,
    /// Latencies of the `ok` requests.
    pub latencies: Latencies,
}

impl PhaseCounts {
    /// All failed requests.
    pub fn error_count(&self) -> u64 {
        self.errors.values().sum()
    }

    /// Adds the counts of another phase.
    pub fn add(&mut self, other: &PhaseCounts) {
        self.offered += other.offered;
        self.ok += other.ok;
        self.body_bytes += other.body_bytes;
        add_by_kind(&mut self.errors, &other.errors);
        self.latencies.add(&other.latencies);
    }
}

fn add_by_kind(into: &mut BTreeMap<ErrorKind, u64>, from: &BTreeMap<ErrorKind, u64>) {
    for (kind, count) in from {
        *into.entry(*kind).or_default() += count;
    }
}

/// The second half of the schedule: does the backlog grow?
#[derive(Clone, Copy, Debug, Default)]
pub struct HalfCounts {
    /// Requests that were due in it.
    pub offered: u64,
    /// Requests that ended in it, whenever they were due.
    pub ended: u64,
}

impl HalfCounts {
    /// Percent of the offered rate that was held: what the backlog grew by is missing. Nothing if
    /// nothing was due. A handful of requests in flight at the end is no backlog.
    pub fn held_percent(&self) -> Option<f64> {
        const NO_BACKLOG: u64 = 10;
        let missing = self.offered.saturating_sub(self.ended);
        let missing = if missing <= NO_BACKLOG { 0 } else { missing };
        (self.offered > 0).then(|| 100.0 - 100.0 * missing as f64 / self.offered as f64)
    }
}

/// Everything that recorders know about a group.
#[derive(Clone, Debug)]
pub struct GroupResult {
    /// Name of the group.
    pub name: &'static str,
    /// Counts by the phase in which requests were due, in the order of the timeline.
    pub phases: Vec<PhaseCounts>,
    /// Answers by the phase in which they came; those that came too late for any are in `late`.
    pub came: Vec<u64>,
    /// Answers that came after the schedule.
    pub late: u64,
    /// The second half of the schedule.
    pub second_half: HalfCounts,
    /// Response heads received, all of them HTTP/2.
    pub responses: u64,
    /// Responses that point elsewhere.
    pub redirects: u64,
    /// Requests sent again because GOAWAY said that they had not begun.
    pub resent: u64,
    /// Connections lost, by kind.
    pub lost_connections: BTreeMap<ErrorKind, u64>,
    /// Connections that took the place of one that ended in good order.
    pub replaced_connections: u64,
    /// Due time to the moment the generator noticed it: its own lateness, without any waiting for
    /// a free stream, which is the server's.
    pub send_lag: Histogram<u64>,
    /// Streams whose body was really stopped by the held window (slow readers only).
    pub held_streams: u64,
    /// Body bytes received while the window was held (slow readers only).
    pub held_bytes: u64,
    /// The run second by second, by the time at which things happened.
    pub seconds: Vec<SecondRow>,
}

impl GroupResult {
    /// Nothing yet.
    pub fn new(name: &'static str, phases: usize) -> GroupResult {
        GroupResult {
            name,
            phases: vec![PhaseCounts::default(); phases],
            came: vec![0; phases],
            late: 0,
            second_half: HalfCounts::default(),
            responses: 0,
            redirects: 0,
            resent: 0,
            lost_connections: BTreeMap::new(),
            replaced_connections: 0,
            send_lag: histogram(),
            held_streams: 0,
            held_bytes: 0,
            seconds: Vec::new(),
        }
    }

    /// The sum over all phases.
    pub fn total(&self) -> PhaseCounts {
        let mut total = PhaseCounts::default();
        for phase in &self.phases {
            total.add(phase);
        }
        total
    }

    /// Adds the result of another thread for the same group.
    pub fn add(&mut self, other: &GroupResult) {
        for (phase, more) in self.phases.iter_mut().zip(&other.phases) {
            phase.add(more);
        }
        for (came, more) in self.came.iter_mut().zip(&other.came) {
            *came += more;
        }
        self.late += other.late;
        self.second_half.offered += other.second_half.offered;
        self.second_half.ended += other.second_half.ended;
        self.responses += other.responses;
        self.redirects += other.redirects;
        self.resent += other.resent;
        add_by_kind(&mut self.lost_connections, &other.lost_connections);
        self.replaced_connections += other.replaced_connections;
        self.send_lag.add(&other.send_lag).expect(SAME_BOUNDS);
        self.held_streams += other.held_streams;
        self.held_bytes += other.held_bytes;
        merge_rows(&mut self.seconds, &other.seconds);
    }
}
