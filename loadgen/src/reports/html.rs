//! The report as one HTML file: no script, no outside file, fit to be attached and printed.

use std::fmt::Write as _;

use super::charts::{Chart, Scale, Series, escape, legend, svg};
use super::json::rfc3339;
use super::report::{PERCENTILES, Report};
use super::table;
use crate::recording::counts::GroupResult;
use crate::server_metrics::scraper::ServerSeries;

const STYLE: &str = "body{font:15px/1.45 system-ui,sans-serif;max-width:60rem;margin:2rem auto;\
padding:0 1rem;color:#1d1d1f}h1{font-size:1.5rem}h2{font-size:1.1rem;margin-top:2rem}\
pre{overflow-x:auto;background:#f5f5f7;padding:1rem;font-size:12px}svg{width:100%;height:auto}\
svg text{font:11px system-ui,sans-serif;fill:#444}.end{text-anchor:end}.mid{text-anchor:middle}\
.grid{stroke:#ddd}.legend span{margin-right:1.2rem;white-space:nowrap}.legend i{display:inline-block;\
width:.9em;height:.9em;margin-right:.35em;vertical-align:-.1em}.verdict{display:inline-block;\
padding:.2rem .7rem;border-radius:.4rem;font-weight:600;margin-right:.6rem;border:2px solid}\
.good{background:#e4f5ea;border-color:#1b8a4b}.bad{background:#fde8ec;border-color:#a8123e}\
dt{font-weight:600}dd{margin:0 0 .5rem 0}";

/// What the words of a report mean; `explain` prints the same.
pub const WORDS: &[(&str, &str)] = &[
    ("offered", "requests that came due"),
    ("ok", "requests answered completely and well"),
    ("ok/s", "answers that came in that time, divided by it; late ones are in no rate"),
    ("errors", "requests that failed, by what happened"),
    (
        "p50 to p99.9",
        "so many percent of the answers took at most this long, from the time when the \
      request was due to the last byte",
    ),
    (
        "own lag",
        "how late the generator itself noticed that a request was due: part of the latency, \
      and not the server's",
    ),
    (
        "held",
        "the share of the offered rate that was answered in the second half of the schedule; \
      below 100 % a backlog grows",
    ),
    ("late", "answers that came after the schedule"),
    ("measurement", "whether the numbers can be trusted"),
    ("result", "whether the rules hold"),
];

/// The whole file.
pub fn text(report: &Report<'_>) -> String {
    let options = report.options;
    let title = format!("{} against {}", options.scenario.name, options.target.base);
    let started = report.result.started.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let badge = |name: &str, word: &str, good: bool| {
        let class = if good { "good" } else { "bad" };
        format!("<span class=\"verdict {class}\">{name}: {word}</span>")
    };
    let mut html = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>{title}</title>\
         <style>{STYLE}</style></head><body>\n<h1>{title}</h1>\n<p>{}{}</p>\n\
         <p>{}, valk-load {}</p>\n",
        badge("measurement", report.measurement(), report.invalid.is_empty()),
        badge("result", report.verdict(), report.passed()),
        rfc3339(started.as_millis() as u64),
        env!("CARGO_PKG_VERSION"),
        title = escape(&title),
    );
    let mut table_text = Vec::new();
    table::write(report, &mut table_text).expect("writing to memory cannot fail");
    writeln!(html, "<pre>{}</pre>", escape_lines(&String::from_utf8_lossy(&table_text)))
        .expect("a string takes all text");
    for chart in charts(report) {
        write!(html, "<h2>{}</h2>\n{}{}", escape(&chart.title), svg(&chart), legend(&chart))
            .expect("a string takes all text");
    }
    html += "<h2>Words</h2>\n<dl>";
    for (word, meaning) in WORDS {
        write!(html, "<dt>{}</dt><dd>{}</dd>", escape(word), escape(meaning))
            .expect("a string takes all text");
    }
    html += "</dl>\n</body></html>\n";
    html
}

fn escape_lines(text: &str) -> String {
    text.lines().map(escape).collect::<Vec<_>>().join("\n")
}

fn charts(report: &Report<'_>) -> Vec<Chart> {
    let groups = || report.result.groups.iter().filter(|g| !g.seconds.is_empty());
    let mut charts = vec![rates(groups())];
    for group in groups() {
        charts.push(latency_over_time(group));
    }
    charts.push(spectrum(groups()));
    if let Some(group) = groups().next() {
        charts.push(distribution(group));
    }
    let series = report.result.scraped.series.iter();
    charts.extend(series.filter(|s| !s.points().is_empty()).map(server_series));
    charts
}

/// What the server said of itself, on the time axis of the run.
fn server_series(series: &ServerSeries) -> Chart {
    let growth = if series.is_counter { ", growth per second" } else { "" };
    Chart {
        title: format!("Server: {}{growth}", series.series),
        x_label: "seconds".to_string(),
        y_label: if series.is_counter { "per second" } else { "value" }.to_string(),
        scale: Scale::Linear,
        bars: false,
        x_marks: Vec::new(),
        series: vec![Series { name: series.series.clone(), points: series.points() }],
    }
}

fn rates<'a>(groups: impl Iterator<Item = &'a GroupResult>) -> Chart {
    let mut series = Vec::new();
    for group in groups {
        let name = group.name;
        let mut line = |what: &str, pick: fn(&crate::recording::seconds::SecondRow) -> u64| {
            let points: Vec<(f64, f64)> =
                group.seconds.iter().map(|row| (row.second as f64, pick(row) as f64)).collect();
            series.push(Series { name: format!("{name} {what}"), points });
        };
        line("offered", |row| row.offered);
        line("answered", |row| row.ok);
        if group.seconds.iter().any(|row| row.errors > 0) {
            line("errors", |row| row.errors);
        }
    }
    Chart {
        title: "Requests per second".to_string(),
        x_label: "seconds".to_string(),
        y_label: "per second".to_string(),
        scale: Scale::Linear,
        bars: false,
        x_marks: Vec::new(),
        series,
    }
}

fn latency_over_time(group: &GroupResult) -> Chart {
    let mut series: Vec<Series> = PERCENTILES
        .iter()
        .map(|(name, _)| Series { name: name.replace('_', "."), points: Vec::new() })
        .collect();
    for row in group.seconds.iter().filter(|row| row.ok > 0) {
        let latencies = row.latencies();
        for (line, (_, percentile)) in series.iter_mut().zip(PERCENTILES) {
            let value = latencies.value_at_percentile(percentile) as f64;
            line.points.push((row.second as f64, value));
        }
    }
    Chart {
        title: format!("Latency of {} over time", group.name),
        x_label: "seconds".to_string(),
        y_label: "microseconds".to_string(),
        scale: Scale::Logarithmic,
        bars: false,
        x_marks: Vec::new(),
        series,
    }
}

/// Latency by percentile, where each further nine has the same length.
fn spectrum<'a>(groups: impl Iterator<Item = &'a GroupResult>) -> Chart {
    const NINES: f64 = 5.0;
    const STEPS: u32 = 100;
    let line = |group: &GroupResult| {
        let latency = group.total().latencies.total;
        let points = (0..=STEPS)
            .map(|step| NINES * f64::from(step) / f64::from(STEPS))
            .filter(|nines| latency.len() as f64 >= 10_f64.powf(*nines))
            .map(|nines| {
                let percentile = 100.0 * (1.0 - 10_f64.powf(-nines));
                (nines, latency.value_at_percentile(percentile) as f64)
            })
            .collect();
        Series { name: group.name.to_string(), points }
    };
    let marks = [
        (0.0, "0"),
        (0.301, "50"),
        (1.0, "90"),
        (2.0, "99"),
        (3.0, "99.9"),
        (4.0, "99.99"),
        (5.0, "99.999"),
    ];
    let series: Vec<Series> = groups.map(line).collect();
    let last = series.iter().flat_map(|s| &s.points).map(|p| p.0).fold(1.0, f64::max);
    Chart {
        title: "Latency by percentile".to_string(),
        x_label: "percent of the answers".to_string(),
        y_label: "microseconds".to_string(),
        scale: Scale::Logarithmic,
        bars: false,
        x_marks: marks
            .iter()
            .filter(|(at, _)| *at <= last)
            .map(|(at, text)| (*at, (*text).to_string()))
            .collect(),
        series,
    }
}

/// How many answers took how long: bars over powers of two.
fn distribution(group: &GroupResult) -> Chart {
    let counted = group.total().latencies.total;
    let mut bars: Vec<(f64, f64)> = Vec::new();
    let mut low = 1;
    for power in 0..32_u32 {
        let high = (1_u64 << (power + 1)) - 1;
        let count = counted.count_between(low, high);
        bars.push((f64::from(power), count as f64));
        low = high + 1;
    }
    let first = bars.iter().position(|bar| bar.1 > 0.0).unwrap_or(0);
    let last = bars.iter().rposition(|bar| bar.1 > 0.0).unwrap_or(0);
    let bars = bars[first..=last].to_vec();
    let marks = bars
        .iter()
        .map(|(power, _)| (*power, format!("<{}", crate::quantity::show_us(2 << *power as u64))))
        .collect();
    Chart {
        title: format!("Distribution of {}", group.name),
        x_label: "latency".to_string(),
        y_label: "answers".to_string(),
        scale: Scale::Linear,
        bars: true,
        x_marks: marks,
        series: vec![Series { name: group.name.to_string(), points: bars }],
    }
}
