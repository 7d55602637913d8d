//! The text format of Prometheus, version 0.0.4.
//!
//! 1. All series of a name stand together, after one `# HELP` and one `# TYPE` line. A name that
//!    exists in two kinds is one family, of the first kind.
//! 2. Names and label names have only the characters that the format permits; others become `_`.
//! 3. `\`, `"` and line feeds are escaped in label values, `\` and line feeds in help texts.

use crate::registry::{Identity, Registry};
use std::fmt::Write;

/// Lines of one name.
struct Family {
    name: String,
    header: String,
    lines: String,
}

/// Families in the order in which they were first seen.
#[derive(Default)]
struct Families(Vec<Family>);

impl Families {
    /// Where lines of a series go.
    fn lines(&mut self, name: &str, kind: &str, help: &str) -> &mut String {
        let at = self.0.iter().position(|family| family.name == name).unwrap_or_else(|| {
            let header = header(name, kind, help);
            self.0.push(Family { name: name.to_string(), header, lines: String::new() });
            self.0.len() - 1
        });
        &mut self.0[at].lines
    }
}

/// The two lines before the samples of a family.
pub(crate) fn header(name: &str, kind: &str, help: &str) -> String {
    let help = help.replace('\\', "\\\\").replace('\n', "\\n");
    format!("# HELP {name} {help}\n# TYPE {name} {kind}\n")
}

/// A name of a metric or label as the format permits it.
fn sanitized(name: &str, permits_colon: bool) -> String {
    let permitted = |at: usize, character: char| {
        character.is_ascii_alphabetic()
            || character == '_'
            || (character == ':' && permits_colon)
            || (character.is_ascii_digit() && at > 0)
    };
    let sanitize = |(at, character)| if permitted(at, character) { character } else { '_' };
    let name: String = name.chars().enumerate().map(sanitize).collect();
    if name.is_empty() { "_".to_string() } else { name }
}

/// `{name="value",…}` of a series and an additional label; nothing when there is no label.
fn labels(identity: &Identity, additional: Option<(&str, &str)>) -> String {
    let own = identity.labels.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let labels: Vec<String> = own
        .chain(additional)
        .map(|(name, value)| {
            let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            format!("{}=\"{value}\"", sanitized(name, false))
        })
        .collect();
    if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) }
}

/// Microseconds as the shortest decimal number of seconds.
fn shortest_seconds(microseconds: u64) -> String {
    let text = seconds(microseconds);
    text.trim_end_matches('0').trim_end_matches('.').to_string()
}

/// Microseconds as seconds with six decimals.
pub(crate) fn seconds(microseconds: u64) -> String {
    format!("{}.{:06}", microseconds / 1_000_000, microseconds % 1_000_000)
}

impl Registry {
    /// All series as text.
    pub fn to_prometheus(&self) -> String {
        self.to_prometheus_of(|_| true)
    }

    /// The series whose names `is_shown` accepts, as text.
    pub fn to_prometheus_of(&self, is_shown: impl Fn(&str) -> bool) -> String {
        let mut registered = self.registered();
        registered.counters.retain(|series| is_shown(&series.identity.name));
        registered.gauges.retain(|series| is_shown(&series.identity.name));
        registered.histograms.retain(|series| is_shown(&series.identity.name));
        let mut families = Families::default();
        // Writing to memory does not fail.
        for series in &registered.counters {
            let name = sanitized(&series.identity.name, true);
            let lines = families.lines(&name, "counter", &series.help);
            let labels = labels(&series.identity, None);
            let _ = writeln!(lines, "{name}{labels} {}", series.cell.get());
        }
        for series in &registered.gauges {
            let name = sanitized(&series.identity.name, true);
            let lines = families.lines(&name, "gauge", &series.help);
            let labels = labels(&series.identity, None);
            let _ = writeln!(lines, "{name}{labels} {}", series.cell.get());
        }
        for series in &registered.histograms {
            let name = sanitized(&series.identity.name, true);
            let lines = families.lines(&name, "histogram", &series.help);
            let counts = series.cell.cumulative();
            let bounds = series.cell.bounds_us().iter().map(|bound| shortest_seconds(*bound));
            for (bound, count) in bounds.chain(["+Inf".to_string()]).zip(&counts) {
                let labels = labels(&series.identity, Some(("le", &bound)));
                let _ = writeln!(lines, "{name}_bucket{labels} {count}");
            }
            let labels = labels(&series.identity, None);
            let _ = writeln!(lines, "{name}_sum{labels} {}", seconds(series.cell.sum_us()));
            let count = counts.last().copied().unwrap_or(0);
            let _ = writeln!(lines, "{name}_count{labels} {count}");
        }
        families.0.iter().map(|family| [family.header.as_str(), &family.lines].concat()).collect()
    }
}
