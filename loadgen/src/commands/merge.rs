//! `valk-load merge`: the sums of the latencies of several runs, as of the parts of one load that was
//! divided between machines.

use std::io::Write;

use hdrhistogram::Histogram;

use crate::command_line::MergeArgs;
use crate::error::LoadError;
use crate::quantity::show_us;
use crate::reports::files::ReportFile;
use crate::reports::hdr_log;
use crate::reports::report::PERCENTILES;

/// Runs the command.
///
/// # Errors
/// If a log cannot be read or the file cannot be written.
pub fn run(args: &MergeArgs, out: &mut dyn Write) -> Result<u8, LoadError> {
    let file = args.hdr.as_deref().map(ReportFile::open).transpose()?;
    let mut sums: Vec<(String, Histogram<u64>)> = Vec::new();
    for path in &args.logs {
        let text = std::fs::read(path).map_err(|cause| LoadError::File {
            path: path.clone(),
            action: "read",
            cause,
        })?;
        let groups =
            hdr_log::read(&text).map_err(|why| LoadError::usage(format!("{path}: {why}")))?;
        for (name, one) in groups {
            match sums.iter_mut().find(|(known, _)| *known == name) {
                Some((_, sum)) => sum
                    .add(&one)
                    .map_err(|error| LoadError::usage(format!("{path}: `{name}`: {error}")))?,
                None => sums.push((name, one)),
            }
        }
    }
    if file.as_ref().is_none_or(|file| !file.is_standard_output()) {
        writeln!(
            out,
            "{:<20} {:>9}  {:>9} {:>9} {:>9} {:>9} {:>9}",
            "group", "ok", "p50", "p90", "p99", "p99.9", "max"
        )?;
        for (name, sum) in &sums {
            write!(out, "{name:<20} {:>9} ", sum.len())?;
            for (_, percentile) in PERCENTILES {
                write!(out, " {:>9}", show_us(sum.value_at_percentile(percentile)))?;
            }
            writeln!(out, " {:>9}", show_us(sum.max()))?;
        }
    }
    if let Some(file) = file {
        file.write(&hdr_log::log_of(&sums), out)?;
    }
    Ok(0)
}
