//! Counts and latency histograms of one group of requests, by phase.
//!
//! 1. A request is *offered* when its time has come, whether or not it could be sent.
//! 2. Every offered request ends exactly once: `ok`, or one error kind. So at the end of a run
//!    `offered = ok + errors`, and a report that breaks this is invalid.
//! 3. A request belongs to the phase in which it was due, whenever it ended. Rates are another
//!    matter: `came` counts an answer in the phase in which it arrived, and what arrived after the
//!    schedule is `late` and in no rate.
//! 4. Only `ok` requests enter the histograms: a server that sheds fast must not look fast.
//!
//! Each thread of an engine has a recorder of its own; results are added at the end. Recording
//! allocates only at the begin of a second and for the first error of a kind.
//!
//! Does not know what a request is, nor which engine sends it.

use std::sync::{Mutex, MutexGuard, PoisonError};

use hdrhistogram::Histogram;

use super::clock::Stamps;
use super::counts::{GroupResult, PhaseCounts, histogram};
use super::error_kind::ErrorKind;
use super::seconds::OpenSecond;
use crate::schedule::timeline::Timeline;

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

impl Tick {
    /// Adds the numbers of another recorder.
    pub fn add(&mut self, other: &Tick) {
        self.offered += other.offered;
        self.ok += other.ok;
        self.errors += other.errors;
        self.in_flight += other.in_flight;
        self.window.add(&other.window).expect("all histograms have the same bounds");
    }
}

#[derive(Debug)]
struct Inner {
    result: GroupResult,
    in_flight: u64,
    window: Histogram<u64>,
    second: OpenSecond,
    /// Answers after this moment are late: the end of the schedule, or of the run if interrupted.
    cut_ns: u64,
    /// The middle of the schedule.
    middle_ns: u64,
}

/// Shared by the tasks of one thread; one short lock per event.
#[derive(Debug)]
pub struct Recorder {
    name: &'static str,
    timeline: Timeline,
    inner: Mutex<Inner>,
}

impl Recorder {
    /// An empty recorder.
    pub fn new(name: &'static str, timeline: Timeline) -> Self {
        let inner = Inner {
            result: GroupResult::new(name, timeline.phases().len()),
            in_flight: 0,
            window: histogram(),
            second: OpenSecond::default(),
            cut_ns: timeline.end_ns(),
            middle_ns: timeline.end_ns() / 2,
        };
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
        inner.offered(phase, due_ns);
    }

    /// An offered request was answered completely.
    /// `due_ns` is the time it was offered with; `at.intended` is where its latency starts.
    pub fn answered(&self, due_ns: u64, at: Stamps, body_bytes: u64) {
        let phase = self.timeline.index_at(due_ns);
        let came = self.timeline.index_at(at.last);
        let mut inner = self.lock();
        inner.in_flight -= 1;
        inner.ended(at.last);
        inner.result.responses += 1;
        let latency_us = at.last.saturating_sub(at.intended) / 1_000;
        inner.window.saturating_record(latency_us);
        inner.second.ok(at.last, latency_us);
        if at.last < inner.cut_ns {
            inner.result.came[came] += 1;
        } else {
            inner.result.late += 1;
        }
        let counts = &mut inner.result.phases[phase];
        counts.ok += 1;
        counts.body_bytes += body_bytes;
        counts.latencies.record(at);
    }

    /// An offered request failed at `end_ns`; `responded` if a response head had arrived.
    pub fn failed(&self, due_ns: u64, end_ns: u64, kind: ErrorKind, responded: bool) {
        let phase = self.timeline.index_at(due_ns);
        let mut inner = self.lock();
        inner.in_flight -= 1;
        inner.ended(end_ns);
        inner.second.error(end_ns);
        inner.result.responses += u64::from(responded);
        *inner.result.phases[phase].errors.entry(kind).or_default() += 1;
    }

    /// A request came due but no stream was free before the run ended at `end_ns`.
    pub fn unsent(&self, due_ns: u64, end_ns: u64) {
        self.offered(due_ns);
        self.failed(due_ns, end_ns, ErrorKind::Unsent, false);
    }

    /// A response with a status from 300 to 399 came; it is not followed.
    pub fn redirected(&self) {
        self.lock().result.redirects += 1;
    }

    /// The server had not begun a request when it sent GOAWAY, and the request goes out again.
    pub fn resent(&self) {
        self.lock().result.resent += 1;
    }

    /// A connection was lost, or could not be opened again.
    pub fn connection_lost(&self, kind: ErrorKind) {
        *self.lock().result.lost_connections.entry(kind).or_default() += 1;
    }

    /// A connection took the place of one that ended in good order.
    pub fn connection_replaced(&self) {
        self.lock().result.replaced_connections += 1;
    }

    /// A slow reader's stream was stopped by its window after `bytes` body bytes.
    pub fn held(&self, bytes: u64) {
        let mut inner = self.lock();
        inner.result.held_streams += 1;
        inner.result.held_bytes += bytes;
    }

    /// The run ends at `at_ns`, before its schedule: what arrives later is late.
    pub fn cut(&self, at_ns: u64) {
        let mut inner = self.lock();
        inner.cut_ns = inner.cut_ns.min(at_ns);
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

    /// Everything so far. Requests that nobody waits for any more are `unfinished`.
    pub fn result(&self) -> GroupResult {
        let mut inner = self.lock();
        inner.second.close();
        let mut result = inner.result.clone();
        result.seconds.clone_from(&inner.second.rows);
        for phase in &mut result.phases {
            let missing = phase.offered - phase.ok - phase.error_count();
            if missing > 0 {
                *phase.errors.entry(ErrorKind::Unfinished).or_default() += missing;
            }
        }
        result
    }
}

impl Inner {
    fn offered(&mut self, phase: usize, due_ns: u64) {
        self.result.phases[phase].offered += 1;
        self.second.offered(due_ns);
        self.result.second_half.offered += u64::from(due_ns >= self.middle_ns);
    }

    fn ended(&mut self, end_ns: u64) {
        let second_half = (self.middle_ns..self.cut_ns).contains(&end_ns);
        self.result.second_half.ended += u64::from(second_half);
    }
}
