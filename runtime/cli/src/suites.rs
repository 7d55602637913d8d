//! `valk test`: runs suites written in the language, each in a process of its own.
//!
//! 1. A suite is a `*.valk` file that calls a runner of the test framework. Directories are searched
//!    for them; a file that is named is a suite whatever is in it.
//! 2. A suite has passed when its process ends with status 0 in time and has printed the result of at
//!    least one test. A suite that never reaches its runner is an error.
//! 3. What is kept of a suite's output is bounded, and what was left out is counted.
//! 4. Results are reported in the order of the files, whatever the order in which they end.
//!
//! Does not know how tests are written: it reads the lines that the framework prints.

mod find;
mod lines;
mod process;
mod report;

use crate::report::Reporter;
use clap::Args;
use lines::State;
use process::Suite;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Exit status when no test was selected.
const NOTHING_SELECTED: u8 = 4;

/// What `valk test` is told.
#[derive(Debug, Args)]
pub struct TestArguments {
    /// Suites, and directories that are searched for them. Default: test and tests.
    paths: Vec<PathBuf>,
    /// Only tests whose name contains this, and all tests of files whose path does.
    #[arg(long, value_name = "TEXT")]
    filter: Option<String>,
    /// Suites that run at the same time; as many as processors unless said otherwise.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    jobs: Option<u16>,
    /// Seconds that a suite has.
    #[arg(long, value_name = "SECONDS", default_value_t = 120)]
    limit: u64,
    /// Print results as one JSON document.
    #[arg(long)]
    json: bool,
    /// Also write results to this file, as `JUnit` XML.
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Print the names of the tests and run none.
    #[arg(long)]
    list: bool,
}

/// Runs suites and reports them; the exit status.
pub fn run(arguments: &TestArguments, reporter: &Reporter) -> u8 {
    let files = match find::suites(&arguments.paths) {
        Ok(files) => files,
        Err(problem) => {
            reporter.failure(&problem);
            return 1;
        }
    };
    let suites = run_all(arguments, &files);
    let out = valk_lang::Output::default();
    let shown = match (arguments.json, arguments.list) {
        (true, _) => report::json(&suites),
        (false, true) => report::list(&suites),
        (false, false) => report::summary(&suites),
    };
    out.write(shown.as_bytes());
    out.flush();
    if let Some(path) = &arguments.junit
        && let Err(error) = std::fs::write(path, report::junit(&suites))
    {
        reporter.failure(&format!("cannot write {}: {error}", path.display()));
        return 1;
    }
    let failed = suites.iter().any(|suite| !suite.has_passed());
    let is_empty = suites.iter().all(|suite| suite.tests.is_empty());
    match (failed, is_empty) {
        (true, _) => 1,
        (false, true) => {
            reporter.failure("no test was selected");
            NOTHING_SELECTED
        }
        (false, false) => 0,
    }
}

/// Runs all suites, several at a time; they are shown as they end.
fn run_all(arguments: &TestArguments, files: &[PathBuf]) -> Vec<Suite> {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let jobs = arguments.jobs.map_or(processors, usize::from).min(files.len()).max(1);
    let limit = Duration::from_secs(arguments.limit);
    let next = AtomicUsize::new(0);
    let finished = Mutex::new(Vec::new());
    let is_quiet = arguments.json || arguments.list;
    std::thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|| {
                while let Some(file) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let filter = arguments.filter.as_deref();
                    let suite = process::run(file, filter, arguments.list, limit);
                    let mut finished = finished.lock().unwrap_or_else(PoisonError::into_inner);
                    if !is_quiet {
                        let out = valk_lang::Output::default();
                        out.write(report::text(&suite).as_bytes());
                        out.flush();
                    }
                    finished.push(suite);
                }
            });
        }
    });
    let mut suites = finished.into_inner().unwrap_or_else(PoisonError::into_inner);
    suites.sort_by_key(|suite| files.iter().position(|file| *file == suite.path));
    suites
}

/// How many tests of these suites are in one of these states.
fn count(suites: &[Suite], states: &[State]) -> usize {
    let tests = suites.iter().flat_map(|suite| &suite.tests);
    tests.filter(|test| states.contains(&test.state)).count()
}
