//! The report as a table.

use std::io::{self, Write};

use super::report::{PERCENTILES, Report};
use crate::quantity::show_us;
use crate::recording::recorder::{GroupResult, PhaseCounts};

/// Writes the table.
///
/// # Errors
/// If the stream cannot be written.
pub fn write(report: &Report<'_>, out: &mut dyn Write) -> io::Result<()> {
    let options = report.options;
    writeln!(
        out,
        "{} against {}, seed {}",
        options.scenario.name, options.target.base, options.seed
    )?;
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
        let seconds = report.result.seconds_between(0, report.timeline.end_ns());
        if group.phases.len() > 1 {
            for (phase, counts) in report.timeline.phases().iter().zip(&group.phases) {
                if counts.offered > 0 {
                    let seconds = report.result.seconds_between(phase.start_ns, phase.end_ns);
                    row(out, &format!("{}.{}", group.name, phase.name), counts, seconds)?;
                }
            }
        }
        row(out, group.name, &total, seconds)?;
    }
    for group in &report.result.groups {
        details(group, out)?;
    }
    for judged in &report.judgements {
        let word = if judged.passed { "pass" } else { "FAIL" };
        writeln!(out, "{word}  {}  (was {})", judged.rule, judged.shown)?;
    }
    if report.result.interrupted {
        writeln!(out, "interrupted: the numbers cover only the part that ran")?;
    }
    writeln!(out, "verdict: {}", report.verdict())?;
    for reason in &report.invalid {
        writeln!(out, "  {reason}")?;
    }
    Ok(())
}

fn row(out: &mut dyn Write, name: &str, counts: &PhaseCounts, seconds: f64) -> io::Result<()> {
    write!(
        out,
        "{name:<20} {:>9} {:>9} {:>7} {:>9.1} ",
        counts.offered,
        counts.ok,
        counts.error_count(),
        counts.ok as f64 / seconds
    )?;
    let latency = &counts.latencies.total;
    for (_, percentile) in PERCENTILES {
        cell(out, (!latency.is_empty()).then(|| latency.value_at_percentile(percentile)))?;
    }
    cell(out, (!latency.is_empty()).then(|| latency.max()))?;
    writeln!(out)
}

fn cell(out: &mut dyn Write, us: Option<u64>) -> io::Result<()> {
    write!(out, " {:>9}", us.map_or_else(|| "-".to_string(), show_us))
}

fn details(group: &GroupResult, out: &mut dyn Write) -> io::Result<()> {
    let counts = |label: &str, list: Vec<String>, out: &mut dyn Write| {
        if list.is_empty() {
            return Ok(());
        }
        writeln!(out, "{} {label}: {}", group.name, list.join(", "))
    };
    let show = |(name, count): (String, u64)| format!("{name} {count}");
    let errors = group.total().errors.into_iter().map(|(k, n)| show((k.to_string(), n))).collect();
    let lost = group.lost_connections.iter().map(|(k, n)| show((k.to_string(), *n))).collect();
    let protocols = group.protocols.iter().map(|(k, n)| show(((*k).to_string(), *n))).collect();
    counts("responses", protocols, out)?;
    counts("errors", errors, out)?;
    counts("lost connections", lost, out)?;
    if group.held_streams > 0 {
        writeln!(
            out,
            "{} held: {} streams, {} body bytes received while holding",
            group.name, group.held_streams, group.held_bytes
        )?;
    }
    Ok(())
}
