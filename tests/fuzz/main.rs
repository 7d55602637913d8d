//! Fuzzing from the command line.
//!
//! ```text
//! valk-fuzz differential|stress|random|reader [--seconds N] [--seed N] [--runs N]
//! ```
//!
//! `differential` compares random programs with the reference evaluator, `stress` does so with a
//! collection at every safepoint, `random` with collections at random ones, `reader` gives arbitrary bytes to reader, printer and compiler.
//! Exit status 1: something failed; 2: wrong arguments; 3: something did not end.

use std::process::ExitCode;
use std::time::{Duration, Instant};
use valk_tests::fuzz::differential::{self, Collections};
use valk_tests::fuzz::{bytes, watchdog};
use valk_tests::program::root;

const USAGE: &str =
    "usage: valk-fuzz differential|stress|random|reader [--seconds N] [--seed N] [--runs N]";

/// What is asked for.
struct Plan {
    target: String,
    seconds: u64,
    seed: Option<u64>,
    runs: u64,
}

fn plan() -> Option<Plan> {
    let mut arguments = std::env::args().skip(1);
    let target = arguments.next()?;
    let mut plan = Plan { target, seconds: 60, seed: None, runs: u64::MAX };
    while let Some(name) = arguments.next() {
        let value = arguments.next()?.parse().ok()?;
        match name.as_str() {
            "--seconds" => plan.seconds = value,
            "--seed" => plan.seed = Some(value),
            "--runs" => plan.runs = value,
            _ => return None,
        }
    }
    Some(plan)
}

/// A seed that differs from run to run, when none is asked for.
fn fresh_seed() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.map_or(0, |now| now.as_nanos() as u64) << 20 >> 20
}

fn compare(plan: &Plan, first: u64, collections: Collections) -> Vec<String> {
    let end = Instant::now() + Duration::from_secs(plan.seconds);
    let more = |tally: &differential::Tally| tally.tried() < plan.runs && Instant::now() < end;
    let tally = differential::campaign(first, collections, more);
    let differential::Tally { compared, endless, open, .. } = tally;
    println!("{compared} programs compared, {endless} did not end, {open} differ as they may");
    tally.failures
}

fn read(plan: &Plan, first: u64) -> Vec<String> {
    // Panics are reported below.
    std::panic::set_hook(Box::new(|_| {}));
    let end = Instant::now() + Duration::from_secs(plan.seconds);
    let corpus = bytes::corpus(&root().join("tests/fuzz/corpus"));
    let mut fuzzer = bytes::Fuzzer::new(corpus);
    let (mut failures, mut inputs) = (Vec::new(), 0);
    while inputs < plan.runs && failures.len() < 5 && Instant::now() < end {
        failures.extend(fuzzer.seed(first.wrapping_add(inputs)).err());
        inputs += 1;
    }
    println!("{inputs} inputs");
    failures
}

fn main() -> ExitCode {
    let Some(plan) = plan() else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    let first = plan.seed.unwrap_or_else(fresh_seed);
    println!("{} from seed {first}", plan.target);
    watchdog::start();
    let failures = match plan.target.as_str() {
        "differential" => compare(&plan, first, Collections::Calm),
        "stress" => compare(&plan, first, Collections::Everywhere),
        "random" => compare(&plan, first, Collections::Random),
        "reader" => read(&plan, first),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    for failure in &failures {
        println!("==== {failure}");
    }
    ExitCode::from(u8::from(!failures.is_empty()))
}
