//! Counts and latency histograms of one group of requests, by phase.
//!
//! 1. A request is *offered* when its time has come, whether or not it could be sent.
//! 2. Every offered request ends exactly once: `ok`, or one error kind. So at the end of a run
//!    `offered = ok + errors`, and a report that breaks this is invalid.
//! 3. A request belongs to the phase in which it was due, whenever it ended.
//! 4. Only `ok` requests enter the histograms: a server that sheds fast must not look fast.
//!
//! Does not know what a request is, nor which engine sends it.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use hdrhistogram::Histogram;

use super::clock::Stamps;
use super::error_kind::ErrorKind;
use crate::limits::{HISTOGRAM_DIGITS, MAX_LATENCY_US};
use crate::schedule::timeline::Timeline;

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
    fn record(&mut self, at: Stamps) {
        let us = |from: u64, to: u64| to.saturating_sub(from) / 1_000;
        self.total.saturating_record(us(at.intended, at.last));
        self.first_byte.saturating_record(us(at.intended, at.first));
        self.send_wait.saturating_record(us(at.intended, at.sent));
        self.service.saturating_record(us(at.sent, at.last));
    }

    fn add(&mut self, other: &Latencies) {
        let same = "all histograms have the same bounds";
        self.total.add(&other.total).expect(same);
        self.first_byte.add(&other.first_byte).expect(same);
        self.send_wait.add(&other.send_wait).expect(same);
        self.service.add(&other.service).expect(same);
    }
}

/// An empty histogram of the bounds all histograms here share.
pub fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, MAX_LATENCY_US, HISTOGRAM_DIGITS)
        .expect("the bounds in `limits` are valid")
}

/// What happened in one phase.
#[derive(Clone, Debug, Default)]
pub struct PhaseCounts {
    /// Requests that were due.
    pub offered: u64,
    /// Requests answered completely with a status below 400.
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
        for (kind, count) in &other.errors {
            *self.errors.entry(*kind).or_default() += count;
        }
        self.latencies.add(&other.latencies);
    }
}

/// What the screen shows once a second.
#[derive(Clone, Debug)]
pub struct Tick {
    /// Offered so far.
    pub offered: u64,
    /// Answered so far.
    pub ok: u64,
    /// Failed so far.
    pub errors: u64,
    /// Offered and not ended.
    pub in_flight: u64,
    /// Latencies since the previous tick.
    pub window: Histogram<u64>,
}

/// A copy of everything a recorder knows.
#[derive(Clone, Debug)]
pub struct GroupResult {
    /// Name of the group.
    pub name: &'static str,
    /// Counts by phase, in the order of the timeline.
    pub phases: Vec<PhaseCounts>,
    /// Responses by protocol version.
    pub protocols: BTreeMap<&'static str, u64>,
    /// Connections lost, by kind.
    pub lost_connections: BTreeMap<ErrorKind, u64>,
    /// Due time to the moment the generator noticed it: its own lateness, without any waiting for
    /// a free stream, which is the server's.
    pub send_lag: Histogram<u64>,
    /// Streams whose body was really stopped by the held window (slow readers only).
    pub held_streams: u64,
    /// Body bytes received while the window was held (slow readers only).
    pub held_bytes: u64,
}

impl GroupResult {
    /// The sum over all phases.
    pub fn total(&self) -> PhaseCounts {
        let mut total = PhaseCounts::default();
        for phase in &self.phases {
            total.add(phase);
        }
        total
    }
}

#[derive(Debug)]
struct Inner {
    result: GroupResult,
    in_flight: u64,
    window: Histogram<u64>,
}

/// Shared by the tasks of a group; one short lock per event.
#[derive(Debug)]
pub struct Recorder {
    name: &'static str,
    timeline: Timeline,
    inner: Mutex<Inner>,
}

impl Recorder {
    /// An empty recorder.
    pub fn new(name: &'static str, timeline: Timeline) -> Self {
        let result = GroupResult {
            name,
            phases: vec![PhaseCounts::default(); timeline.phases().len()],
            protocols: BTreeMap::new(),
            lost_connections: BTreeMap::new(),
            send_lag: histogram(),
            held_streams: 0,
            held_bytes: 0,
        };
        let inner = Inner { result, in_flight: 0, window: histogram() };
        Recorder { name, timeline, inner: Mutex::new(inner) }
    }

    /// Name of the group.
    pub fn name(&self) -> &'static str {
        self.name
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Counters stay usable after a panic elsewhere: each event is complete under the lock.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The generator noticed at `now_ns` that a request was due at `due_ns`.
    pub fn lag(&self, due_ns: u64, now_ns: u64) {
        self.lock().result.send_lag.saturating_record(now_ns.saturating_sub(due_ns) / 1_000);
    }

    /// A request has come due and is being sent.
    pub fn offered(&self, due_ns: u64) {
        let phase = self.timeline.index_at(due_ns);
        let mut inner = self.lock();
        inner.in_flight += 1;
        inner.result.phases[phase].offered += 1;
    }

    /// An offered request was answered completely.
    /// `due_ns` is the time it was offered with; `at.intended` is where its latency starts.
    pub fn answered(&self, due_ns: u64, at: Stamps, protocol: &'static str, body_bytes: u64) {
        let phase = self.timeline.index_at(due_ns);
        let mut inner = self.lock();
        inner.in_flight -= 1;
        *inner.result.protocols.entry(protocol).or_default() += 1;
        inner.window.saturating_record(at.last.saturating_sub(at.intended) / 1_000);
        let counts = &mut inner.result.phases[phase];
        counts.ok += 1;
        counts.body_bytes += body_bytes;
        counts.latencies.record(at);
    }

    /// An offered request failed; `protocol` if a response head had arrived.
    pub fn failed(&self, due_ns: u64, kind: ErrorKind, protocol: Option<&'static str>) {
        let phase = self.timeline.index_at(due_ns);
        let mut inner = self.lock();
        inner.in_flight -= 1;
        *inner.result.phases[phase].errors.entry(kind).or_default() += 1;
        if let Some(protocol) = protocol {
            *inner.result.protocols.entry(protocol).or_default() += 1;
        }
    }

    /// A request came due but no stream was free before the run ended.
    pub fn unsent(&self, due_ns: u64) {
        let phase = self.timeline.index_at(due_ns);
        let mut inner = self.lock();
        let counts = &mut inner.result.phases[phase];
        counts.offered += 1;
        *counts.errors.entry(ErrorKind::Unsent).or_default() += 1;
    }

    /// A connection was lost, or could not be opened again.
    pub fn connection_lost(&self, kind: ErrorKind) {
        *self.lock().result.lost_connections.entry(kind).or_default() += 1;
    }

    /// A slow reader's stream was stopped by its window after `bytes` body bytes.
    pub fn held(&self, bytes: u64) {
        let mut inner = self.lock();
        inner.result.held_streams += 1;
        inner.result.held_bytes += bytes;
    }

    /// Numbers for the screen; empties the window of latencies.
    pub fn tick(&self) -> Tick {
        let mut inner = self.lock();
        let window = std::mem::replace(&mut inner.window, histogram());
        let sum = |count: fn(&PhaseCounts) -> u64| inner.result.phases.iter().map(count).sum();
        Tick {
            offered: sum(|p| p.offered),
            ok: sum(|p| p.ok),
            errors: sum(PhaseCounts::error_count),
            in_flight: inner.in_flight,
            window,
        }
    }

    /// Everything so far.
    pub fn result(&self) -> GroupResult {
        self.lock().result.clone()
    }
}
