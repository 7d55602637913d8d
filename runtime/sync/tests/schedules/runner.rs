//! Runs scenarios, each under as many schedules as were asked for, and tells how they came out.

use shuttle::scheduler::{PctScheduler, RandomScheduler, Scheduler};
use shuttle::{Config, FailurePersistence, Runner};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// What many threads do.
pub struct Scenario {
    /// Its name, and the file of the structure in front.
    pub name: &'static str,
    /// Threads at a time, the one that starts the others included.
    pub threads: usize,
    /// Does it once; panics when a rule is broken.
    pub run: fn(),
}

/// Schedules of each kind for a scenario, unless the command line says otherwise.
const ITERATIONS: usize = 2000;

/// Changes of priority in a schedule of the second kind.
const DEPTH: usize = 3;

const USAGE: &str = "usage: ci/shuttle [--iterations N] [--seed N] [FILTER]
  --iterations N  random schedules for each scenario, and as many by priorities (2000)
  --seed N        the seed of the random ones; without it another one each time
  FILTER          only scenarios with this in their name";

struct Plan {
    iterations: usize,
    seed: u64,
    filter: String,
}

fn plan() -> Option<Plan> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_nanos() as u64);
    let mut plan = Plan { iterations: ITERATIONS, seed: now >> 10, filter: String::new() };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        match word.as_str() {
            "--iterations" => plan.iterations = words.next()?.parse().ok().filter(|n| *n > 0)?,
            "--seed" => plan.seed = words.next()?.parse().ok()?,
            _ if word.starts_with('-') => return None,
            _ => plan.filter = word,
        }
    }
    Some(plan)
}

/// Runs all that the command line asks for.
pub fn main(scenarios: &[Scenario]) -> ExitCode {
    let Some(plan) = plan() else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    let wanted: Vec<_> = scenarios.iter().filter(|one| one.name.contains(&plan.filter)).collect();
    if wanted.is_empty() {
        eprintln!("no scenario has `{}` in its name", plan.filter);
        return ExitCode::from(2);
    }
    println!("seed {}", plan.seed);
    let mut failed = 0;
    for scenario in &wanted {
        let began = Instant::now();
        let random = RandomScheduler::new_from_seed(plan.seed, plan.iterations);
        let by_priority = PctScheduler::new_from_seed(plan.seed, DEPTH, plan.iterations);
        let ok = under(scenario, random) && under(scenario, by_priority);
        failed += usize::from(!ok);
        println!(
            "{:4} {:44} {:2} threads {:6} schedules {:6} ms",
            if ok { "ok" } else { "FAIL" },
            scenario.name,
            scenario.threads,
            2 * plan.iterations,
            began.elapsed().as_millis()
        );
    }
    println!("{} passed, {failed} failed, 0 skipped", wanted.len() - failed);
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Whether a scenario keeps its rules under all schedules of a scheduler. A schedule that breaks
/// one is printed by shuttle.
fn under(scenario: &Scenario, scheduler: impl Scheduler + 'static) -> bool {
    let mut config = Config::new();
    config.silence_warnings = true;
    config.failure_persistence = FailurePersistence::Print;
    let runner = Runner::new(scheduler, config);
    let run = scenario.run;
    catch_unwind(AssertUnwindSafe(|| runner.run(run))).is_ok()
}
