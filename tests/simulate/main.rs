//! The simulated network from the command line.
//!
//! ```text
//! valk-simulate [--seconds N] [--clients N] [--seed N]
//! ```
//!
//! Runs the scenario of `valk_tests::simulation` twice from one seed, and once from the next one.
//! Exit status 1: two runs of one seed differ, or two seeds give the same run; 2: wrong arguments.

use std::process::ExitCode;
use std::time::{Duration, Instant};
use valk_net::Entropy;
use valk_tests::simulation::{Report, Scenario, run};

const USAGE: &str = "usage: valk-simulate [--seconds N] [--clients N] [--seed N]";

fn scenario() -> Option<Scenario> {
    let mut arguments = std::env::args().skip(1);
    let (mut seconds, mut clients, mut seed) = (600, 100, Entropy::from_os().seed());
    while let Some(name) = arguments.next() {
        let value = arguments.next()?.parse().ok()?;
        match name.as_str() {
            "--seconds" => seconds = value,
            "--clients" => clients = value,
            "--seed" => seed = value,
            _ => return None,
        }
    }
    Some(Scenario {
        seed,
        time: Duration::from_secs(seconds),
        clients: usize::try_from(clients).ok()?,
    })
}

/// Runs a scenario and prints a line about it.
fn show(scenario: Scenario) -> Report {
    let began = Instant::now();
    let report = run(scenario);
    println!(
        "seed {}: {} s virtual, {:.2} s real, {} events, trace {:016x}, {} requests sent, {} answered, {} failed",
        scenario.seed,
        scenario.time.as_secs(),
        began.elapsed().as_secs_f64(),
        report.events,
        report.trace_hash,
        report.sent,
        report.answered,
        report.failed,
    );
    report
}

fn main() -> ExitCode {
    let Some(scenario) = scenario() else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    let (first, second) = (show(scenario), show(scenario));
    let other = show(Scenario { seed: scenario.seed.wrapping_add(1), ..scenario });
    if first != second {
        let pairs = first.latest.iter().zip(&second.latest);
        let differing = pairs.into_iter().find(|(one, two)| one != two);
        eprintln!("two runs of seed {} differ: {differing:?}", scenario.seed);
        return ExitCode::FAILURE;
    }
    if first.trace_hash == other.trace_hash {
        eprintln!("seed {} and the next one give the same run", scenario.seed);
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
