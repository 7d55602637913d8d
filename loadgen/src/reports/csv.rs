//! The seconds of a run as CSV (RFC 4180), one line for each second and group.

use std::fmt::Write as _;

use super::report::{PERCENTILES, Report};

/// The whole file.
pub fn text(report: &Report<'_>) -> String {
    let mut text =
        String::from("second,group,offered,ok,errors,p50_us,p90_us,p99_us,p99_9_us,max_us\n");
    for group in &report.result.groups {
        for row in &group.seconds {
            write!(text, "{},{},{},{},{}", row.second, group.name, row.offered, row.ok, row.errors)
                .expect("writing to a string cannot fail");
            let latencies = row.latencies();
            let values = PERCENTILES
                .iter()
                .map(|(_, percentile)| latencies.value_at_percentile(*percentile))
                .chain([latencies.max()]);
            for value in values {
                text.push(',');
                if !latencies.is_empty() {
                    text += &value.to_string();
                }
            }
            text.push('\n');
        }
    }
    text
}
