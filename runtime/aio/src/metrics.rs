//! What programs read of the runtime's metrics: `vm/metrics-*`, `aio/metrics-*`, `aio/systems-json`,
//! `aio/system-stats-prometheus`.
//!
//! 1. `vm/metrics-*` show what heap, VM, event loop and workers report. The event loop's numbers are
//!    0 without a system, as programs that start none have no use for them.
//! 2. `aio/metrics-json` and `aio/systems-json` show the whole registry of the runtime, in which a
//!    system's series have the label `system`; `aio/metrics-prometheus` shows the series of systems.

use crate::executor::{here, pool};
use crate::system::{Reactor, System, system_of};
use crate::system_metrics::SERIES_PREFIX;
use serde_json::{Value as Json, json};
use std::time::Duration;
use valk_heap::{ProcessMemory, Value};
use valk_lang::Language;
use valk_lang::builtins::{fail, new_string, wrong_type};
use valk_metrics::{Kind, Number, Report, Reporter, Sample};
use valk_vm::{Arity, NativeFn, Outcome, Vm};

pub(crate) const TABLE: &[(&str, Arity, NativeFn)] = &[
    ("vm/metrics-json", Arity::Any, json),
    ("vm/metrics-json-compact", Arity::Any, compact),
    ("vm/metrics-prometheus", Arity::Any, prometheus),
    ("aio/metrics-json", Arity::Any, registry_json),
    ("aio/metrics-json-compact", Arity::Any, registry_json_compact),
    ("aio/systems-json", Arity::Any, systems_json),
    ("aio/metrics-prometheus", Arity::Any, system_prometheus),
    ("aio/system-stats-prometheus", Arity::Any, process_prometheus),
];

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

/// The registry of the runtime as JSON.
fn registry_of(vm: &mut Vm) -> Json {
    let language = vm.extension::<Language>();
    let uptime = Duration::from_micros(language.clock.monotonic_us().unsigned_abs());
    language.metrics.to_json(uptime)
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
    if system_of(vm, *system).is_none() {
        return wrong_type(vm, *system, "Reference");
    }
    let text = show(registry_of(vm)).to_string();
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

/// Answers with what `show` makes of a system.
fn answer_text(
    vm: &mut Vm,
    name: &str,
    arguments: &[Value],
    show: fn(&mut Vm, &System) -> String,
) -> Outcome {
    let [value] = arguments else {
        return fail(vm, &format!("{name}: expected 1 argument (sys)"));
    };
    let Some(system) = system_of(vm, *value) else {
        return wrong_type(vm, *value, "Reference");
    };
    let text = show(vm, &system);
    new_string(vm, text.as_bytes())
}

/// `(aio/metrics-prometheus system)`: the series of systems.
fn system_prometheus(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    answer_text(vm, "aio/metrics-prometheus", arguments, |vm, _| {
        let registry = vm.extension::<Language>().metrics.clone();
        registry.to_prometheus_of(|name| name.starts_with(SERIES_PREFIX))
    })
}

/// `(aio/system-stats-prometheus system)`: the process and the system's pools, which the registry
/// does not have.
fn process_prometheus(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    answer_text(vm, "aio/system-stats-prometheus", arguments, |_, system| {
        Report::of(&[&Process(ProcessMemory::now()), system]).to_prometheus()
    })
}

/// The memory of the process.
struct Process(ProcessMemory);

impl Reporter for Process {
    fn report(&self, report: &mut Report) {
        let mut gauge = |name, bytes: u64, family, help| {
            report.add(Sample::count("process", name, bytes).exposed(family, Kind::Gauge, help));
        };
        let memory = &self.0;
        let resident = memory.resident_bytes as u64;
        gauge("rss", resident, "process_resident_memory_bytes", "Memory in use.");
        let virtual_bytes = memory.virtual_bytes as u64;
        gauge("vms", virtual_bytes, "process_virtual_memory_bytes", "Address space in use.");
    }
}

impl Reporter for System {
    fn report(&self, report: &mut Report) {
        let seen = self.pools().receive_buffers().statistics();
        let mut gauge = |name, count: usize, family, help| {
            let sample = Sample::count("pools", name, count as u64);
            report.add(sample.exposed(family, Kind::Gauge, help));
        };
        let family = "valk_receive_buffers_used_max";
        gauge(
            "high_water",
            seen.buffers.high_water,
            family,
            "Most receive buffers in use at once.",
        );
        let family = "valk_receive_buffers_retained_bytes";
        gauge("retained", seen.retained_bytes, family, "Memory that free receive buffers keep.");
    }
}
