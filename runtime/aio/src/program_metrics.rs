//! The metrics of programs: `metrics/*`.
//!
//! 1. Counters, gauges and histograms are references to series of the runtime's registry. Recording
//!    takes no lock and works on every thread.
//! 2. A series that was evicted because nobody used it records no more; asking for it by name makes it
//!    anew.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use valk_heap::{HostObject, Tracer, Value};
use valk_lang::builtins::{fail, new_string};
use valk_lang::{Language, elements};
use valk_metrics::{
    Baseline, Counter, Delta, Gauge, HISTOGRAM_BOUNDS_MAX, Histogram, LABELS_MAX, Lifetime,
    Registry,
};
use valk_vm::{Arity, NativeFn, Outcome, Vm};

pub(crate) const TABLE: &[(&str, Arity, NativeFn)] = &[
    ("metrics/counter", Arity::Any, counter),
    ("metrics/counter-inc", Arity::Any, counter_inc),
    ("metrics/gauge", Arity::Any, gauge),
    ("metrics/gauge-set", Arity::Any, gauge_set),
    ("metrics/gauge-inc", Arity::Any, gauge_inc),
    ("metrics/gauge-dec", Arity::Any, gauge_dec),
    ("metrics/histogram", Arity::Any, histogram),
    ("metrics/histogram-observe", Arity::Any, histogram_observe),
    ("metrics/baseline", Arity::Any, baseline),
    ("metrics/collect-delta", Arity::Any, collect_delta),
    ("metrics/collect-delta-stateless", Arity::Any, collect_delta_stateless),
    ("metrics/delta-json", Arity::Any, delta_json),
    ("metrics/json", Arity::Any, json),
    ("metrics/prometheus", Arity::Any, prometheus),
    ("metrics/registry-json", Arity::Any, registry_json),
];

/// Bounds of a histogram that is given none, in microseconds.
const DEFAULT_BOUNDS_US: &[u64] = &[
    1000, 5000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000, 5_000_000,
    10_000_000,
];

/// Makes a type that a reference of this name stands for.
macro_rules! reference {
    ($type:ident($content:ty), $name:literal) => {
        struct $type($content);

        impl HostObject for $type {
            fn trace(&mut self, _: &mut Tracer<'_>) {}
            fn type_name(&self) -> &'static str {
                $name
            }
        }
    };
}

reference!(CounterReference(Counter), "metrics_counter");
reference!(GaugeReference(Gauge), "metrics_gauge");
reference!(HistogramReference(Histogram), "metrics_histogram");
reference!(BaselineReference(Mutex<Baseline>), "metrics_baseline");
reference!(DeltaReference(Delta), "metrics_delta");

/// The registry of the runtime and the time.
fn registry(vm: &mut Vm) -> (Registry, u64) {
    let language = vm.extension::<Language>();
    (language.metrics.clone(), language.clock.monotonic_us().unsigned_abs())
}

/// An error of a builtin.
fn refuse(vm: &mut Vm, builtin: &str, problem: &str) -> Outcome {
    fail(vm, &format!("{builtin}: {problem}"))
}

fn text(vm: &Vm, value: Value) -> Option<String> {
    value.as_bytes(&vm.heap).map(|bytes| String::from_utf8_lossy(bytes).into_owned())
}

type Label = (String, String);

/// Lends labels to the registry. Labels beyond their number are dropped.
fn borrowed(labels: &[Label]) -> Vec<(&str, &str)> {
    let labels = labels.iter().take(LABELS_MAX);
    labels.map(|(key, value)| (key.as_str(), value.as_str())).collect()
}

/// The name and the label pairs that a counter or gauge is asked for with.
fn named(vm: &mut Vm, builtin: &str, arguments: &[Value]) -> Result<(String, Vec<Label>), Outcome> {
    let [name, rest @ ..] = arguments else {
        return Err(refuse(vm, builtin, "expected at least 1 argument (name)"));
    };
    let Some(name) = text(vm, *name) else {
        return Err(refuse(vm, builtin, "name must be a string"));
    };
    let mut labels = Vec::new();
    for pair in rest.chunks_exact(2) {
        let (Some(key), Some(value)) = (text(vm, pair[0]), text(vm, pair[1])) else {
            return Err(refuse(vm, builtin, "labels must be string key-value pairs"));
        };
        labels.push((key, value));
    }
    Ok((name, labels))
}

/// `(metrics/counter name label value …)`
fn counter(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let (name, labels) = match named(vm, "metrics/counter", arguments) {
        Ok(named) => named,
        Err(refused) => return refused,
    };
    let (registry, now_us) = registry(vm);
    let lifetime = Lifetime::WhileUsed { now_us };
    match registry.counter_for(lifetime, &name, &name, &borrowed(&labels)) {
        Ok(counter) => vm.heap.host(Box::new(CounterReference(counter))).into(),
        Err(_) => refuse(vm, "metrics/counter", "registry full"),
    }
}

/// `(metrics/gauge name label value …)`
fn gauge(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let (name, labels) = match named(vm, "metrics/gauge", arguments) {
        Ok(named) => named,
        Err(refused) => return refused,
    };
    let (registry, now_us) = registry(vm);
    let lifetime = Lifetime::WhileUsed { now_us };
    match registry.gauge_for(lifetime, &name, &name, &borrowed(&labels)) {
        Ok(gauge) => vm.heap.host(Box::new(GaugeReference(gauge))).into(),
        Err(_) => refuse(vm, "metrics/gauge", "registry full"),
    }
}

/// Units of a decimal in a microsecond.
const UNITS_PER_US: i128 = 1_000_000_000_000;

/// A number of seconds in microseconds; `None` for anything else and for what is negative.
fn seconds_us(value: Value) -> Option<u64> {
    match value.as_integer() {
        Some(seconds) => Some(u64::try_from(seconds).ok()?.saturating_mul(1_000_000)),
        None => u64::try_from(value.as_decimal_units()?.div_euclid(UNITS_PER_US)).ok(),
    }
}

/// The bounds of a list, in microseconds: its numbers are seconds, the rest is passed over.
fn bounds_us(list: Value) -> Vec<u64> {
    elements(list).into_iter().filter_map(seconds_us).take(HISTOGRAM_BOUNDS_MAX).collect()
}

/// `(metrics/histogram name :buckets {seconds …} label value …)`; the bounds may stand anywhere.
fn histogram(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    const BUILTIN: &str = "metrics/histogram";
    let [name, rest @ ..] = arguments else {
        return refuse(vm, BUILTIN, "expected at least 1 argument (name)");
    };
    let Some(name) = text(vm, *name) else {
        return refuse(vm, BUILTIN, "name must be a string");
    };
    let buckets = vm.heap.intern(b":buckets");
    let (mut bounds, mut labels) = (DEFAULT_BOUNDS_US.to_vec(), Vec::new());
    let mut rest = rest.iter().copied();
    while let Some(item) = rest.next() {
        if item == buckets {
            match rest.next() {
                Some(list) if list.is_pair() => bounds = bounds_us(list),
                Some(_) => return refuse(vm, BUILTIN, ":buckets must be followed by a list"),
                None => {}
            }
        } else if let Some(key) = text(vm, item) {
            match rest.next().map(|value| text(vm, value)) {
                Some(Some(value)) => labels.push((key, value)),
                Some(None) => return refuse(vm, BUILTIN, "label value must be a string"),
                None => {}
            }
        }
    }
    let (registry, now_us) = registry(vm);
    let lifetime = Lifetime::WhileUsed { now_us };
    match registry.histogram_for(lifetime, &name, &name, &borrowed(&labels), &bounds) {
        Ok(histogram) => vm.heap.host(Box::new(HistogramReference(histogram))).into(),
        Err(_) => refuse(vm, BUILTIN, "registry full"),
    }
}

/// A number that is not negative.
fn amount(vm: &mut Vm, builtin: &str, value: Value) -> Result<u64, Outcome> {
    match value.as_integer().map(u64::try_from) {
        Some(Ok(amount)) => Ok(amount),
        Some(Err(_)) => Err(refuse(vm, builtin, "the number must not be negative")),
        None => Err(refuse(vm, builtin, "second argument must be a number")),
    }
}

/// `(metrics/counter-inc counter)` or with an amount: nil.
fn counter_inc(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    const BUILTIN: &str = "metrics/counter-inc";
    let (reference, by) = match *arguments {
        [reference] => (reference, None),
        [reference, by] => (reference, Some(by)),
        _ => return refuse(vm, BUILTIN, "expected 1-2 arguments"),
    };
    let Some(counter) = reference.host::<CounterReference>(&vm.heap).map(|r| r.0.clone()) else {
        return refuse(vm, BUILTIN, "first argument must be counter handle");
    };
    match by.map_or(Ok(1), |by| amount(vm, BUILTIN, by)) {
        Ok(by) => counter.add(by),
        Err(refused) => return refused,
    }
    Value::NIL.into()
}

/// `(metrics/gauge-set gauge number)`: nil.
fn gauge_set(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    const BUILTIN: &str = "metrics/gauge-set";
    let [reference, number] = *arguments else {
        return refuse(vm, BUILTIN, "expected 2 arguments");
    };
    let Some(gauge) = reference.host::<GaugeReference>(&vm.heap).map(|r| r.0.clone()) else {
        return refuse(vm, BUILTIN, "first argument must be gauge handle");
    };
    let Some(number) = number.as_integer() else {
        return refuse(vm, BUILTIN, "second argument must be a number");
    };
    gauge.set(number);
    Value::NIL.into()
}

fn gauge_add(vm: &mut Vm, builtin: &str, arguments: &[Value], difference: i64) -> Outcome {
    let [reference] = *arguments else {
        return refuse(vm, builtin, "expected 1 argument");
    };
    match reference.host::<GaugeReference>(&vm.heap) {
        Some(gauge) => gauge.0.add(difference),
        None => return refuse(vm, builtin, "argument must be gauge handle"),
    }
    Value::NIL.into()
}

fn gauge_inc(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    gauge_add(vm, "metrics/gauge-inc", arguments, 1)
}

fn gauge_dec(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    gauge_add(vm, "metrics/gauge-dec", arguments, -1)
}

/// `(metrics/histogram-observe histogram microseconds)`: nil.
fn histogram_observe(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    const BUILTIN: &str = "metrics/histogram-observe";
    let [reference, duration] = *arguments else {
        return refuse(vm, BUILTIN, "expected 2 arguments");
    };
    let Some(histogram) = reference.host::<HistogramReference>(&vm.heap).map(|r| r.0.clone())
    else {
        return refuse(vm, BUILTIN, "first argument must be histogram handle");
    };
    match amount(vm, BUILTIN, duration) {
        Ok(duration_us) => histogram.observe_us(duration_us),
        Err(refused) => return refused,
    }
    Value::NIL.into()
}

/// The text of a builtin without arguments that was given some.
fn unexpected(given: usize) -> String {
    format!("expected 0 arguments, got {given}")
}

fn baseline(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    if !arguments.is_empty() {
        return refuse(vm, "metrics/baseline", &unexpected(arguments.len()));
    }
    vm.heap.host(Box::new(BaselineReference(Mutex::default()))).into()
}

fn collect_delta(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    if !arguments.is_empty() {
        return refuse(vm, "metrics/collect-delta", &unexpected(arguments.len()));
    }
    let (registry, now_us) = registry(vm);
    let delta = registry.global_delta(now_us);
    vm.heap.host(Box::new(DeltaReference(delta))).into()
}

/// `(metrics/collect-delta-stateless baseline)`: what has changed since the last collection on it.
fn collect_delta_stateless(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    const BUILTIN: &str = "metrics/collect-delta-stateless";
    let [reference] = *arguments else {
        let text = format!("expected 1 argument (baseline), got {}", arguments.len());
        return refuse(vm, BUILTIN, &text);
    };
    let (registry, now_us) = registry(vm);
    let Some(baseline) = reference.host::<BaselineReference>(&vm.heap) else {
        return refuse(vm, BUILTIN, "argument must be baseline handle");
    };
    let mut baseline = baseline.0.lock().unwrap_or_else(PoisonError::into_inner);
    let delta = registry.delta(&mut baseline, now_us);
    drop(baseline);
    vm.heap.host(Box::new(DeltaReference(delta))).into()
}

fn delta_json(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let [reference] = *arguments else {
        return refuse(vm, "metrics/delta-json", "expected 1 argument");
    };
    let Some(delta) = reference.host::<DeltaReference>(&vm.heap) else {
        return refuse(vm, "metrics/delta-json", "argument must be delta snapshot handle");
    };
    let text = delta.0.to_json().to_string();
    new_string(vm, text.as_bytes())
}

fn json(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    if !arguments.is_empty() {
        return refuse(vm, "metrics/json", &unexpected(arguments.len()));
    }
    let (registry, now_us) = registry(vm);
    let text = registry.to_json(Duration::from_micros(now_us)).to_string();
    new_string(vm, text.as_bytes())
}

fn prometheus(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    if !arguments.is_empty() {
        return refuse(vm, "metrics/prometheus", &unexpected(arguments.len()));
    }
    let text = registry(vm).0.to_prometheus();
    new_string(vm, text.as_bytes())
}

fn registry_json(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    if !arguments.is_empty() {
        return refuse(vm, "metrics/registry-json", "expected 0 arguments");
    }
    let (registry, now_us) = registry(vm);
    let begun = Instant::now();
    let _ = registry.to_json(Duration::from_micros(now_us));
    let collect_us = begun.elapsed().as_micros() as u64;
    let text = registry.usage_json(collect_us).to_string();
    new_string(vm, text.as_bytes())
}
