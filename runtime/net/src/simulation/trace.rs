//! What happened in a simulation, in order and with virtual times.
//!
//! The hash covers every event; two runs of one program with one seed have the same hash, and the
//! first difference of their events is where chance or real time leaked in. It is not
//! cryptographic.

use std::collections::VecDeque;
use std::fmt;

use tokio::time::Instant;

/// Latest events that are kept in full; earlier ones are only in the hash.
const EVENTS_KEPT: usize = 512;

/// One event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceEvent {
    /// Microseconds since the simulation began.
    pub at_us: u64,
    /// What happened.
    pub kind: &'static str,
    /// To what: the number of a connection, a port, or what the program says.
    pub subject: u64,
    /// How much, or a hash of the bytes.
    pub detail: u64,
}

impl fmt::Display for TraceEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { at_us, kind, subject, detail } = self;
        write!(f, "{at_us} us {kind} {subject} {detail:#x}")
    }
}

/// The ordered events of a simulation.
#[derive(Clone, Debug)]
pub struct Trace {
    start: Instant,
    hash: u64,
    count: u64,
    latest: VecDeque<TraceEvent>,
}

impl Trace {
    pub(super) fn new(seed: u64) -> Self {
        Self { start: Instant::now(), hash: mix(0, seed), count: 0, latest: VecDeque::new() }
    }

    /// A hash of all events.
    pub fn hash(&self) -> u64 {
        self.hash
    }

    /// How many events there were.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The latest events, oldest first; at most 512.
    pub fn latest(&self) -> impl Iterator<Item = &TraceEvent> {
        self.latest.iter()
    }

    pub(super) fn record(&mut self, kind: &'static str, subject: u64, detail: u64) {
        let at_us = self.start.elapsed().as_micros() as u64;
        let event = TraceEvent { at_us, kind, subject, detail };
        let kind = hash_bytes(kind.as_bytes());
        self.hash = [at_us, kind, subject, detail].into_iter().fold(self.hash, mix);
        self.count += 1;
        if self.latest.len() == EVENTS_KEPT {
            self.latest.pop_front();
        }
        self.latest.push_back(event);
    }
}

fn mix(hash: u64, word: u64) -> u64 {
    // An odd constant without structure; the rotation brings high bits back down.
    (hash ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29)
}

/// A hash of `bytes` and their number.
pub(super) fn hash_bytes(bytes: &[u8]) -> u64 {
    bytes.chunks(8).fold(bytes.len() as u64, |hash, chunk| {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        mix(hash, u64::from_le_bytes(word))
    })
}
