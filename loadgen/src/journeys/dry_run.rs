//! What would be sent: every journey once, with the first values of its variables.

use std::sync::Arc;

use http::header::HeaderName;

use super::journey::{Journey, Journeys, Step};
use crate::options::Options;
use crate::quantity::show_duration;
use crate::schedule::arrivals::SplitMix64;

/// The text for the screen; empty without journeys. Captured values are shown by their names.
pub fn text(options: &Options) -> String {
    let mut out = String::new();
    let Some(journeys) = &options.journeys else { return out };
    let mut random = SplitMix64::new(options.seed, 0);
    for journey in &journeys.journeys {
        let mut values = journeys.values(&mut random);
        for (value, name) in values[journeys.variables.len()..].iter_mut().zip(&journeys.captured) {
            *value = Arc::from(format!("{{{{{name}}}}}"));
        }
        show(options, journeys, journey, &values, &mut out);
    }
    out
}

fn show(
    options: &Options,
    journeys: &Journeys,
    journey: &Journey,
    values: &[Arc<str>],
    out: &mut String,
) {
    let base = &options.target.base;
    let mut line = |text: String| {
        out.push_str(&text);
        out.push('\n');
    };
    line(format!("journey {} (weight {})", journey.name, journey.weight));
    for step in &journeys.steps[journey.steps.clone()] {
        // Names of captured values stay readable.
        let path = step.path.render_path(values).replace("%7B%7B", "{{").replace("%7D%7D", "}}");
        line(format!("  {}: {} {base}{path}", step.name, step.method));
        let own = |name: &HeaderName| step.headers.iter().any(|(other, _)| other == name);
        for (name, value) in options.request.headers.iter().filter(|(name, _)| !own(name)) {
            line(format!("    {name}: {}", String::from_utf8_lossy(value.as_bytes())));
        }
        for (name, text) in &step.headers {
            line(format!("    {name}: {}", text.render(values)));
        }
        let body = step.body.render(values);
        body.lines().for_each(|text| line(format!("    {text}")));
        let after = after(journeys, step);
        if !after.is_empty() {
            line(format!("    -> {after}"));
        }
    }
}

/// What becomes of the answer.
fn after(journeys: &Journeys, step: &Step) -> String {
    let mut parts = Vec::new();
    for status in &step.checks.statuses {
        let (from, to) = (status.start(), status.end());
        parts.push(if from == to {
            format!("status {from}")
        } else {
            format!("status {from}-{to}")
        });
    }
    if let Some(text) = &step.checks.contains {
        parts.push(format!("body contains {:?}", String::from_utf8_lossy(text)));
    }
    if let Some(bytes) = step.checks.bytes {
        parts.push(format!("body has {bytes} bytes"));
    }
    for (number, capture) in &step.captures {
        parts.push(format!("{} = {capture}", journeys.captured[number - journeys.variables.len()]));
    }
    if !step.think.is_zero() {
        parts.push(format!("pause {}", show_duration(step.think)));
    }
    parts.join(", ")
}
