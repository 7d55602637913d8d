//! The Prometheus text format, as far as samples go.

use std::collections::BTreeSet;

/// One sample of a page.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample<'a> {
    /// Name and labels as they stand in the page.
    pub series: &'a str,
    /// The name alone.
    pub name: &'a str,
    /// Its value.
    pub value: f64,
    /// Whether it only grows.
    pub is_counter: bool,
}

/// The samples of a page in its order; lines that are none are left out.
pub fn samples(page: &str) -> Vec<Sample<'_>> {
    let typed = |line: &'_ str| -> Option<String> {
        let (name, kind) = line.strip_prefix("# TYPE ")?.split_once(' ')?;
        (kind.trim() == "counter").then(|| name.to_string())
    };
    let counters: BTreeSet<String> = page.lines().filter_map(typed).collect();
    let lines = page.lines().map(str::trim).filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| sample(line, &counters)).collect()
}

fn sample<'a>(line: &'a str, counters: &BTreeSet<String>) -> Option<Sample<'a>> {
    // Labels may hold blanks; values and times hold no brace.
    let end = line.rfind('}').map_or_else(|| line.find(char::is_whitespace), |at| Some(at + 1))?;
    let (series, rest) = line.split_at(end);
    let value = rest.split_whitespace().next()?.parse().ok()?;
    let name = series.split('{').next()?;
    let of_histogram = ["_total", "_count", "_sum", "_bucket"];
    let is_counter = counters.contains(name) || of_histogram.iter().any(|end| name.ends_with(end));
    Some(Sample { series, name, value, is_counter })
}
