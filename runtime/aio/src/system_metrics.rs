//! The series of systems and servers in the registry of the runtime.
//!
//! 1. Series are registered when a system starts or a server listens. The first system is `main`, the
//!    further ones have their number behind it.
//! 2. What servers, pools and the event loop count themselves is set when the registry is read. Totals
//!    of a system are the sums over its servers, of those that have ended too: a server is asked for
//!    its last numbers when it is seen to have ended, and then no more.
//!
//! Does not know what a server is: it gives [`ServerCounts`].

use crate::system::System;
use std::sync::{Arc, Mutex};
use std::time::Instant;
use valk_metrics::{Counter, Gauge, Histogram, Lifetime, Refusal, Registry};
use valk_sync::shim::lock;

/// How the names of a system's series begin.
pub(crate) const SERIES_PREFIX: &str = "aio_";

/// What a server has counted since it listens.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ServerCounts {
    /// Connections that came.
    pub connections: u64,
    /// Connections that failed before their first request.
    pub connections_failed: u64,
    /// Connections that are open.
    pub connections_open: u64,
    /// Requests that came.
    pub requests: u64,
    /// Requests that have not ended.
    pub requests_open: u64,
    /// Connections closed at once under pressure.
    pub connections_rejected: u64,
    /// Requests turned away because the server could not serve them in time or had no room.
    pub requests_shed: u64,
    /// Requests turned away because too many were in progress.
    pub requests_over_limit: u64,
    /// Requests that ended without a response, or with one of the class 5xx.
    pub requests_failed: u64,
    /// Responses of the classes 2xx to 5xx.
    pub responses: [u64; 4],
    /// Bytes sent.
    pub bytes_sent: u64,
    /// Bytes received.
    pub bytes_received: u64,
}

impl ServerCounts {
    fn plus(self, other: ServerCounts) -> ServerCounts {
        ServerCounts {
            connections: self.connections + other.connections,
            connections_failed: self.connections_failed + other.connections_failed,
            connections_open: self.connections_open + other.connections_open,
            requests: self.requests + other.requests,
            requests_open: self.requests_open + other.requests_open,
            connections_rejected: self.connections_rejected + other.connections_rejected,
            requests_shed: self.requests_shed + other.requests_shed,
            requests_over_limit: self.requests_over_limit + other.requests_over_limit,
            requests_failed: self.requests_failed + other.requests_failed,
            responses: [0, 1, 2, 3].map(|at| self.responses[at] + other.responses[at]),
            bytes_sent: self.bytes_sent + other.bytes_sent,
            bytes_received: self.bytes_received + other.bytes_received,
        }
    }

    /// Requests that have ended. A server on another thread may count a new one while it is asked.
    fn requests_ended(&self) -> u64 {
        self.requests.saturating_sub(self.requests_open)
    }
}

/// What a server has counted when it is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counted {
    /// The server runs.
    SoFar(ServerCounts),
    /// The server has ended and counts nothing more.
    AtTheEnd(ServerCounts),
}

/// Tells what a server has counted.
type Counting = Box<dyn Fn() -> Counted + Send + Sync>;

/// A server that is counted among those of a system.
struct CountedServer {
    counts: Counting,
    /// `None` when the registry had no room.
    series: Option<ServerSeries>,
}

/// The series of a system.
pub struct SystemMetrics {
    /// Of requests of all servers, from the call of the handler to its response.
    pub request_duration: Histogram,
    counters: [Counter; 10],
    gauges: [Gauge; 8],
    servers: Mutex<Servers>,
    started: Instant,
}

/// The servers of a system.
#[derive(Default)]
struct Servers {
    running: Vec<CountedServer>,
    /// What those counted that have ended.
    ended: ServerCounts,
}

impl Servers {
    /// Asks the servers, sets their series, and forgets those that have ended. Returns what all have
    /// counted.
    fn ask(&mut self) -> ServerCounts {
        let (mut running, ended) = (ServerCounts::default(), &mut self.ended);
        self.running.retain(|server| {
            let counted = (server.counts)();
            let (counts, sum) = match counted {
                Counted::SoFar(counts) => (counts, &mut running),
                Counted::AtTheEnd(counts) => {
                    (ServerCounts { connections_open: 0, requests_open: 0, ..counts }, &mut *ended)
                }
            };
            if let Some(series) = &server.series {
                series.set(counts);
            }
            *sum = sum.plus(counts);
            matches!(counted, Counted::SoFar(_))
        });
        running.plus(*ended)
    }
}

/// Upper bounds of the buckets of a system's request durations, in microseconds.
const DURATION_BOUNDS_US: &[u64] =
    &[1000, 5000, 10_000, 25_000, 50_000, 100_000, 250_000, 1_000_000];

/// Counters of a system, in the order in which they are set.
const COUNTERS: [(&str, &str); 10] = [
    ("aio_requests_total", "Requests that have ended."),
    ("aio_requests_errors", "Requests that ended with an error."),
    ("aio_connections_total", "Connections that came."),
    ("aio_connections_failed", "Connections that failed."),
    ("aio_connections_rejected_load_total", "Connections closed at once under pressure."),
    ("aio_arena_pool_overflow_total", "Requests above :arena-pool-size or :max-requests."),
    ("aio_streams_total", "Streams that came."),
    ("aio_bytes_sent_total", "Bytes sent."),
    ("aio_bytes_recv_total", "Bytes received."),
    ("aio_tcp_buffer_overflow_total", "Bodies received without a receive buffer."),
];

/// Gauges of a system, in the order in which they are set.
const GAUGES: [(&str, &str); 8] = [
    ("aio_requests_active", "Requests in progress."),
    ("aio_connections_active", "Connections that are open."),
    ("aio_connections_idle", "Open connections without a request, at least."),
    ("aio_streams_active", "Streams in progress."),
    ("aio_servers_count", "Servers that listen."),
    ("aio_tcp_buffers_used", "Receive buffers in use."),
    ("aio_tcp_buffers_total", "Receive buffers."),
    ("aio_uptime_seconds", "Time since the start."),
];

impl SystemMetrics {
    /// The series of a system.
    ///
    /// # Errors
    /// When the registry is full.
    pub(crate) fn new(registry: &Registry, system: &str) -> Result<SystemMetrics, Refusal> {
        let labels = &[("system", system)];
        let mut counters = Vec::new();
        for (name, help) in COUNTERS {
            counters.push(registry.counter(name, help, labels)?);
        }
        let mut gauges = Vec::new();
        for (name, help) in GAUGES {
            gauges.push(registry.gauge(name, help, labels)?);
        }
        let name = "aio_request_duration_seconds";
        let text = "Time from the call of a handler to its response.";
        Ok(SystemMetrics {
            request_duration: registry.histogram(name, text, labels, DURATION_BOUNDS_US)?,
            counters: counters.try_into().unwrap_or_else(|_| unreachable!("as many as names")),
            gauges: gauges.try_into().unwrap_or_else(|_| unreachable!("as many as names")),
            servers: Mutex::default(),
            started: Instant::now(),
        })
    }

    /// The name of a system in its label.
    pub(crate) fn name_of(id: u32) -> String {
        if id == 0 { "main".to_string() } else { format!("main-{}", id + 1) }
    }

    /// Asks the servers and sets their series. Returns the sums, and how many servers run.
    pub(crate) fn ask_servers(&self) -> (ServerCounts, usize) {
        let mut servers = lock(&self.servers);
        (servers.ask(), servers.running.len())
    }

    /// Asks the servers and sets what the system and its servers count.
    pub(crate) fn refresh(&self, system: &System) {
        let (total, servers_running) = self.ask_servers();
        let buffers = system.pools().receive_buffers().statistics().buffers;
        let totals = [
            total.requests_ended(),
            total.requests_failed,
            total.connections,
            total.connections_failed,
            total.connections_rejected,
            total.requests_over_limit,
            total.requests,
            total.bytes_sent,
            total.bytes_received,
            buffers.refused,
        ];
        for (counter, total) in self.counters.iter().zip(totals) {
            counter.raise_to(total);
        }
        let now = [
            total.requests_open,
            total.connections_open,
            // A connection may have several requests.
            total.connections_open.saturating_sub(total.requests_open),
            total.requests_open,
            servers_running as u64,
            buffers.in_use as u64,
            buffers.slots as u64,
            self.started.elapsed().as_secs(),
        ];
        for (gauge, number) in self.gauges.iter().zip(now) {
            gauge.set(i64::try_from(number).unwrap_or(i64::MAX));
        }
    }

    /// Counts a server among those of the system, under these labels, until it has ended.
    pub(crate) fn add_server(
        &self,
        registry: &Registry,
        labels: &[(&str, &str)],
        counts: Counting,
    ) {
        let now_us = self.started.elapsed().as_micros() as u64;
        // A registry that is full counts the server in the totals of the system.
        let series = ServerSeries::new(registry, labels, now_us).ok();
        let mut servers = lock(&self.servers);
        // Servers that come and go are not kept until somebody reads the registry.
        servers.ask();
        servers.running.push(CountedServer { counts, series });
    }
}

/// The series of a server.
struct ServerSeries {
    requests: Counter,
    responses: [Counter; 3],
    overloads: Counter,
    bytes_sent: Counter,
    bytes_received: Counter,
    connections: Gauge,
}

impl ServerSeries {
    fn new(
        registry: &Registry,
        labels: &[(&str, &str)],
        now_us: u64,
    ) -> Result<ServerSeries, Refusal> {
        let lifetime = Lifetime::WhileUsed { now_us };
        let counter = |name: &str, help: &str, labels: &[(&str, &str)]| {
            registry.counter_for(lifetime, name, help, labels)
        };
        let requests = "http_requests_total";
        let text = "Requests that have ended.";
        let of_class = |class| counter(requests, text, &[labels, &[("status", class)]].concat());
        let name = "http_connections_active";
        let connections =
            registry.gauge_for(lifetime, name, "Connections that are open.", labels)?;
        Ok(ServerSeries {
            requests: counter(requests, text, labels)?,
            responses: [of_class("2xx")?, of_class("4xx")?, of_class("5xx")?],
            overloads: counter("http_overload_responses_total", "Requests turned away.", labels)?,
            bytes_sent: counter("http_bytes_sent_total", "Bytes sent.", labels)?,
            bytes_received: counter("http_bytes_recv_total", "Bytes received.", labels)?,
            connections,
        })
    }

    fn set(&self, counts: ServerCounts) {
        self.requests.raise_to(counts.requests_ended());
        let [successes, _, client_errors, server_errors] = counts.responses;
        for (counter, total) in self.responses.iter().zip([successes, client_errors, server_errors])
        {
            counter.raise_to(total);
        }
        self.overloads.raise_to(counts.requests_shed);
        self.bytes_sent.raise_to(counts.bytes_sent);
        self.bytes_received.raise_to(counts.bytes_received);
        self.connections.set(i64::try_from(counts.connections_open).unwrap_or(i64::MAX));
    }
}

/// Registers the series of a system; `None` when the registry is full.
pub(crate) fn register(registry: &Registry, id: u32) -> Option<Arc<SystemMetrics>> {
    let name = SystemMetrics::name_of(id);
    match SystemMetrics::new(registry, &name) {
        Ok(metrics) => Some(Arc::new(metrics)),
        Err(refusal) => {
            tracing::warn!(target: crate::LOG_TARGET, "the system {name} is not counted: {refusal}");
            None
        }
    }
}
