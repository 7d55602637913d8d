//! The judgement of a run: two verdicts, said apart.
//!
//! 1. The *measurement* is VALID only if it measured what it says: there were responses, every
//!    offered request is accounted for, the generator was at none of its own limits and on time, and
//!    slow readers really held back.
//! 2. The *result* is PASS if every rule holds: those of `--threshold`, or those of the scenario.
//!
//! An invalid measurement fails whatever its rules say.

use hdrhistogram::Histogram;

use crate::limits::{LAG_HARMLESS_US, LAG_SHARE};
use crate::options::Options;
use crate::quantity::{show_us, whole_us};
use crate::recording::counts::{GroupResult, histogram};
use crate::recording::error_kind::ErrorKind;
use crate::run::RunResult;
use crate::scenarios::catalog::Kind;
use crate::schedule::timeline::{Phase, Timeline};
use crate::thresholds::{Judgement, Sample, Threshold};

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
    /// Why the measurement is invalid; empty for a valid one.
    pub invalid: Vec<String>,
    /// What a reader should know about a valid measurement.
    pub warnings: Vec<String>,
}

impl<'a> Report<'a> {
    /// Judges a run.
    pub fn new(options: &'a Options, result: &'a RunResult) -> Report<'a> {
        let timeline = options.scenario.timeline(options.duration);
        let mut report = Report {
            options,
            result,
            timeline,
            judgements: Vec::new(),
            invalid: Vec::new(),
            warnings: Vec::new(),
        };
        report.judgements =
            options.thresholds.iter().filter_map(|rule| report.judge(rule)).collect();
        report.find_invalid();
        report.note_failed_looks();
        report
    }

    fn note_failed_looks(&mut self) {
        let scraped = &self.result.scraped;
        if scraped.failed > 0 {
            let (failed, url) = (scraped.failed, &scraped.url);
            self.warnings.push(format!("{failed} looks at {url} failed"));
        }
    }

    /// 130 if interrupted, 1 if invalid or a rule failed, 0 otherwise.
    pub fn exit_code(&self) -> u8 {
        if self.result.interrupted {
            130
        } else {
            u8::from(!self.invalid.is_empty() || !self.passed())
        }
    }

    /// `VALID` or `INVALID`.
    pub fn measurement(&self) -> &'static str {
        if self.invalid.is_empty() { "VALID" } else { "INVALID" }
    }

    /// Whether every rule holds.
    pub fn passed(&self) -> bool {
        self.judgements.iter().all(|j| j.passed)
    }

    /// `PASS` or `FAIL`.
    pub fn verdict(&self) -> &'static str {
        if self.passed() { "PASS" } else { "FAIL" }
    }

    /// The whole run, in seconds.
    pub fn seconds(&self) -> f64 {
        self.result.seconds_between(0, self.timeline.end_ns())
    }

    /// Answers per second of a group in one phase: those that came in it.
    pub fn phase_rps(&self, group: &GroupResult, index: usize, phase: &Phase) -> f64 {
        per_second(group.came[index], self.result.seconds_between(phase.start_ns, phase.end_ns))
    }

    /// Answers per second of a group: those that came within the schedule.
    pub fn rps(&self, group: &GroupResult) -> f64 {
        per_second(group.came.iter().sum(), self.seconds())
    }

    /// Percent of the offered rate that was held. An interrupted run has no second half.
    pub fn held(&self, group: &GroupResult) -> Option<f64> {
        // In an overload the backlog is what is to be seen.
        let is_overload = self.options.scenario.kind == Kind::Overload;
        if self.result.interrupted || is_overload || !self.options.is_open_loop() {
            return None;
        }
        group.second_half.held_percent()
    }

    /// The generator's own lateness; nothing in closed loops.
    pub fn lag(&self) -> Option<Histogram<u64>> {
        let mut lag = histogram();
        for group in &self.result.groups {
            lag.add(&group.send_lag).expect("all histograms have the same bounds");
        }
        (!lag.is_empty()).then_some(lag)
    }

    fn judge(&self, rule: &Threshold) -> Option<Judgement> {
        let group = match &rule.group {
            Some(name) => self.result.groups.iter().find(|g| g.name == name),
            None => self.result.groups.first(),
        }?;
        if let Some((index, phase)) =
            rule.phase.as_deref().and_then(|name| self.timeline.find(name))
        {
            let counts = &group.phases[index];
            let rps = self.phase_rps(group, index, phase);
            return Some(rule.judge(Some(&Sample { counts, rps, held: None })));
        }
        let held = self.held(group);
        if held.is_none() && self.options.default_rules && rule.is_held() {
            // The scenario's own rule asks for something that this run cannot have.
            return None;
        }
        let total = group.total();
        Some(rule.judge(Some(&Sample { counts: &total, rps: self.rps(group), held })))
    }

    fn find_invalid(&mut self) {
        for (index, group) in self.result.groups.iter().enumerate() {
            let total = group.total();
            if index == 0 && group.responses == 0 {
                self.invalid.push(format!("no response to `{}`", group.name));
            }
            let ended = total.ok + total.error_count();
            if ended != total.offered {
                self.invalid.push(format!(
                    "`{}` offered {} requests but {ended} ended",
                    group.name, total.offered
                ));
            }
            let own = |counts: &std::collections::BTreeMap<ErrorKind, u64>| {
                counts.keys().find(|kind| kind.is_own()).copied()
            };
            if let Some(kind) = own(&total.errors).or_else(|| own(&group.lost_connections)) {
                self.invalid.push(format!(
                    "the generator was at its own limit: `{kind}` in `{}`",
                    group.name
                ));
            }
            if group.name == "slow" && total.ok > 0 && group.held_streams == 0 {
                self.invalid.push(format!(
                    "no slow reader held anything: the body of {} fits in --window {}",
                    self.options.body_path(),
                    self.options.window
                ));
            }
        }
        self.judge_lag();
    }

    /// Compares the generator's own lateness with the latencies that contain it.
    fn judge_lag(&mut self) {
        let Some(lag) = self.lag() else { return };
        if let Some(max) = self.options.max_lag {
            let lag_us = lag.value_at_percentile(99.0);
            if lag_us > whole_us(max) {
                self.invalid.push(format!(
                    "the generator was late itself: own lag p99 {} is over --max-lag {}",
                    show_us(lag_us),
                    show_us(whole_us(max))
                ));
            }
            return;
        }
        let Some(group) = self.result.groups.first() else { return };
        let latency = group.total().latencies.total;
        if latency.is_empty() {
            return;
        }
        let mut worst: Option<(f64, String)> = None;
        for (name, percentile) in &PERCENTILES[..3] {
            let lag_us = lag.value_at_percentile(*percentile);
            let reported_us = latency.value_at_percentile(*percentile);
            let share = lag_us as f64 / reported_us.max(1) as f64;
            if share > LAG_SHARE && worst.as_ref().is_none_or(|(most, _)| share > *most) {
                let (lag, reported) = (show_us(lag_us), show_us(reported_us));
                let text = format!(
                    "own lag {name} {lag} is over a tenth of the reported {name} {reported}"
                );
                worst = Some((share, text));
            }
            if share > LAG_SHARE && lag_us > LAG_HARMLESS_US {
                let (lag, reported) = (show_us(lag_us), show_us(reported_us));
                self.invalid.push(format!(
                    "the generator was late itself: own lag {name} {lag} is over a tenth of the \
                     reported {name} {reported}; give it a processor of its own, a lower rate, or \
                     --max-lag"
                ));
                return;
            }
        }
        self.warnings.extend(worst.map(|(_, text)| text));
    }
}

fn per_second(count: u64, seconds: f64) -> f64 {
    if seconds > 0.0 { count as f64 / seconds } else { 0.0 }
}
