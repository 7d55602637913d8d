//! The JSON document, version 2; docs/load-testing.md describes it.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;
use serde_json::{Map, Value, json};

use super::report::{PERCENTILES, Report};
use crate::engines::event_loop::Pacing;
use crate::options::{Options, has_effect};
use crate::quantity::whole_us;
use crate::recording::counts::{GroupResult, PhaseCounts};
use crate::schedule::arrivals::Arrivals;
use crate::thresholds::Judgement;

/// Version of the JSON schema; it grows when a field changes its meaning or goes away.
pub const SCHEMA_VERSION: u32 = 2;

/// The document as text, with a line end.
pub fn text(report: &Report<'_>) -> String {
    let mut text = serde_json::to_string_pretty(&document(report))
        .expect("a JSON value with text keys always serializes");
    text.push('\n');
    text
}

/// The document.
pub fn document(report: &Report<'_>) -> Value {
    let groups: Map<String, Value> =
        report.result.groups.iter().map(|g| (g.name.to_string(), group(report, g))).collect();
    json!({
        "schema": "valk-load-report",
        "version": SCHEMA_VERSION,
        "tool": {"name": "valk-load", "version": env!("CARGO_PKG_VERSION")},
        "host": host(),
        "started": rfc3339(unix_ms(report)),
        "started_unix_ms": unix_ms(report),
        "measurement": report.measurement(),
        "invalid_reasons": report.invalid,
        "warnings": report.warnings,
        "result": report.verdict(),
        "interrupted": report.result.interrupted,
        "exit_code": report.exit_code(),
        "config": config(report.options),
        "elapsed_us": whole_us(report.result.elapsed),
        "scheduled_us": whole_us(report.result.scheduled),
        "groups": groups,
        "thresholds": report.judgements.iter().map(judgement).collect::<Vec<_>>(),
        "generator": generator(report),
        "server": server(report),
    })
}

/// Series of the server's metrics; nothing if nobody asked.
fn server(report: &Report<'_>) -> Value {
    let scraped = &report.result.scraped;
    if scraped.url.is_empty() {
        return Value::Null;
    }
    let series: Vec<Value> = scraped
        .series
        .iter()
        .map(|s| json!({"name": s.series, "counter": s.is_counter, "samples": s.samples}))
        .collect();
    json!({"url": scraped.url, "failed_looks": scraped.failed, "series": series})
}

fn host() -> Value {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    json!({
        "name": name.trim(),
        "os": std::env::consts::OS,
        "processors": std::thread::available_parallelism().map_or(1, usize::from),
    })
}

fn unix_ms(report: &Report<'_>) -> u64 {
    let since = report.result.started.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    since.as_millis() as u64
}

/// `2026-11-30T12:00:00.000Z`. The date follows from the days by the rules of the Gregorian calendar,
/// counted in eras of 400 years that begin in March.
pub fn rfc3339(unix_ms: u64) -> String {
    let (days, ms) = (unix_ms / 86_400_000, unix_ms % 86_400_000);
    // Days since the first of March of the year 0.
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{:03}Z",
        ms / 3_600_000,
        ms / 60_000 % 60,
        ms / 1_000 % 60,
        ms % 1_000
    )
}

/// Every option that had an effect.
fn config(o: &Options) -> Value {
    let mut config = Map::new();
    let mut put = |id: &str, name: &str, value: Value| {
        if has_effect(id, o.scenario) {
            config.insert(name.to_string(), value);
        }
    };
    let paths: Vec<Value> =
        o.paths.iter().map(|(path, weight)| json!({"path": path, "weight": weight})).collect();
    let headers: Vec<String> = o
        .request
        .headers
        .iter()
        .map(|(name, value)| format!("{name}: {}", String::from_utf8_lossy(value.as_bytes())))
        .collect();
    put("scenario", "scenario", o.scenario.name.into());
    put("target", "target", o.target.base.clone().into());
    put("duration", "duration_us", whole_us(o.duration).into());
    put("connections", "connections", o.connections.into());
    put("streams", "streams", o.streams.into());
    put("users", "users", o.users.into());
    put("threads", "threads", o.threads.into());
    match o.pacing {
        Pacing::Open => {
            let rate = o.profile.constant_rate().map_or(Value::Null, Into::into);
            put("rate", "rate", rate);
            if o.profile.constant_rate().is_none() {
                let stretches: Vec<Value> = o
                    .profile
                    .stretches()
                    .iter()
                    .map(|s| json!({"length_us": s.length_ns / 1_000, "from": s.from, "to": s.to}))
                    .collect();
                put("rate", "rates", stretches.into());
            }
            let arrivals = match o.arrivals {
                Arrivals::Constant => "constant",
                Arrivals::Poisson => "poisson",
            };
            put("arrivals", "arrivals", arrivals.into());
            put("burst", "burst", o.burst.into());
        }
        Pacing::Closed { .. } => put("closed", "closed", true.into()),
    }
    if o.scenario.kind == crate::scenarios::catalog::Kind::Browse || !o.think.is_zero() {
        put("think", "think_us", whole_us(o.think).into());
    }
    put("seed", "seed", o.seed.into());
    put("file", "file", o.file.clone().into());
    put("paths", "paths", paths.into());
    put("method", "method", o.request.method.as_str().into());
    put("headers", "headers", headers.into());
    put("data", "body_bytes", o.request.body.len().into());
    if let Some(authority) = &o.authority {
        put("headers", "authority", authority.clone().into());
    }
    put("timeout", "timeout_us", whole_us(o.timeout).into());
    put("large_path", "large_path", o.body_path().into());
    put("large_rate", "large_rate", o.large_rate.into());
    put("window", "window_bytes", o.window.into());
    if let Some((path, bytes)) = &o.post {
        put("post_path", "post_path", path.clone().into());
        put("post_bytes", "post_bytes", (*bytes).into());
    }
    if let Some(requests) = o.churn.requests {
        put("requests_per_connection", "requests_per_connection", requests.into());
    }
    if let Some(per_second) = o.churn.per_second {
        put("connections_per_second", "connections_per_second", per_second.into());
    }
    if o.is_open_loop() {
        put("max_lag", "max_lag_us", o.max_lag.map(whole_us).into());
    }
    let checks = &o.request.checks;
    let statuses: Vec<String> =
        checks.statuses.iter().map(|s| format!("{}-{}", s.start(), s.end())).collect();
    if !statuses.is_empty() {
        put("expect_status", "expect_status", statuses.into());
    }
    if let Some(text) = &checks.contains {
        put("expect_contains", "expect_contains", String::from_utf8_lossy(text).into());
    }
    if let Some(bytes) = checks.bytes {
        put("expect_bytes", "expect_bytes", bytes.into());
    }
    Value::Object(config)
}

fn group(report: &Report<'_>, group: &GroupResult) -> Value {
    let phases: Vec<Value> = report
        .timeline
        .phases()
        .iter()
        .enumerate()
        .map(|(index, phase)| {
            let mut value = json!({
                "name": phase.name,
                "start_us": phase.start_ns / 1_000,
                "end_us": phase.end_ns / 1_000,
                "came": group.came[index],
            });
            let rps = report.phase_rps(group, index, phase);
            merge(&mut value, numbers(&group.phases[index], rps));
            value
        })
        .collect();
    let mut protocols = Map::new();
    if group.responses > 0 {
        protocols.insert("HTTP/2".to_string(), group.responses.into());
    }
    let mut value = json!({
        "phases": phases,
        "protocols": protocols,
        "late": group.late,
        "held_percent": report.held(group),
        "redirects": group.redirects,
        "resent": group.resent,
        "lost_connections": by_name(&group.lost_connections),
        "replaced_connections": group.replaced_connections,
        "held_streams": group.held_streams,
        "held_bytes": group.held_bytes,
    });
    merge(&mut value, numbers(&group.total(), report.rps(group)));
    value
}

fn generator(report: &Report<'_>) -> Value {
    let lag = report.lag();
    let at = |p: f64| lag.as_ref().map(|lag| lag.value_at_percentile(p));
    let answered: u64 = report.result.groups.iter().map(|g| g.total().ok).sum();
    let per_request = report
        .result
        .cpu
        .filter(|_| answered > 0)
        .map(|cpu| cpu.as_secs_f64() * 1e6 / answered as f64);
    json!({
        "send_lag_p50_us": at(50.0),
        "send_lag_p99_us": at(99.0),
        "send_lag_max_us": at(100.0),
        "cpu_us": report.result.cpu.map(whole_us),
        "cpu_us_per_answer": per_request,
    })
}

fn numbers(counts: &PhaseCounts, rps: f64) -> Value {
    let l = &counts.latencies;
    json!({
        "offered": counts.offered,
        "ok": counts.ok,
        "errors": counts.error_count(),
        "errors_by_kind": by_name(&counts.errors),
        "rps": rps,
        "body_bytes": counts.body_bytes,
        "latency_us": percentiles(&l.total),
        "first_byte_us": percentiles(&l.first_byte),
        "send_wait_us": percentiles(&l.send_wait),
        "service_us": percentiles(&l.service),
    })
}

/// Whole microseconds; `null` without samples.
fn percentiles(histogram: &Histogram<u64>) -> Value {
    if histogram.is_empty() {
        return Value::Null;
    }
    let mut values: Map<String, Value> = PERCENTILES
        .iter()
        .map(|(name, p)| ((*name).to_string(), histogram.value_at_percentile(*p).into()))
        .collect();
    values.insert("max".to_string(), histogram.max().into());
    values.insert("mean".to_string(), (histogram.mean().round() as u64).into());
    values.insert("samples".to_string(), histogram.len().into());
    Value::Object(values)
}

fn by_name<K: ToString>(counts: &BTreeMap<K, u64>) -> Map<String, Value> {
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
