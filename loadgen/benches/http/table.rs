//! What was measured, as a table and as JSON.
//!
//! The first row is the peer: ratios are to its sample of the same round.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::load::{FixedRate, FullLoad, Load};

/// Share of its thread from which on the load counts as used up, and share of a processor up to
/// which the server then counts as waiting for it.
const LOAD_BUSY_MIN: f64 = 0.9;
const SERVER_BUSY_MAX: f64 = 0.9;
/// Share of a processor that server or load has at full load where no other program runs.
const UNDISTURBED_BUSY_MIN: f64 = 0.8;

/// One server in one round.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// At full load.
    pub full: FullLoad,
    /// At the fixed rate.
    pub fixed: FixedRate,
    /// Resident memory after both.
    pub resident_mib: f64,
    /// The most there was.
    pub resident_max_mib: f64,
}

/// One server in all rounds.
#[derive(Clone, Debug)]
pub struct Row {
    /// Its name.
    pub name: String,
    /// A sample for each round.
    pub samples: Vec<Sample>,
}

type Figure = (&'static str, fn(&Sample) -> f64);

/// Every figure of a sample, with its name in JSON.
const FIGURES: &[Figure] = &[
    ("full_cpu_us", |sample| sample.full.cpu_us),
    ("full_requests_per_s", |sample| sample.full.requests_per_s),
    ("full_server_busy", |sample| sample.full.server_busy),
    ("full_load_busy", |sample| sample.full.load_busy),
    ("fixed_cpu_us", |sample| sample.fixed.cpu_us),
    ("fixed_p50_us", |sample| sample.fixed.p50_us),
    ("fixed_p99_us", |sample| sample.fixed.p99_us),
    ("resident_mib", |sample| sample.resident_mib),
    ("resident_max_mib", |sample| sample.resident_max_mib),
];

impl Row {
    /// A row without samples.
    pub fn new(name: &str) -> Row {
        Row { name: name.to_owned(), samples: Vec::new() }
    }

    fn median(&self, figure: fn(&Sample) -> f64) -> f64 {
        median(self.samples.iter().map(figure).collect())
    }

    /// The median of this row's figure through the peer's in the same round.
    fn ratio(&self, peer: &Row, figure: fn(&Sample) -> f64) -> f64 {
        let rounds = self.samples.iter().zip(&peer.samples);
        median(rounds.map(|(ours, peers)| figure(ours) / figure(peers)).collect())
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 {
        values[middle]
    } else {
        f64::midpoint(values[middle - 1], values[middle])
    }
}

/// The table, and a line for each row whose requests per second are those of the load.
pub fn text(rows: &[Row], load: Load) -> String {
    let mut text = format!(
        "{} connections of {} streams; {} s of full load, {} s at {} requests/s; {} rounds\n",
        load.connections,
        load.streams,
        load.duration.as_secs(),
        load.duration.as_secs(),
        load.rate,
        rows[0].samples.len(),
    );
    let heads =
        ["CPU us", "ratio", "req/s", "ratio", "busy", "CPU us", "ratio", "p50 us", "p99 us"];
    let mut line = |name: &str, cells: &[String]| {
        let _ = write!(text, "{name:<18}");
        for cell in cells {
            let _ = write!(text, " {cell:>9}");
        }
        text.push('\n');
    };
    let empty = String::new();
    line("", &[vec!["full".to_owned()], vec![empty; 4], vec!["fixed".to_owned()]].concat());
    let resident = ["RSS MiB", "peak MiB"];
    line("server", &heads.iter().chain(&resident).map(|s| (*s).to_owned()).collect::<Vec<_>>());
    let peer = &rows[0];
    for row in rows {
        let busy = (row.median(|s| s.full.server_busy), row.median(|s| s.full.load_busy));
        line(
            &row.name,
            &[
                format!("{:.2}", row.median(|s| s.full.cpu_us)),
                format!("{:.2}", row.ratio(peer, |s| s.full.cpu_us)),
                format!("{:.0}", row.median(|s| s.full.requests_per_s)),
                format!("{:.2}", row.ratio(peer, |s| s.full.requests_per_s)),
                format!("{:.0}+{:.0}%", busy.0 * 100.0, busy.1 * 100.0),
                format!("{:.2}", row.median(|s| s.fixed.cpu_us)),
                format!("{:.2}", row.ratio(peer, |s| s.fixed.cpu_us)),
                format!("{:.0}", row.median(|s| s.fixed.p50_us)),
                format!("{:.0}", row.median(|s| s.fixed.p99_us)),
                format!("{:.1}", row.median(|s| s.resident_mib)),
                format!("{:.1}", row.median(|s| s.resident_max_mib)),
            ],
        );
    }
    let limited: Vec<&str> =
        rows.iter().filter(|row| is_limited_by_load(row)).map(|row| row.name.as_str()).collect();
    if !limited.is_empty() {
        let _ = writeln!(
            text,
            "the load is the bottleneck of: {}; their requests/s are at most what the load sends",
            limited.join(" ")
        );
    }
    if rows.iter().any(is_disturbed) {
        text.push_str(
            "other programs used the processors: requests/s and latency are not those of a quiet \
             computer, ratios of CPU time are\n",
        );
    }
    text
}

/// Whether neither server nor load had a processor of its own at full load.
fn is_disturbed(row: &Row) -> bool {
    row.median(|s| s.full.server_busy) < UNDISTURBED_BUSY_MIN
        && row.median(|s| s.full.load_busy) < UNDISTURBED_BUSY_MIN
}

/// Whether the load had used up its thread while the server still had time.
fn is_limited_by_load(row: &Row) -> bool {
    row.median(|s| s.full.load_busy) >= LOAD_BUSY_MIN
        && row.median(|s| s.full.server_busy) < SERVER_BUSY_MAX
}

/// Everything: samples, medians and ratios.
pub fn json(rows: &[Row], load: Load) -> Value {
    let figures = |value: &dyn Fn(fn(&Sample) -> f64) -> f64| -> Value {
        FIGURES.iter().map(|(name, figure)| ((*name).to_owned(), json!(value(*figure)))).collect()
    };
    let rows_json: Vec<Value> = rows
        .iter()
        .map(|row| {
            let samples: Vec<Value> =
                row.samples.iter().map(|sample| figures(&|figure| figure(sample))).collect();
            json!({
                "name": row.name,
                "limited_by_load": is_limited_by_load(row),
                "medians": figures(&|figure| row.median(figure)),
                "ratios": figures(&|figure| row.ratio(&rows[0], figure)),
                "samples": samples,
            })
        })
        .collect();
    json!({
        "schema": "valk-bench-http",
        "version": 1,
        "processors": std::thread::available_parallelism().map_or(0, std::num::NonZero::get),
        "rounds": rows[0].samples.len(),
        "connections": load.connections,
        "streams": load.streams,
        "seconds": load.duration.as_secs(),
        "rate": load.rate,
        "rows": rows_json,
    })
}
