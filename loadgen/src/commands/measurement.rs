//! One short run of `steady` as a part of a longer question, and what it said.

use std::sync::Arc;
use std::time::Duration;

use crate::command_line::parse_run;
use crate::error::LoadError;
use crate::interrupt::Interrupt;
use crate::options::Options;
use crate::reports::progress::Progress;
use crate::reports::report::Report;
use crate::run::execute;

/// What a run said.
#[derive(Clone, Debug)]
pub struct Measurement {
    /// Latencies at 50 and 99 percent, in microseconds; nothing without an answer.
    pub percentiles_us: Option<(u64, u64)>,
    /// Answers per second.
    pub rps: f64,
    /// Answers.
    pub ok: u64,
    /// Whether the rules hold.
    pub passed: bool,
    /// Why the numbers cannot be trusted.
    pub invalid: Option<String>,
    /// Whether it was interrupted.
    pub interrupted: bool,
}

/// Options of `run` about reports that nobody would see.
const REPORTS: &[&str] = &["report", "html", "csv", "hdr", "junit", "scrape", "json"];

/// Runs `steady` against `target` with these options of `run`, then `more` of the user's.
///
/// # Errors
/// As `run`.
pub fn steady(
    target: &str,
    options: &[String],
    more: &[String],
    interrupt: &Interrupt,
) -> Result<Measurement, LoadError> {
    let fixed = ["steady", "--quiet", "--target", target].map(String::from);
    let words = [&fixed[..], options, more].concat();
    let args = parse_run(words).map_err(|error| LoadError::Usage(error.render().to_string()))?;
    if let Some(report) = REPORTS.iter().find(|id| args.given.contains(**id)) {
        return Err(LoadError::usage(format!(
            "--{report} has no effect on one of many measurements: it belongs to `valk-load run`"
        )));
    }
    let options = Arc::new(Options::check(&args)?);
    let result = execute(&options, interrupt.clone(), &mut Progress::new(None))?;
    let report = Report::new(&options, &result);
    let group = &result.groups[0];
    let latency = group.total().latencies.total;
    let at = |percentile| latency.value_at_percentile(percentile);
    Ok(Measurement {
        percentiles_us: (!latency.is_empty()).then(|| (at(50.0), at(99.0))),
        rps: report.rps(group),
        ok: group.total().ok,
        passed: report.passed(),
        invalid: report.invalid.first().cloned(),
        interrupted: result.interrupted,
    })
}

/// A duration as an option.
pub fn duration_option(duration: Duration) -> String {
    format!("--duration={}us", duration.as_micros())
}
