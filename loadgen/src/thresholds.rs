//! Rules that decide whether a run passes: `[group.][phase.]metric op value`.
//!
//! `p99<50ms`, `error-rate<1%`, `rps>=100`, `held>=95%`, `victim.p99<20ms`, `victim.hold.p99<=30ms`.
//! Without a group a rule judges the measured group of the scenario; without a phase the whole
//! run. A rule about a group without samples fails: silence is not success.

use std::fmt;

use crate::quantity::{parse_duration, show_us, whole_us};
use crate::recording::counts::PhaseCounts;

/// What a rule looks at.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Metric {
    /// A latency percentile in (0, 100], intended to last byte, microseconds.
    Percentile(f64),
    /// Mean latency, microseconds.
    Mean,
    /// Largest latency, microseconds.
    Max,
    /// Failed requests in percent of the offered.
    ErrorRate,
    /// Failed requests.
    Errors,
    /// Answered requests.
    Count,
    /// Answers per second: those that came within the time they are divided by.
    Rps,
    /// Percent of the offered rate that was answered, in the second half of the schedule: less than
    /// 100 if the backlog grows.
    Held,
}

impl Metric {
    fn parse(name: &str) -> Result<Metric, String> {
        match name {
            "mean" | "avg" => return Ok(Metric::Mean),
            "max" => return Ok(Metric::Max),
            "error-rate" => return Ok(Metric::ErrorRate),
            "errors" => return Ok(Metric::Errors),
            "count" => return Ok(Metric::Count),
            "rps" => return Ok(Metric::Rps),
            "held" => return Ok(Metric::Held),
            _ => {}
        }
        match name.strip_prefix('p').map(str::parse::<f64>) {
            Some(Ok(p)) if p > 0.0 && p <= 100.0 => Ok(Metric::Percentile(p)),
            Some(Ok(p)) => Err(format!("percentile p{p} is not between p0 and p100")),
            _ => Err(format!(
                "`{name}` is not a metric; use p50, p99.9, mean, max, error-rate, errors, count, \
                 rps or held"
            )),
        }
    }

    fn is_latency(self) -> bool {
        matches!(self, Metric::Percentile(_) | Metric::Mean | Metric::Max)
    }

    fn parse_value(self, text: &str) -> Result<f64, String> {
        if self.is_latency() {
            return parse_duration(text).map(|d| whole_us(d) as f64);
        }
        let number = match (self, text.strip_suffix('%')) {
            (Metric::ErrorRate | Metric::Held, Some(percent)) => percent,
            (Metric::ErrorRate | Metric::Held, None) => {
                return Err(format!("this metric is in percent; write `{text}%`"));
            }
            (_, Some(_)) => return Err(format!("`{text}` has a %, but this metric is a number")),
            (_, None) => text,
        };
        match number.parse::<f64>() {
            Ok(value) if value.is_finite() && value >= 0.0 => Ok(value),
            _ => Err(format!("`{text}` is not a number of at least 0")),
        }
    }

    /// The measured value, or nothing if there is no sample to measure.
    fn measure(self, sample: &Sample<'_>) -> Option<f64> {
        let counts = sample.counts;
        let latency = &counts.latencies.total;
        if counts.offered == 0 || (self.is_latency() && latency.is_empty()) {
            return None;
        }
        Some(match self {
            Metric::Percentile(p) => latency.value_at_percentile(p) as f64,
            Metric::Mean => latency.mean(),
            Metric::Max => latency.max() as f64,
            Metric::ErrorRate => 100.0 * counts.error_count() as f64 / counts.offered as f64,
            Metric::Errors => counts.error_count() as f64,
            Metric::Count => counts.ok as f64,
            Metric::Rps => sample.rps,
            Metric::Held => return sample.held,
        })
    }

    /// A value with its unit.
    pub fn show(self, value: f64) -> String {
        match self {
            _ if self.is_latency() => show_us(value as u64),
            Metric::ErrorRate | Metric::Held => format!("{value:.3}%"),
            Metric::Rps => format!("{value:.1}/s"),
            _ => format!("{value}"),
        }
    }
}

/// What a rule is judged on.
#[derive(Clone, Copy, Debug)]
pub struct Sample<'a> {
    /// The counts of a phase, or of the whole run.
    pub counts: &'a PhaseCounts,
    /// Answers per second in that time.
    pub rps: f64,
    /// See [`Metric::Held`]; only of the whole run.
    pub held: Option<f64>,
}

/// Comparison of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Comparison {
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
}

impl Comparison {
    fn holds(self, left: f64, right: f64) -> bool {
        match self {
            Comparison::Less => left < right,
            Comparison::LessEqual => left <= right,
            Comparison::Greater => left > right,
            Comparison::GreaterEqual => left >= right,
        }
    }
}

/// A parsed rule.
#[derive(Clone, Debug, PartialEq)]
pub struct Threshold {
    text: String,
    /// Group named by the rule.
    pub group: Option<String>,
    /// Phase named by the rule.
    pub phase: Option<String>,
    /// What is compared.
    pub metric: Metric,
    comparison: Comparison,
    value: f64,
}

/// A judged rule.
#[derive(Clone, Debug)]
pub struct Judgement {
    /// The rule as written.
    pub rule: String,
    /// Whether it holds.
    pub passed: bool,
    /// The measured value in the metric's unit (microseconds, percent, count, per second).
    pub actual: Option<f64>,
    /// The measured value with its unit, or why there is none.
    pub shown: String,
}

impl Threshold {
    /// Parses a rule. `groups` and `phases` are the names the scenario has.
    ///
    /// # Errors
    /// Quotes the rule and says which part is wrong and what would be right.
    pub fn parse(text: &str, groups: &[&str], phases: &[&str]) -> Result<Threshold, String> {
        Threshold::parse_rule(text, groups, phases)
            .map_err(|why| format!("threshold `{text}`: {why}"))
    }

    fn parse_rule(text: &str, groups: &[&str], phases: &[&str]) -> Result<Threshold, String> {
        let compact: String = text.chars().filter(|c| !c.is_whitespace()).collect();
        let at = compact.find(['<', '>']).ok_or("no comparison; write it like p99<50ms")?;
        let (subject, rest) = compact.split_at(at);
        let (comparison, value) = match rest.as_bytes() {
            [b'<', b'=', ..] => (Comparison::LessEqual, &rest[2..]),
            [b'<', ..] => (Comparison::Less, &rest[1..]),
            [_, b'=', ..] => (Comparison::GreaterEqual, &rest[2..]),
            _ => (Comparison::Greater, &rest[1..]),
        };
        let (group, phase, name) = split_subject(subject, groups, phases)?;
        let metric = Metric::parse(name)?;
        if metric == Metric::Held && phase.is_some() {
            return Err("held is a number of the whole run, not of a phase".to_string());
        }
        if value.is_empty() {
            return Err("no value after the comparison; write it like p99<50ms".to_string());
        }
        let value = metric.parse_value(value)?;
        Ok(Threshold { text: text.to_string(), group, phase, metric, comparison, value })
    }

    /// Whether the rule is about the held rate.
    pub fn is_held(&self) -> bool {
        self.metric == Metric::Held
    }

    /// Judges the rule on what it names.
    pub fn judge(&self, sample: Option<&Sample<'_>>) -> Judgement {
        let actual = sample.and_then(|sample| self.metric.measure(sample));
        Judgement {
            rule: self.text.clone(),
            passed: actual.is_some_and(|a| self.comparison.holds(a, self.value)),
            actual,
            shown: actual.map_or_else(|| "no samples".to_string(), |a| self.metric.show(a)),
        }
    }
}

impl fmt::Display for Threshold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

type Subject<'a> = (Option<String>, Option<String>, &'a str);

/// Cuts `group.phase.metric`; a percentile may contain a dot itself (`p99.9`), so names are taken
/// from the front only while they are known.
fn split_subject<'a>(
    subject: &'a str,
    groups: &[&str],
    phases: &[&str],
) -> Result<Subject<'a>, String> {
    let mut rest = subject;
    let mut take = |known: &[&str]| {
        let (head, tail) = rest.split_once('.')?;
        known.contains(&head).then(|| {
            rest = tail;
            head.to_string()
        })
    };
    let group = take(groups);
    let phase = take(phases);
    if let Some((head, _)) = rest.split_once('.')
        && Metric::parse(head).is_err()
    {
        return Err(format!(
            "`{head}` is neither a group ({}) nor a phase ({}) of this scenario",
            groups.join(", "),
            phases.join(", ")
        ));
    }
    Ok((group, phase, rest))
}
