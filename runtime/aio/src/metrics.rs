//! What programs read of metrics: `vm/metrics-*`, `aio/metrics-json`, `aio/systems-json`.
//!
//! 1. `vm/metrics-*` show what heap, VM, event loop and workers report. The event loop's numbers are
//!    0 without a system, as programs that start none have no use for them.
//! 2. `aio/*` show the whole registry of the runtime, in which a system's series have the label
//!    `system`.
//! 3. Reading changes nothing but gauges of what is counted elsewhere.

use crate::executor::{here, pool};
use crate::system::{Reactor, System, system_of};
use serde_json::{Value as Json, json};
use valk_heap::Value;
use valk_lang::Language;
use valk_lang::builtins::{fail, new_string, wrong_type};
use valk_metrics::{Counter, Gauge, Histogram, Kind, Number, Refusal, Registry};
use valk_metrics::{Report, Reporter, Sample};
use valk_vm::{Arity, NativeFn, Outcome, Vm};

pub(crate) const TABLE: &[(&str, Arity, NativeFn)] = &[
    ("vm/metrics-json", Arity::Any, json),
    ("vm/metrics-json-compact", Arity::Any, compact),
    ("vm/metrics-prometheus", Arity::Any, prometheus),
    ("aio/metrics-json", Arity::Any, registry_json),
    ("aio/metrics-json-compact", Arity::Any, registry_json_compact),
    ("aio/systems-json", Arity::Any, systems_json),
];

/// The label of a system's series when there is one system.
const SYSTEM: &str = "main";

/// What the event loop has done.
#[derive(Clone, Copy, Default)]
struct Loop {
    /// Times it went to wait for something to happen.
    iterations: u64,
    /// Handles it gave their end.
    events: u64,
    idle_us: u64,
    /// There is a system: text shows the numbers too.
    is_exposed: bool,
}

impl Reporter for Loop {
    fn report(&self, report: &mut Report) {
        let mut add = |sample: Sample, family, help| {
            let is_exposed = self.is_exposed;
            let exposed = |sample: Sample| sample.exposed(family, Kind::Counter, help);
            report.add(if is_exposed { exposed(sample) } else { sample });
        };
        let iterations = Sample::count("event_loop", "iterations", self.iterations);
        let family = "valk_loop_iterations_total";
        add(iterations.compact("loop", "iters"), family, "Waits of the event loop.");
        let events = Sample::count("event_loop", "events_processed", self.events);
        let family = "valk_events_processed_total";
        add(events.compact("loop", "events"), family, "Handles completed.");
        let idle = Number::Microseconds(self.idle_us);
        let idle = Sample::new("event_loop", "idle_time_us", idle);
        add(idle, "valk_loop_idle_seconds_total", "Time spent waiting.");
    }
}

/// What is known of the threads for functions; zeros before there are any.
#[derive(Default)]
struct Workers {
    count: usize,
    executed: u64,
    stolen: u64,
    panicked: u64,
}

impl Workers {
    fn observe(vm: &mut Vm) -> Workers {
        let Some(seen) = pool(vm).statistics() else { return Workers::default() };
        Workers {
            count: seen.workers.len(),
            executed: seen.executed(),
            stolen: seen.stolen(),
            panicked: seen.panicked,
        }
    }
}

impl Reporter for Workers {
    fn report(&self, report: &mut Report) {
        for (name, count) in [
            ("count", self.count as u64),
            ("jobs_total", self.executed),
            ("jobs_stolen", self.stolen),
            ("jobs_panicked", self.panicked),
        ] {
            report.add(Sample::count("workers", name, count));
        }
    }
}

fn report(vm: &mut Vm, event_loop: Loop) -> Report {
    let workers = Workers::observe(vm);
    Report::of(&[vm, &event_loop, &workers])
}

fn observe(vm: &mut Vm) -> Loop {
    let events = here(vm).events.load(std::sync::atomic::Ordering::Relaxed);
    let reactor = vm.extension::<Reactor>();
    let (Some(handle), Some(started)) = (&reactor.handle, reactor.started) else {
        return Loop::default();
    };
    // A current-thread runtime has one worker.
    let metrics = handle.metrics();
    let idle = started.elapsed().saturating_sub(metrics.worker_total_busy_duration(0));
    Loop {
        iterations: metrics.worker_park_count(0),
        events,
        idle_us: idle.as_micros() as u64,
        is_exposed: true,
    }
}

/// Answers with what `show` makes of the numbers.
fn answer(vm: &mut Vm, name: &str, arguments: &[Value], show: fn(&Report) -> String) -> Outcome {
    let event_loop = match arguments {
        [] => Loop::default(),
        [system] if system_of(vm, *system).is_some() => {
            let event_loop = observe(vm);
            Loop { is_exposed: true, ..event_loop }
        }
        [system] if system.is_error() => return (*system).into(),
        [_] => return fail(vm, &format!("{name}: Expected AIO system reference")),
        _ => return fail(vm, &format!("{name}: expected 0-1 arguments")),
    };
    let text = show(&report(vm, event_loop));
    new_string(vm, text.as_bytes())
}

fn json(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    answer(vm, "vm/metrics-json", arguments, |report| report.to_json().to_string())
}

fn compact(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let show = |report: &Report| report.to_compact_json().to_string();
    answer(vm, "vm/metrics-json-compact", arguments, show)
}

fn prometheus(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    answer(vm, "vm/metrics-prometheus", arguments, Report::to_prometheus)
}

/// What `(vm/metrics-json system)` shows.
pub fn metrics(vm: &mut Vm) -> Json {
    let event_loop = observe(vm);
    report(vm, event_loop).to_json()
}

/// The series of a system. Recorders keep clones of what they record.
#[derive(Clone)]
pub struct SystemMetrics {
    /// Requests that have ended.
    pub requests: Counter,
    /// Requests that have ended with an error.
    pub requests_failed: Counter,
    /// Bytes of responses.
    pub request_bytes_sent: Counter,
    /// Bytes of requests.
    pub request_bytes_received: Counter,
    /// Time of all requests.
    pub request_us: Counter,
    /// Time of requests, by length.
    pub request_duration: Histogram,
    /// Requests in progress.
    pub requests_active: Gauge,
    /// Connections that came.
    pub connections: Counter,
    /// Connections that failed before they were established.
    pub connections_failed: Counter,
    /// Connections that were refused.
    pub connections_rejected: Counter,
    /// Connections that were refused because of overload.
    pub connections_rejected_load: Counter,
    /// Connections that are established.
    pub connections_active: Gauge,
    /// Streams that came.
    pub streams: Counter,
    /// Streams in progress.
    pub streams_active: Gauge,
    /// Bytes sent.
    pub bytes_sent: Counter,
    /// Bytes received.
    pub bytes_received: Counter,
    /// Bodies received without a receive buffer.
    pub buffer_overflows: Counter,
    /// Servers that listen.
    pub servers: Gauge,
    /// Clients that are connected.
    pub clients: Gauge,
    /// Handles that wait for their end.
    pub handles: Gauge,
    /// Receive buffers in use.
    pub buffers_used: Gauge,
    /// Receive buffers.
    pub buffers_total: Gauge,
    /// Seconds since the system was started.
    pub uptime_s: Gauge,
}

/// Upper bounds of the buckets of request durations, in microseconds.
const DURATION_BOUNDS_US: &[u64] =
    &[1000, 5000, 10_000, 25_000, 50_000, 100_000, 250_000, 1_000_000];

impl SystemMetrics {
    /// The series of the system with this name, registered if they are not.
    ///
    /// # Errors
    /// When the registry is full.
    pub fn new(registry: &Registry, system: &str) -> Result<SystemMetrics, Refusal> {
        let labels = &[("system", system)];
        let counter = |name: &str, help: &str| registry.counter(name, help, labels);
        let gauge = |name: &str, help: &str| registry.gauge(name, help, labels);
        let (duration, text) = ("aio_request_duration_seconds", "Time of requests.");
        let refused = "Connections refused because of overload.";
        Ok(SystemMetrics {
            requests: counter("aio_requests_total", "Requests that have ended.")?,
            requests_failed: counter("aio_requests_errors", "Requests ended with an error.")?,
            request_bytes_sent: counter("aio_request_bytes_sent", "Bytes of responses.")?,
            request_bytes_received: counter("aio_request_bytes_recv", "Bytes of requests.")?,
            request_us: counter("aio_request_duration_us_sum", "Time of all requests.")?,
            request_duration: registry.histogram(duration, text, labels, DURATION_BOUNDS_US)?,
            requests_active: gauge("aio_requests_active", "Requests in progress.")?,
            connections: counter("aio_connections_total", "Connections that came.")?,
            connections_failed: counter("aio_connections_failed", "Connections that failed.")?,
            connections_rejected: counter("aio_connections_rejected", "Connections refused.")?,
            connections_rejected_load: counter("aio_connections_rejected_load", refused)?,
            connections_active: gauge("aio_connections_active", "Connections established.")?,
            streams: counter("aio_streams_total", "Streams that came.")?,
            streams_active: gauge("aio_streams_active", "Streams in progress.")?,
            bytes_sent: counter("aio_bytes_sent_total", "Bytes sent.")?,
            bytes_received: counter("aio_bytes_recv_total", "Bytes received.")?,
            buffer_overflows: counter("aio_tcp_buffer_overflow_total", "Bodies without a buffer.")?,
            servers: gauge("aio_servers_count", "Servers that listen.")?,
            clients: gauge("aio_clients_count", "Clients that are connected.")?,
            handles: gauge("aio_handles_count", "Handles that wait for their end.")?,
            buffers_used: gauge("aio_tcp_buffers_used", "Receive buffers in use.")?,
            buffers_total: gauge("aio_tcp_buffers_total", "Receive buffers.")?,
            uptime_s: gauge("aio_uptime_seconds", "Time since the start.")?,
        })
    }

    /// Sets what the system's pools count.
    fn refresh(&self, system: &System) {
        let seen = system.pools().receive_buffers().statistics().buffers;
        self.buffers_used.set(seen.in_use as i64);
        self.buffers_total.set(seen.slots as i64);
        self.buffer_overflows.raise_to(seen.refused);
    }
}

/// The registry of the runtime as JSON, with what the system counts for itself.
fn registry_of(vm: &mut Vm, system: &System) -> Json {
    let registry = vm.extension::<Language>().metrics.clone();
    // A registry that is full shows what it has.
    if let Ok(metrics) = SystemMetrics::new(&registry, SYSTEM) {
        metrics.refresh(system);
    }
    let started = vm.extension::<Reactor>().started;
    registry.to_json(started.map(|started| started.elapsed()).unwrap_or_default())
}

/// Answers with what `show` makes of the registry.
fn answer_registry(
    vm: &mut Vm,
    name: &str,
    arguments: &[Value],
    show: fn(Json) -> Json,
) -> Outcome {
    let [system] = arguments else {
        return fail(vm, &format!("{name}: expected 1 argument (sys)"));
    };
    let Some(system) = system_of(vm, *system) else {
        return wrong_type(vm, *system, "Reference");
    };
    let text = show(registry_of(vm, &system)).to_string();
    new_string(vm, text.as_bytes())
}

fn registry_json(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    answer_registry(vm, "aio/metrics-json", arguments, |registry| registry)
}

fn registry_json_compact(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    answer_registry(vm, "aio/metrics-json-compact", arguments, |registry| registry)
}

fn systems_json(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    answer_registry(vm, "aio/systems-json", arguments, |registry| json!([registry]))
}
