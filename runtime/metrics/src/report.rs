//! Numbers that are counted elsewhere and reported when they are read.
//!
//! A [`Sample`] names a number once for all three forms: its group and name in JSON, its names in
//! the compact JSON, and its family in Prometheus text. Each form but the first may leave it out.

use crate::exposition::{header, seconds};
use serde_json::{Map, Value as Json, json};

/// Reports numbers of its own.
pub trait Reporter {
    /// Adds the numbers as they are now.
    fn report(&self, report: &mut Report);
}

/// Whether a number only grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It only grows.
    Counter,
    /// It goes up and down.
    Gauge,
}

/// A number with its unit, so that each form can print its own.
#[derive(Debug, Clone, PartialEq)]
pub enum Number {
    /// A count or a number of bytes.
    Count(u64),
    /// A duration: microseconds in JSON, seconds in text.
    Microseconds(u64),
    /// A part of a whole: percent in JSON, a ratio in text.
    Part {
        /// The part.
        part: u64,
        /// The whole.
        whole: u64,
    },
    /// A number with three decimals; only in JSON.
    Decimal(f64),
    /// Named numbers; only in JSON.
    Fields(Vec<(&'static str, u64)>),
    /// A list of named numbers; only in JSON.
    Rows(Vec<Vec<(&'static str, u64)>>),
}

impl Number {
    fn json(&self, decimals: i32) -> Json {
        match self {
            Number::Count(number) | Number::Microseconds(number) => json!(number),
            Number::Part { part, whole } => {
                let unit = 10_f64.powi(decimals);
                let percent = *part as f64 / (*whole).max(1) as f64 * 100.0;
                json!((percent * unit).round() / unit)
            }
            Number::Decimal(number) => json!((number * 1000.0).round() / 1000.0),
            Number::Fields(fields) => object(fields),
            Number::Rows(rows) => rows.iter().map(|fields| object(fields)).collect(),
        }
    }

    fn text(&self) -> Option<String> {
        match self {
            Number::Count(number) => Some(number.to_string()),
            Number::Microseconds(number) => Some(seconds(*number)),
            Number::Part { part, whole } => {
                Some(format!("{:.6}", *part as f64 / (*whole).max(1) as f64))
            }
            Number::Decimal(_) | Number::Fields(_) | Number::Rows(_) => None,
        }
    }
}

/// A number and its names.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    group: &'static str,
    name: &'static str,
    number: Number,
    compact: Option<(&'static str, &'static str)>,
    exposition: Option<(&'static str, Kind, &'static str)>,
}

impl Sample {
    /// A number with its group and name in JSON.
    pub fn new(group: &'static str, name: &'static str, number: Number) -> Sample {
        Sample { group, name, number, compact: None, exposition: None }
    }

    /// A count.
    pub fn count(group: &'static str, name: &'static str, count: u64) -> Sample {
        Sample::new(group, name, Number::Count(count))
    }

    /// The same, also in the compact JSON.
    #[must_use]
    pub fn compact(self, group: &'static str, name: &'static str) -> Sample {
        Sample { compact: Some((group, name)), ..self }
    }

    /// The same, also a family in text, with this help.
    #[must_use]
    pub fn exposed(self, family: &'static str, kind: Kind, help: &'static str) -> Sample {
        Sample { exposition: Some((family, kind, help)), ..self }
    }
}

/// What reporters have added.
#[derive(Debug, Default)]
pub struct Report {
    samples: Vec<Sample>,
}

impl Report {
    /// What these reporters report, in this order.
    pub fn of(reporters: &[&dyn Reporter]) -> Report {
        let mut report = Report::default();
        for reporter in reporters {
            reporter.report(&mut report);
        }
        report
    }

    /// Adds a number.
    pub fn add(&mut self, sample: Sample) {
        self.samples.push(sample);
    }

    /// All numbers: an object per group. Parts of wholes are percent with two decimals.
    pub fn to_json(&self) -> Json {
        grouped(
            self.samples.iter().map(|sample| ((sample.group, sample.name), sample.number.json(2))),
        )
    }

    /// The numbers that have a compact name. Parts of wholes are percent with one decimal.
    pub fn to_compact_json(&self) -> Json {
        let compact = |sample: &Sample| Some((sample.compact?, sample.number.json(1)));
        grouped(self.samples.iter().filter_map(compact))
    }

    /// The families, with a blank line between them.
    pub fn to_prometheus(&self) -> String {
        let family = |sample: &Sample| {
            let (name, kind, help) = sample.exposition?;
            let kind = if kind == Kind::Counter { "counter" } else { "gauge" };
            Some(format!("{}{name} {}\n", header(name, kind, help), sample.number.text()?))
        };
        let families: Vec<String> = self.samples.iter().filter_map(family).collect();
        families.join("\n")
    }
}

/// Named numbers as an object.
fn object(fields: &[(&'static str, u64)]) -> Json {
    fields.iter().map(|(name, number)| ((*name).to_string(), json!(number))).collect()
}

/// Numbers as an object of objects.
fn grouped<'n>(numbers: impl Iterator<Item = ((&'n str, &'n str), Json)>) -> Json {
    let mut groups = Map::new();
    for ((group, name), number) in numbers {
        groups.entry(group).or_insert_with(|| json!({}))[name] = number;
    }
    Json::Object(groups)
}
