//! `vm/metrics-*`: what collector, machine and event loop have counted, as JSON and for Prometheus.
//!
//! The event loop's numbers are 0 without a system, as programs that start none have no use for
//! them. Reading changes nothing.

use crate::builtins::system_of;
use crate::executor::Reactor;
use crate::workers;
use serde_json::{Value as Json, json};
use std::fmt::Write;
use valk_heap::{PAUSE_BOUNDS_US, Statistics, Value};
use valk_lang::builtins::{fail, new_string};
use valk_vm::{Arity, Counters, NativeFn, Outcome, Vm};

pub(crate) const TABLE: &[(&str, Arity, NativeFn)] = &[
    ("vm/metrics-json", Arity::Any, json),
    ("vm/metrics-json-compact", Arity::Any, compact),
    ("vm/metrics-prometheus", Arity::Any, prometheus),
];

/// What the event loop has done.
#[derive(Clone, Copy, Default)]
struct Loop {
    /// Times it went to wait for something to happen.
    iterations: u64,
    /// Handles it gave their end.
    events: u64,
    idle_us: u64,
}

/// Everything there is to tell at one moment.
struct Seen {
    heap: Statistics,
    machine: Counters,
    event_loop: Loop,
    workers: Workers,
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
        let Some(seen) = workers::statistics(vm) else { return Workers::default() };
        Workers {
            count: seen.workers.len(),
            executed: seen.executed(),
            stolen: seen.stolen(),
            panicked: seen.panicked,
        }
    }
}

fn see(vm: &mut Vm, name: &str, arguments: &[Value]) -> Result<Seen, Outcome> {
    let event_loop = match arguments {
        [] => Loop::default(),
        [system] if system_of(vm, *system).is_some() => observe(vm.extension::<Reactor>()),
        [system] if system.is_error() => return Err((*system).into()),
        [_] => return Err(fail(vm, &format!("{name}: Expected AIO system reference"))),
        _ => return Err(fail(vm, &format!("{name}: expected 0-1 arguments"))),
    };
    Ok(seen(vm, event_loop))
}

fn seen(vm: &mut Vm, event_loop: Loop) -> Seen {
    let workers = Workers::observe(vm);
    Seen { heap: vm.heap.statistics(), machine: vm.all_counters(), event_loop, workers }
}

fn observe(reactor: &Reactor) -> Loop {
    let (Some(handle), Some(started)) = (&reactor.handle, reactor.started) else {
        return Loop::default();
    };
    // A current-thread runtime has one worker.
    let metrics = handle.metrics();
    let idle = started.elapsed().saturating_sub(metrics.worker_total_busy_duration(0));
    Loop {
        iterations: metrics.worker_park_count(0),
        events: reactor.completions,
        idle_us: idle.as_micros() as u64,
    }
}

/// `part` of `whole` in percent, to so many decimals.
fn percent(part: usize, whole: usize, decimals: i32) -> f64 {
    let unit = 10_f64.powi(decimals);
    (part as f64 / whole.max(1) as f64 * 100.0 * unit).round() / unit
}

/// Collections of at least `from` and less than `to` microseconds.
fn pauses(heap: &Statistics, from: u64, to: u64) -> u64 {
    let starts = std::iter::once(0).chain(PAUSE_BOUNDS_US);
    let buckets = starts.zip(heap.pauses);
    buckets.filter(|(start, _)| (from..to).contains(start)).map(|(_, count)| count).sum()
}

/// Answers with what `show` makes of the numbers.
fn answer(
    vm: &mut Vm,
    name: &str,
    arguments: &[Value],
    show: impl FnOnce(&Vm, &Seen) -> String,
) -> Outcome {
    match see(vm, name, arguments) {
        Ok(seen) => {
            let text = show(vm, &seen);
            new_string(vm, text.as_bytes())
        }
        Err(outcome) => outcome,
    }
}

fn json(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    answer(vm, "vm/metrics-json", arguments, |vm, seen| document(vm, seen).to_string())
}

fn compact(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    answer(vm, "vm/metrics-json-compact", arguments, |_, seen| summary(seen).to_string())
}

fn prometheus(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let with_loop = !arguments.is_empty();
    answer(vm, "vm/metrics-prometheus", arguments, |_, seen| exposition(seen, with_loop))
}

/// What `(vm/metrics-json system)` shows.
pub fn metrics(vm: &mut Vm) -> Json {
    let event_loop = observe(vm.extension::<Reactor>());
    let seen = seen(vm, event_loop);
    document(vm, &seen)
}

fn document(vm: &Vm, seen: &Seen) -> Json {
    let heap = &seen.heap;
    let classes: Vec<Json> = vm
        .heap
        .class_usage()
        .iter()
        .map(|class| {
            json!({ "size": class.slot_bytes, "used": class.slots_used, "total": class.slots_total })
        })
        .collect();
    let average_ms = heap.pause_us_total as f64 / heap.collections().max(1) as f64 / 1000.0;
    json!({
        "gc": {
            "cycles_total": heap.collections(),
            "cycles_minor": heap.collections_minor,
            "cycles_full": heap.collections_full,
            "cycles_emergency": heap.collections_emergency,
            "pause_us_total": heap.pause_us_total,
            "pause_us_max": heap.pause_us_max,
            "pause_ms_avg": (average_ms * 1000.0).round() / 1000.0,
            "reclaimed_bytes_total": heap.reclaimed_bytes,
            "allocated_bytes_total": heap.allocated_bytes,
            "efficiency_pct": heap.efficiency_percent,
            "fragmentation_pct": heap.fragmentation_percent(),
            "heap_used_bytes": heap.used_bytes,
            "heap_total_bytes": heap.hard_limit_bytes,
            "heap_utilization_pct": percent(heap.used_bytes, heap.hard_limit_bytes, 2),
            "large_objects": heap.large_objects,
            "size_classes": classes,
            "pause_histogram": {
                "0_1ms": pauses(heap, 0, 1000),
                "1_5ms": pauses(heap, 1000, 5000),
                "5_10ms": pauses(heap, 5000, 10_000),
                "10_16ms": pauses(heap, 10_000, 16_000),
                "16ms_plus": pauses(heap, 16_000, u64::MAX),
            },
            "stops": heap.stops.iter().sum::<u64>(),
            "stop_us_max": heap.stop_us_max,
            "cycles_helped": heap.collections_parallel,
            "cycles_own": heap.collections_local,
            "survival": {
                "young_bytes_total": heap.young_collected_bytes,
                "promoted_bytes_total": heap.promoted_bytes,
                "pct": heap.survival_percent(),
            },
        },
        "interpreter": {
            "evals_total": seen.machine.evaluations,
            "function_calls": seen.machine.function_calls,
            "builtin_calls": seen.machine.builtin_calls,
            "stack_depth_max": seen.machine.depth_peak,
            "closures_created": seen.machine.closures_created,
            "functions_compiled": seen.machine.functions_compiled,
            "env_lookups": seen.machine.lookups,
        },
        "event_loop": {
            "iterations": seen.event_loop.iterations,
            "events_processed": seen.event_loop.events,
            "idle_time_us": seen.event_loop.idle_us,
        },
        "workers": {
            "count": seen.workers.count,
            "jobs_total": seen.workers.executed,
            "jobs_stolen": seen.workers.stolen,
            "jobs_panicked": seen.workers.panicked,
        },
    })
}

fn summary(seen: &Seen) -> Json {
    let Seen { heap, machine, event_loop, .. } = seen;
    json!({
        "gc": {
            "heap_used": heap.used_bytes,
            "heap_pct": percent(heap.used_bytes, heap.hard_limit_bytes, 1),
            "cycles": heap.collections(),
        },
        "interp": {
            "evals": machine.evaluations,
            "calls": machine.function_calls,
            "builtins": machine.builtin_calls,
        },
        "loop": { "iters": event_loop.iterations, "events": event_loop.events },
    })
}

/// Microseconds as seconds with six decimals.
fn seconds(microseconds: u64) -> String {
    format!("{}.{:06}", microseconds / 1_000_000, microseconds % 1_000_000)
}

fn exposition(seen: &Seen, with_loop: bool) -> String {
    let Seen { heap, machine, event_loop, .. } = seen;
    let ratio = heap.used_bytes as f64 / heap.hard_limit_bytes.max(1) as f64;
    let mut families = vec![
        ("gc_cycles_total", "Collections.", heap.collections().to_string()),
        ("gc_pause_seconds_total", "Time of all collections.", seconds(heap.pause_us_total)),
        ("gc_pause_seconds_max", "Time of the longest collection.", seconds(heap.pause_us_max)),
        ("gc_reclaimed_bytes_total", "Bytes freed.", heap.reclaimed_bytes.to_string()),
        ("gc_heap_used_bytes", "Bytes in use.", heap.used_bytes.to_string()),
        ("gc_heap_total_bytes", "The hard limit.", heap.hard_limit_bytes.to_string()),
        ("gc_heap_utilization_ratio", "Part of the hard limit in use.", format!("{ratio:.6}")),
        ("eval_total", "Forms compiled to be run.", machine.evaluations.to_string()),
        ("function_calls_total", "Calls of functions.", machine.function_calls.to_string()),
        ("builtin_calls_total", "Calls of builtins.", machine.builtin_calls.to_string()),
        ("stack_depth_max", "The most calls in progress.", machine.depth_peak.to_string()),
        ("closures_created_total", "Functions made.", machine.closures_created.to_string()),
        (
            "functions_compiled_total",
            "Functions that got machine code.",
            machine.functions_compiled.to_string(),
        ),
        ("env_lookups_total", "Variables looked up by name.", machine.lookups.to_string()),
    ];
    if with_loop {
        families.extend([
            (
                "loop_iterations_total",
                "Waits of the event loop.",
                event_loop.iterations.to_string(),
            ),
            ("events_processed_total", "Handles completed.", event_loop.events.to_string()),
            ("loop_idle_seconds_total", "Time spent waiting.", seconds(event_loop.idle_us)),
        ]);
    }
    let mut out = String::new();
    for (name, help, value) in families {
        let kind = if name.ends_with("_total") { "counter" } else { "gauge" };
        let blank = if out.is_empty() { "" } else { "\n" };
        let _ = writeln!(
            out,
            "{blank}# HELP valk_{name} {help}\n# TYPE valk_{name} {kind}\nvalk_{name} {value}"
        );
    }
    out
}
