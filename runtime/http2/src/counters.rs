//! What a server has counted so far.
//!
//! Invariant, checked by the tests: every request is counted in exactly one of these when it ends, so
//! `requests = answered + cancelled + stalled + refused + aborted + requests_open`.
//!
//! One thread adds to a [`Counters`], any thread may read it. So adding is a load and a store, without
//! a read-modify-write; a server on several threads has one for each, and their sum is what it counted.

use std::iter::Sum;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! counters {
    ($($(#[$doc:meta])+ $name:ident,)+) => {
        /// Values of all [`Counters`] at one moment.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct Snapshot {
            $($(#[$doc])+ pub $name: u64,)+
        }

        /// Live counters of one thread of a server; [`Counters::snapshot`] reads them.
        #[derive(Debug, Default)]
        pub struct Counters {
            $(pub(crate) $name: Count,)+
        }

        impl Counters {
            /// All values now.
            pub fn snapshot(&self) -> Snapshot {
                Snapshot { $($name: self.$name.get(),)+ }
            }
        }

        impl Sum for Snapshot {
            fn sum<I: Iterator<Item = Self>>(snapshots: I) -> Self {
                snapshots.fold(Self::default(), |sum, next| Self {
                    $($name: sum.$name + next.$name,)+
                })
            }
        }
    };
}

counters! {
    /// Connections accepted.
    connections,
    /// Connections open now, handshakes included.
    connections_open,
    /// Connections whose further requests wait now until the client has read what it was sent.
    connections_waiting,
    /// Connections that ended before their first request could be read: TLS failure, no ALPN
    /// `h2`, wrong or missing preface, timeout.
    handshakes_failed,
    /// Connections aborted because the stop deadline passed.
    connections_aborted,
    /// Connections closed at once because their address has too many.
    connections_refused,
    /// Connections closed at once for critical pressure on the receive buffers.
    rejected_critical,
    /// The same for high pressure.
    rejected_high,
    /// The same by chance, at elevated pressure.
    rejected_by_chance,
    /// Connections ended because they waited too long for their client to read, or too many did.
    connections_stalled,
    /// Idle connections closed to make room for others.
    connections_displaced,
    /// Calls of `accept` that failed.
    accept_errors,
    /// Requests whose header block was complete.
    requests,
    /// Requests that have not ended yet.
    requests_open,
    /// Responses that are streams and open now.
    streams_open,
    /// Responses with status 200–299 sent completely.
    responses_2xx,
    /// Responses with status 300–399.
    responses_3xx,
    /// Responses with status 400–499.
    responses_4xx,
    /// Responses with status 500–599.
    responses_5xx,
    /// Requests whose client reset the stream or left before the answer was sent.
    cancelled,
    /// Responses reset because the client read too slowly.
    stalled,
    /// Responses that were replaced by a 503 because too many wait for their clients.
    responses_shed,
    /// Normal requests turned away because they would have waited too long.
    shed_normal,
    /// Sheddable ones.
    shed_sheddable,
    /// Requests turned away because too many were in progress.
    shed_in_progress,
    /// Requests refused unprocessed with `REFUSED_STREAM`.
    refused,
    /// Requests aborted because the stop deadline passed.
    aborted,
    /// Bytes read from clients, above TLS.
    bytes_in,
    /// Bytes written to clients, above TLS.
    bytes_out,
}

impl Snapshot {
    /// Connections rejected under pressure, whatever the level was.
    pub fn rejected(&self) -> u64 {
        self.rejected_critical + self.rejected_high + self.rejected_by_chance
    }

    /// Requests turned away, for whatever reason.
    pub fn shed(&self) -> u64 {
        self.shed_normal + self.shed_sheddable + self.shed_in_progress + self.responses_shed
    }

    /// Responses of all classes.
    pub fn answered(&self) -> u64 {
        self.responses_2xx + self.responses_3xx + self.responses_4xx + self.responses_5xx
    }
}

/// One number of [`Counters`].
#[derive(Debug, Default)]
pub(crate) struct Count(AtomicU64);

impl Count {
    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    pub(crate) fn add(&self, n: u64) {
        self.0.store(self.get().wrapping_add(n), Ordering::Relaxed);
    }

    pub(crate) fn subtract(&self, n: u64) {
        let left = self.get().checked_sub(n);
        self.0.store(left.expect("a gauge falls only after it rose"), Ordering::Relaxed);
    }
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RequestOutcome {
    /// A response with this status was sent completely.
    Answered(u16),
    /// The client reset the stream or the connection broke.
    Cancelled,
    /// The client did not read the response.
    Stalled,
    /// `REFUSED_STREAM`.
    Refused,
}

/// Counts one request from its header block to its end; dropped without an outcome, the request
/// counts as aborted.
pub(crate) struct RequestGuard {
    counters: Arc<Counters>,
    outcome: Option<RequestOutcome>,
}

impl RequestGuard {
    pub(crate) fn open(counters: &Arc<Counters>) -> Self {
        counters.requests.add(1);
        counters.requests_open.add(1);
        Self { counters: Arc::clone(counters), outcome: None }
    }

    pub(crate) fn close(mut self, outcome: RequestOutcome) {
        self.outcome = Some(outcome);
    }
}

impl Drop for RequestGuard {
    fn drop(&mut self) {
        let counters = &self.counters;
        counters.requests_open.subtract(1);
        let ended = match self.outcome {
            Some(RequestOutcome::Answered(status)) => match status / 100 {
                2 => &counters.responses_2xx,
                3 => &counters.responses_3xx,
                4 => &counters.responses_4xx,
                _ => &counters.responses_5xx,
            },
            Some(RequestOutcome::Cancelled) => &counters.cancelled,
            Some(RequestOutcome::Stalled) => &counters.stalled,
            Some(RequestOutcome::Refused) => &counters.refused,
            None => &counters.aborted,
        };
        ended.add(1);
    }
}

/// Counts one connection from accept to close.
pub(crate) struct ConnectionGuard(Arc<Counters>);

impl ConnectionGuard {
    pub(crate) fn open(counters: &Arc<Counters>) -> Self {
        counters.connections.add(1);
        counters.connections_open.add(1);
        Self(Arc::clone(counters))
    }
}

impl Drop for ConnectionGuard {
    fn drop(&mut self) {
        self.0.connections_open.subtract(1);
    }
}
