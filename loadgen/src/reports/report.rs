//! The report of a run: verdict, judged thresholds, and the JSON document (schema version 1,
//! described in docs/load-testing.md).
//!
//! A run is VALID only if it measured what it says: every response was HTTP/2, every offered
//! request is accounted for, the generator itself was on time, and slow readers really held back.
//! An invalid run fails whatever its thresholds say.

use hdrhistogram::Histogram;
use serde_json::{Map, Value, json};

use crate::options::Options;
use crate::quantity::{show_us, whole_us};
use crate::recording::recorder::{GroupResult, PhaseCounts, histogram};
use crate::run::RunResult;
use crate::scenarios::catalog::Kind;
use crate::schedule::arrivals::Arrivals;
use crate::schedule::timeline::{Phase, Timeline};
use crate::thresholds::{Judgement, Threshold};

/// Version of the JSON schema; it grows when a field changes its meaning or goes away.
pub const SCHEMA_VERSION: u32 = 1;

/// The percentiles of the report.
pub const PERCENTILES: [(&str, f64); 4] =
    [("p50", 50.0), ("p90", 90.0), ("p99", 99.0), ("p99_9", 99.9)];

/// A judged run.
#[derive(Debug)]
pub struct Report<'a> {
    /// What was asked for.
    pub options: &'a Options,
    /// What happened.
    pub result: &'a RunResult,
    /// The phases of the run.
    pub timeline: Timeline,
    /// The rules with their values.
    pub judgements: Vec<Judgement>,
    /// Why the run is invalid; empty for a valid one.
    pub invalid: Vec<String>,
}

impl<'a> Report<'a> {
    /// Judges a run.
    pub fn new(options: &'a Options, result: &'a RunResult) -> Report<'a> {
        let timeline = options.scenario.timeline(options.duration);
        let judgements =
            options.thresholds.iter().map(|rule| judge(rule, result, &timeline)).collect();
        let invalid = invalid_reasons(options, result);
        Report { options, result, timeline, judgements, invalid }
    }

    /// 130 if interrupted, 1 if invalid or a rule failed, 0 otherwise.
    pub fn exit_code(&self) -> u8 {
        if self.result.interrupted {
            130
        } else {
            u8::from(!self.invalid.is_empty() || self.judgements.iter().any(|j| !j.passed))
        }
    }

    /// `VALID` or `INVALID`.
    pub fn verdict(&self) -> &'static str {
        if self.invalid.is_empty() { "VALID" } else { "INVALID" }
    }

    /// The JSON document.
    pub fn json(&self) -> Value {
        let groups: Map<String, Value> = self
            .result
            .groups
            .iter()
            .map(|group| (group.name.to_string(), self.group(group)))
            .collect();
        json!({
            "schema": "valk-load-report",
            "version": SCHEMA_VERSION,
            "verdict": self.verdict(),
            "invalid_reasons": self.invalid,
            "interrupted": self.result.interrupted,
            "exit_code": self.exit_code(),
            "config": self.config(),
            "elapsed_us": whole_us(self.result.elapsed),
            "groups": groups,
            "thresholds": self.judgements.iter().map(judgement).collect::<Vec<_>>(),
            "generator": self.generator(),
        })
    }

    fn config(&self) -> Value {
        let o = self.options;
        let paths: Vec<Value> =
            o.paths.iter().map(|(path, weight)| json!({"path": path, "weight": weight})).collect();
        json!({
            "scenario": o.scenario.name,
            "target": o.target.base,
            "duration_us": whole_us(o.duration),
            "connections": o.connections,
            "streams": o.streams,
            "users": o.users,
            "rate": o.rate,
            "large_rate": o.large_rate,
            "arrivals": match o.arrivals {
                Arrivals::Constant => "constant",
                Arrivals::Poisson => "poisson",
            },
            "seed": o.seed,
            "paths": paths,
            "large_path": o.large_path,
            "window_bytes": o.window,
            "post_path": o.post.as_ref().map(|(path, _)| path),
            "timeout_us": whole_us(o.timeout),
            "max_lag_us": whole_us(o.max_lag),
        })
    }

    fn group(&self, group: &GroupResult) -> Value {
        let phases: Vec<Value> = self
            .timeline
            .phases()
            .iter()
            .zip(&group.phases)
            .map(|(phase, counts)| {
                let mut value = json!({
                    "name": phase.name,
                    "start_us": phase.start_ns / 1_000,
                    "end_us": phase.end_ns / 1_000,
                });
                merge(&mut value, numbers(counts, phase_seconds(self.result, phase)));
                value
            })
            .collect();
        let seconds = self.result.seconds_between(0, self.timeline.end_ns());
        let mut value = json!({
            "phases": phases,
            "protocols": group.protocols,
            "lost_connections": by_name(&group.lost_connections),
            "held_streams": group.held_streams,
            "held_bytes": group.held_bytes,
        });
        merge(&mut value, numbers(&group.total(), seconds));
        value
    }

    fn generator(&self) -> Value {
        let lag = send_lag(self.result);
        let answered: u64 = self.result.groups.iter().map(|g| g.total().ok).sum();
        let per_request = self
            .result
            .cpu
            .filter(|_| answered > 0)
            .map(|cpu| cpu.as_secs_f64() * 1e6 / answered as f64);
        json!({
            "send_lag_p50_us": lag.value_at_percentile(50.0),
            "send_lag_p99_us": lag.value_at_percentile(99.0),
            "send_lag_max_us": lag.max(),
            "cpu_us": self.result.cpu.map(whole_us),
            "cpu_us_per_answer": per_request,
        })
    }
}

fn judge(rule: &Threshold, result: &RunResult, timeline: &Timeline) -> Judgement {
    let group = match &rule.group {
        Some(name) => result.groups.iter().find(|g| g.name == name),
        None => result.groups.first(),
    };
    if let Some((index, phase)) = rule.phase.as_deref().and_then(|name| timeline.find(name)) {
        return rule.judge(group.map(|g| &g.phases[index]), phase_seconds(result, phase));
    }
    let total = group.map(GroupResult::total);
    rule.judge(total.as_ref(), result.seconds_between(0, timeline.end_ns()))
}

fn phase_seconds(result: &RunResult, phase: &Phase) -> f64 {
    result.seconds_between(phase.start_ns, phase.end_ns)
}

fn send_lag(result: &RunResult) -> Histogram<u64> {
    let mut lag = histogram();
    for group in &result.groups {
        lag.add(&group.send_lag).expect("all histograms have the same bounds");
    }
    lag
}

fn invalid_reasons(options: &Options, result: &RunResult) -> Vec<String> {
    if let Some(why) = &result.not_http2 {
        return vec![format!("the target does not speak HTTP/2: {why}")];
    }
    let mut reasons = Vec::new();
    for (index, group) in result.groups.iter().enumerate() {
        let total = group.total();
        let http2 = group.protocols.get("HTTP/2").copied().unwrap_or_default();
        let other: u64 = group.protocols.values().sum::<u64>() - http2;
        if other > 0 {
            reasons.push(format!(
                "{other} of {} responses to `{}` were not HTTP/2",
                http2 + other,
                group.name
            ));
        } else if index == 0 && http2 == 0 {
            reasons.push(format!("no response to `{}`: HTTP/2 is not proven", group.name));
        }
        // An interrupted user of `browse` leaves its last request behind.
        let ended = total.ok + total.error_count();
        if ended != total.offered && options.scenario.kind != Kind::Browse {
            reasons.push(format!(
                "`{}` offered {} requests but {ended} ended",
                group.name, total.offered
            ));
        }
        if group.name == "slow" && total.ok > 0 && group.held_streams == 0 {
            reasons.push(format!(
                "no slow reader held anything: the body of {} fits in --window {}",
                options.body_path(),
                options.window
            ));
        }
    }
    let lag_us = send_lag(result).value_at_percentile(99.0);
    if lag_us > whole_us(options.max_lag) {
        reasons.push(format!(
            "the generator was late itself: send lag p99 {} is over --max-lag {}",
            show_us(lag_us),
            show_us(whole_us(options.max_lag))
        ));
    }
    reasons
}

fn numbers(counts: &PhaseCounts, seconds: f64) -> Value {
    let l = &counts.latencies;
    json!({
        "offered": counts.offered,
        "ok": counts.ok,
        "errors": counts.error_count(),
        "errors_by_kind": by_name(&counts.errors),
        "rps": counts.ok as f64 / seconds,
        "body_bytes": counts.body_bytes,
        "latency_us": percentiles(&l.total),
        "first_byte_us": percentiles(&l.first_byte),
        "send_wait_us": percentiles(&l.send_wait),
        "service_us": percentiles(&l.service),
    })
}

/// Percentiles in microseconds; `null` without samples.
fn percentiles(histogram: &Histogram<u64>) -> Value {
    if histogram.is_empty() {
        return Value::Null;
    }
    let mut values: Map<String, Value> = PERCENTILES
        .iter()
        .map(|(name, p)| ((*name).to_string(), histogram.value_at_percentile(*p).into()))
        .collect();
    values.insert("max".to_string(), histogram.max().into());
    values.insert("mean".to_string(), histogram.mean().into());
    values.insert("samples".to_string(), histogram.len().into());
    Value::Object(values)
}

fn by_name<K: ToString>(counts: &std::collections::BTreeMap<K, u64>) -> Map<String, Value> {
    counts.iter().map(|(kind, count)| (kind.to_string(), (*count).into())).collect()
}

fn judgement(judgement: &Judgement) -> Value {
    json!({
        "rule": judgement.rule,
        "passed": judgement.passed,
        "actual": judgement.actual,
        "actual_text": judgement.shown,
    })
}

fn merge(into: &mut Value, from: Value) {
    if let (Value::Object(into), Value::Object(from)) = (into, from) {
        into.extend(from);
    }
}
