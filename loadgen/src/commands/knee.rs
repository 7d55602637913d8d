//! `valk-load knee`: the highest rate at which the p99 stays within a bound.
//!
//! The rate doubles until a step fails, then the interval between the last good and the first bad one
//! is halved until it is small. A step is good if its p99 is within the bound, the rate is held and
//! less than one request in a hundred fails.

use std::io::Write;

use super::measurement::{Measurement, duration_option, steady};
use crate::command_line::KneeArgs;
use crate::error::LoadError;
use crate::interrupt::Interrupt;
use crate::limits::MAX_RATE;
use crate::quantity::{show_rate, show_us, whole_us};

/// The search ends when bad and good rate differ by no more than this factor.
const PRECISION: f64 = 1.03;

/// Where the limit is, by steps that somebody else makes.
///
/// # Errors
/// Those of a step.
pub fn search<E>(
    from: f64,
    to: f64,
    mut is_good: impl FnMut(f64) -> Result<bool, E>,
) -> Result<(Option<f64>, Option<f64>), E> {
    let (mut good, mut bad) = (None, None);
    let mut rate = from;
    while bad.is_none() && good != Some(to) {
        if is_good(rate)? {
            good = Some(rate);
            rate = (rate * 2.0).min(to);
        } else {
            bad = Some(rate);
        }
    }
    while let (Some(low), Some(high)) = (good, bad)
        && high / low > PRECISION
    {
        let middle = (low * high).sqrt();
        if is_good(middle)? {
            good = Some(middle);
        } else {
            bad = Some(middle);
        }
    }
    Ok((good, bad))
}

/// Runs the command.
///
/// # Errors
/// As `run`.
pub fn run(args: &KneeArgs, interrupt: &Interrupt, out: &mut dyn Write) -> Result<u8, LoadError> {
    let to = args.to.min(MAX_RATE);
    if !(0.1..to).contains(&args.from) {
        return Err(LoadError::usage(format!(
            "--from {} is not between 0.1/s and --to {}",
            show_rate(args.from),
            show_rate(to)
        )));
    }
    let bound_us = whole_us(args.p99);
    let mut interrupted = false;
    let (good, bad) = search(args.from, to, |rate| {
        if interrupted {
            return Ok(false);
        }
        let options = [format!("--rate={rate}"), duration_option(args.step)];
        let step = steady(&args.target, &options, &args.run, interrupt)?;
        interrupted |= step.interrupted;
        let why = reason(&step, bound_us);
        let p99 = step.percentiles_us.map_or_else(|| "-".to_string(), |(_, p99)| show_us(p99));
        let word = why.as_deref().unwrap_or("good");
        writeln!(out, "{:>12}  p99 {p99:>9}  {word}", show_rate(rate.round()))?;
        Ok::<bool, LoadError>(why.is_none())
    })?;
    if interrupted {
        return Err(LoadError::Interrupted);
    }
    let bound = show_us(bound_us);
    match (good, bad) {
        (Some(good), Some(_)) => {
            writeln!(out, "knee: {} with p99 within {bound}", show_rate(good.round()))?;
            Ok(0)
        }
        (Some(good), None) => {
            writeln!(out, "knee: above {}: give a higher --to", show_rate(good))?;
            Ok(0)
        }
        (None, _) => {
            let from = show_rate(args.from);
            writeln!(out, "knee: below {from}: p99 is not within {bound} at the first step")?;
            Ok(1)
        }
    }
}

/// Why a step is bad.
fn reason(step: &Measurement, bound_us: u64) -> Option<String> {
    match step.percentiles_us {
        _ if step.invalid.is_some() => step.invalid.clone(),
        None => Some("no answer".to_string()),
        Some((_, p99)) if p99 > bound_us => Some("over the bound".to_string()),
        _ if !step.passed => Some("not held, or with errors".to_string()),
        _ => None,
    }
}
