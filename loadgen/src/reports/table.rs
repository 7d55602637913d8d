//! The report as a table.

use std::io::{self, Write};

use super::report::{PERCENTILES, Report};
use crate::engines::event_loop::Pacing;
use crate::quantity::{printable, show_duration, show_rate, show_us};
use crate::recording::counts::{GroupResult, PhaseCounts};
use crate::scenarios::catalog::Kind;

/// Writes the table.
///
/// # Errors
/// If the stream cannot be written.
pub fn write(report: &Report<'_>, out: &mut dyn Write) -> io::Result<()> {
    head(report, out)?;
    writeln!(
        out,
        "{:<20} {:>9} {:>9} {:>7} {:>9}  {:>9} {:>9} {:>9} {:>9} {:>9}",
        "group.phase", "offered", "ok", "errors", "ok/s", "p50", "p90", "p99", "p99.9", "max"
    )?;
    for group in &report.result.groups {
        let total = group.total();
        if total.offered == 0 {
            continue;
        }
        if group.phases.len() > 1 {
            for (index, phase) in report.timeline.phases().iter().enumerate() {
                let counts = &group.phases[index];
                if counts.offered > 0 {
                    let rps = report.phase_rps(group, index, phase);
                    row(out, &format!("{}.{}", group.name, phase.name), counts, rps)?;
                }
            }
        }
        row(out, group.name, &total, report.rps(group))?;
    }
    own_lag(report, out)?;
    for group in &report.result.groups {
        details(group, out)?;
    }
    for judged in &report.judgements {
        let word = if judged.passed { "pass" } else { "FAIL" };
        let origin = if report.options.default_rules { ", rule of the scenario" } else { "" };
        writeln!(out, "{word}  {}  (was {}{origin})", printable(&judged.rule), judged.shown)?;
    }
    for warning in &report.warnings {
        writeln!(out, "warning: {warning}")?;
    }
    if report.result.interrupted {
        writeln!(out, "interrupted: the numbers cover only the part that ran")?;
    }
    verdicts(report, out)
}

/// Target, rate, duration, connections, offered and held rate.
fn head(report: &Report<'_>, out: &mut dyn Write) -> io::Result<()> {
    let o = report.options;
    let duration = show_duration(o.duration);
    write!(out, "{} against {} for {duration}: ", o.scenario.name, o.target.base)?;
    let table = format!("{} connections x {} streams", o.connections, o.streams);
    match (o.scenario.kind, o.pacing) {
        (Kind::Browse, _) => writeln!(out, "{} users", o.users)?,
        (_, Pacing::Closed { think }) if think.is_zero() => {
            writeln!(out, "as much as it takes, {table}")?;
        }
        (_, Pacing::Closed { .. }) => writeln!(out, "closed loop, {table}")?,
        (Kind::Journey, _) => writeln!(out, "{} journeys, {table}", rate(report))?,
        (Kind::Steady | Kind::Overload, _) => writeln!(out, "{}, {table}", rate(report))?,
        _ => writeln!(out, "{} beside {table} of slow readers", rate(report))?,
    }
    if let Some(group) = report.result.groups.first()
        && o.is_open_loop()
    {
        let offered = group.total().offered as f64 / report.seconds().max(1e-9);
        let held = report.held(group).map_or_else(|| "-".to_string(), |p| format!("{p:.1} %"));
        writeln!(
            out,
            "offered {offered:.1}/s, answered {:.1}/s, held {held}, seed {}",
            report.rps(group),
            o.seed
        )?;
    }
    Ok(())
}

fn rate(report: &Report<'_>) -> String {
    match report.options.profile.constant_rate() {
        Some(rate) => show_rate(rate),
        None => format!("up to {}", show_rate(report.options.profile.peak())),
    }
}

fn row(out: &mut dyn Write, name: &str, counts: &PhaseCounts, rps: f64) -> io::Result<()> {
    write!(
        out,
        "{name:<20} {:>9} {:>9} {:>7} {rps:>9.1} ",
        counts.offered,
        counts.ok,
        counts.error_count(),
    )?;
    let latency = &counts.latencies.total;
    for (_, percentile) in PERCENTILES {
        cell(out, (!latency.is_empty()).then(|| latency.value_at_percentile(percentile)))?;
    }
    cell(out, (!latency.is_empty()).then(|| latency.max()))?;
    writeln!(out)
}

/// The generator's own lateness below the latencies that contain it.
fn own_lag(report: &Report<'_>, out: &mut dyn Write) -> io::Result<()> {
    let Some(lag) = report.lag() else { return Ok(()) };
    write!(out, "{:<57} ", "own lag, part of the above")?;
    for (_, percentile) in PERCENTILES {
        cell(out, Some(lag.value_at_percentile(percentile)))?;
    }
    cell(out, Some(lag.max()))?;
    writeln!(out)
}

fn cell(out: &mut dyn Write, us: Option<u64>) -> io::Result<()> {
    write!(out, " {:>9}", us.map_or_else(|| "-".to_string(), show_us))
}

fn details(group: &GroupResult, out: &mut dyn Write) -> io::Result<()> {
    let name = group.name;
    let list = |label: &str, counts: Vec<String>, out: &mut dyn Write| {
        if counts.is_empty() {
            return Ok(());
        }
        writeln!(out, "{name} {label}: {}", counts.join(", "))
    };
    let errors = group.total().errors.into_iter().map(|(k, n)| format!("{k} {n}")).collect();
    let lost = group.lost_connections.iter().map(|(k, n)| format!("{k} {n}")).collect();
    if group.responses > 0 {
        writeln!(out, "{name} responses: HTTP/2 {}", group.responses)?;
    }
    list("errors", errors, out)?;
    list("lost connections", lost, out)?;
    for (count, text) in [
        (group.late, "answers came after the schedule and are in no rate"),
        (group.redirects, "responses point elsewhere and were not followed"),
        (group.replaced_connections, "connections ended in good order and were replaced"),
        (group.resent, "requests went out again: GOAWAY said that they had not begun"),
    ] {
        if count > 0 {
            writeln!(out, "{name}: {count} {text}")?;
        }
    }
    if group.held_streams > 0 {
        writeln!(
            out,
            "{name} held: {} streams, {} body bytes received while holding",
            group.held_streams, group.held_bytes
        )?;
    }
    Ok(())
}

fn verdicts(report: &Report<'_>, out: &mut dyn Write) -> io::Result<()> {
    if report.invalid.is_empty() {
        writeln!(out, "measurement: VALID")?;
    } else {
        writeln!(out, "measurement: INVALID ({})", printable(&report.invalid.join("; ")))?;
    }
    let failed: Vec<&str> =
        report.judgements.iter().filter(|j| !j.passed).map(|j| j.rule.as_str()).collect();
    if failed.is_empty() {
        writeln!(out, "result: PASS")
    } else {
        writeln!(out, "result: FAIL ({})", printable(&failed.join(", ")))
    }
}
