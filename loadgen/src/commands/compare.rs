//! `valk-load compare`: two targets measured in turns, and how sure their difference is.
//!
//! 1. Each round measures both, the first one alternating, so that what else the machine does meets
//!    both alike. The ratio of a round is one sample.
//! 2. The answer is the median of the ratios with a 95 % interval by the bootstrap: medians of many
//!    samples drawn with replacement. An interval that holds 1 is no difference.
//! 3. CPU time for each request is steadier than rates and latencies on a machine that is shared; it
//!    needs the servers' processes.

use std::io::Write;
use std::time::Duration;

use super::measurement::{Measurement, duration_option, steady};
use crate::command_line::CompareArgs;
use crate::error::LoadError;
use crate::interrupt::Interrupt;
use crate::recording::cpu_time::cpu_time_of;
use crate::schedule::arrivals::SplitMix64;

/// Samples of the bootstrap.
const RESAMPLES: usize = 2_000;

/// A ratio and how sure it is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ratio {
    /// The median.
    pub median: f64,
    /// Lower end of the interval.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

impl Ratio {
    /// Median and interval of some ratios; nothing without any.
    pub fn of(ratios: &[f64], seed: u64) -> Option<Ratio> {
        if ratios.is_empty() {
            return None;
        }
        let mut random = SplitMix64::new(seed, 0);
        let mut medians: Vec<f64> = (0..RESAMPLES)
            .map(|_| {
                let draw = |_| ratios[(random.next_u64() % ratios.len() as u64) as usize];
                median((0..ratios.len()).map(draw).collect())
            })
            .collect();
        medians.sort_by(f64::total_cmp);
        let at = |share: f64| medians[((RESAMPLES - 1) as f64 * share).round() as usize];
        Some(Ratio { median: median(ratios.to_vec()), low: at(0.025), high: at(0.975) })
    }

    fn show(self) -> String {
        let word = if self.low > 1.0 {
            "B is higher"
        } else if self.high < 1.0 {
            "B is lower"
        } else {
            "no difference is shown"
        };
        format!("{:.3} ({:.3} to {:.3})  {word}", self.median, self.low, self.high)
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

/// What one side did in one round.
struct Side {
    measurement: Measurement,
    cpu_us: Option<f64>,
}

/// Runs the command.
///
/// # Errors
/// As `run`.
pub fn run(
    args: &CompareArgs,
    interrupt: &Interrupt,
    out: &mut dyn Write,
) -> Result<u8, LoadError> {
    if !(2..=1_000).contains(&args.rounds) {
        return Err(LoadError::usage(format!("--rounds {} is outside 2 to 1000", args.rounds)));
    }
    let mut rounds: Vec<[Side; 2]> = Vec::new();
    for round in 0..args.rounds {
        let one = |is_b: bool| {
            let (target, pid) = if is_b { (&args.b, args.pid_b) } else { (&args.a, args.pid_a) };
            side(target, pid, args.duration, &args.run, interrupt)
        };
        let pair = if round % 2 == 0 {
            let a = one(false)?;
            [a, one(true)?]
        } else {
            let b = one(true)?;
            [one(false)?, b]
        };
        if pair.iter().any(|side| side.measurement.interrupted) {
            return Err(LoadError::Interrupted);
        }
        for (side, name) in pair.iter().zip(["A", "B"]) {
            if let Some(why) = &side.measurement.invalid {
                writeln!(out, "round {}: {name} is not counted: {why}", round + 1)?;
            }
        }
        if pair.iter().all(|side| side.measurement.invalid.is_none()) {
            rounds.push(pair);
        }
    }
    let ratios = |pick: fn(&Side) -> Option<f64>| -> Vec<f64> {
        rounds
            .iter()
            .filter_map(|[a, b]| Some(pick(b)? / pick(a)?))
            .filter(|ratio| ratio.is_finite())
            .collect()
    };
    writeln!(out, "B / A, median of {} rounds, 95 % interval", rounds.len())?;
    let mut shown = 0;
    for (name, ratios) in [
        ("p50", ratios(|s| s.measurement.percentiles_us.map(|(p50, _)| p50 as f64))),
        ("p99", ratios(|s| s.measurement.percentiles_us.map(|(_, p99)| p99 as f64))),
        ("answers per second", ratios(|s| Some(s.measurement.rps))),
        ("CPU time per answer", ratios(|s| s.cpu_us)),
    ] {
        if let Some(ratio) = Ratio::of(&ratios, 1) {
            writeln!(out, "{name:<20} {}", ratio.show())?;
            shown += 1;
        }
    }
    Ok(u8::from(shown == 0))
}

fn side(
    target: &str,
    pid: Option<u32>,
    duration: Duration,
    more: &[String],
    interrupt: &Interrupt,
) -> Result<Side, LoadError> {
    let cpu = || match pid {
        None => Ok(None),
        Some(pid) => cpu_time_of(pid)
            .map(Some)
            .ok_or_else(|| LoadError::usage(format!("there is no process {pid} to watch"))),
    };
    let before = cpu()?;
    let measurement = steady(target, &[duration_option(duration)], more, interrupt)?;
    let used = cpu()?.zip(before).map(|(after, before)| after.saturating_sub(before));
    let answers = measurement.ok.max(1) as f64;
    Ok(Side { cpu_us: used.map(|used| used.as_secs_f64() * 1e6 / answers), measurement })
}
