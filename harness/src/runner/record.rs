//! What is known of a run while it runs, and the files that it becomes.
//!
//! Results are written to the ledger as they come. Once the record is stopped or closed, results of
//! tests that still run are not taken any more.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use serde_json::{Value, json};

use super::selection::Selected;
use crate::cases::skip;
use crate::error::Error;
use crate::execution::plan::Plan;
use crate::options::Options;
use crate::reports::invocation::Invocation;
use crate::reports::ledger::{self, Counts, Ledger};
use crate::reports::report_file::ReportFile;
use crate::reports::{junit, test_binary};
use crate::verdicts::result::TestResult;

/// The record of a run.
pub struct Record {
    ledger: Ledger,
    junit: Vec<ReportFile>,
    run_id: String,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    results: Vec<TestResult>,
    ledger_error: Option<Error>,
    /// Runs of tests that have begun and not ended.
    running: HashMap<usize, Instant>,
    /// Runs of tests that have ended.
    ended: Vec<usize>,
    is_stopped: bool,
}

impl Record {
    /// Begins the ledger.
    ///
    /// # Errors
    /// [`Error::File`] if it cannot be written.
    pub fn create(
        options: &Options,
        invocation: &Invocation,
        nonce: u64,
        first: &Value,
    ) -> Result<Self, Error> {
        let ledger = Ledger::create(&test_binary::ledger_files(options, invocation, nonce), first)?;
        Ok(Self {
            ledger,
            junit: test_binary::junit_files(options, invocation, nonce),
            run_id: invocation.run_id.clone(),
            state: Mutex::default(),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A run of a test begins.
    pub fn begin(&self, at: usize) {
        self.state().running.insert(at, Instant::now());
    }

    /// A run of a test has ended.
    pub fn end(&self, at: usize, result: TestResult) {
        let mut state = self.state();
        state.running.remove(&at);
        if !state.is_stopped {
            state.ended.push(at);
            self.keep(&mut state, result);
        }
    }

    /// A result without a run of its own, also of a record that is stopped.
    pub fn add(&self, result: TestResult) {
        self.keep(&mut self.state(), result);
    }

    fn keep(&self, state: &mut State, result: TestResult) {
        if let Err(error) = self.ledger.write_result(&result) {
            state.ledger_error.get_or_insert(error);
        }
        state.results.push(result);
    }

    /// Takes no more results, and returns the runs without one: when each began, if it did.
    pub fn stop(&self, runs: usize) -> Vec<(usize, Option<Instant>)> {
        let mut state = self.state();
        state.is_stopped = true;
        let mut has_ended = vec![false; runs];
        state.ended.iter().for_each(|at| has_ended[*at] = true);
        let open = (0..runs).filter(|at| !has_ended[*at]);
        open.map(|at| (at, state.running.get(&at).copied())).collect()
    }

    /// Ends the record: all results, by name, and the first error of the ledger.
    pub fn close(&self) -> (Vec<TestResult>, Option<Error>) {
        let mut state = self.state();
        state.is_stopped = true;
        let mut results = std::mem::take(&mut state.results);
        results.sort_by(|a, b| (&a.name, a.attempt).cmp(&(&b.name, b.attempt)));
        (results, state.ledger_error.take())
    }

    /// Writes what ends the ledger, and the `JUnit` report.
    ///
    /// # Errors
    /// [`Error::File`].
    pub fn write_reports(
        &self,
        results: &[TestResult],
        faults: &[String],
        counts: Counts,
        status: u8,
    ) -> Result<(), Error> {
        for fault in faults {
            self.ledger.write(&ledger::fault_record(fault))?;
        }
        self.ledger.write(&ledger::end_record(counts, status))?;
        for file in &self.junit {
            junit::write(file, &self.run_id, &[(&test_binary::name(), results)])?;
        }
        Ok(())
    }
}

/// The first record of a ledger.
pub fn first(
    options: &Options,
    plan: &Plan,
    selected: &[Selected],
    invocation: &Invocation,
) -> Value {
    json!({
        "record": "run",
        "format": ledger::FORMAT,
        "binary": test_binary::name(),
        "package": std::env::var("CARGO_PKG_NAME").unwrap_or_default(),
        "run_id": invocation.run_id,
        "seed": plan.run_seed,
        "shuffle": options.shuffle_seed(plan.run_seed),
        "defined": plan.tests.len(),
        "selected": selected.len(),
        "facts": skip::host_facts(),
    })
}
