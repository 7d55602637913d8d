//! The ledger: one JSON object per line, the machine-readable truth about a run.
//!
//! 1. First a `run` record: format, binary, seed, selection and the host facts.
//! 2. Then a `test` record for each run of each test, written as it ends.
//! 3. `fault` records for what makes the run red and is no test.
//! 4. Last an `end` record with the counts. A ledger without it is truncated, and red.
//!
//! A file that several binaries share has these records of each, one after another.
//!
//! Fields are documented in docs/testing.md and only ever added.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde_json::{Value, json};

use super::report_file::ReportFile;
use crate::error::Error;
use crate::verdicts::result::TestResult;
use crate::verdicts::verdict::Verdict;

/// Version of the format, in the `run` record.
pub const FORMAT: u64 = 1;

/// For errors.
const ACTION: &str = "write the ledger";

/// Whether the text is a ledger of this run.
fn is_of_run(text: &str, run_id: &Value) -> bool {
    let first = text.lines().next().and_then(|line| serde_json::from_str::<Value>(line).ok());
    first.is_some_and(|record| record["record"] == "run" && record["run_id"] == *run_id)
}

/// Numbers at the end of a run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Green and run, flaky ones included.
    pub passed: u64,
    /// Passed when they ran again.
    pub flaky: u64,
    /// Red, whatever the verdict; includes broken, stale and expired skips.
    pub failed: u64,
    /// Expected skips, and broken ones with an owner and a day.
    pub skipped: u64,
    /// Left out after a failure.
    pub not_run: u64,
}

impl Counts {
    /// Counts one verdict.
    pub fn add(&mut self, verdict: Verdict) {
        self.flaky += u64::from(verdict == Verdict::Flaky);
        let counter = match verdict {
            Verdict::Pass | Verdict::Flaky => &mut self.passed,
            Verdict::SkipExpected | Verdict::SkipOwed => &mut self.skipped,
            Verdict::NotRun => &mut self.not_run,
            _ => &mut self.failed,
        };
        *counter += 1;
    }

    /// Counts all verdicts of a list.
    pub fn of(results: &[TestResult]) -> Self {
        let mut counts = Self::default();
        for result in results {
            counts.add(result.verdict());
        }
        counts
    }

    /// Sum of two counts.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            passed: self.passed + other.passed,
            flaky: self.flaky + other.flaky,
            failed: self.failed + other.failed,
            skipped: self.skipped + other.skipped,
            not_run: self.not_run + other.not_run,
        }
    }

    /// The line every report ends with.
    pub fn line(&self) -> String {
        format!("{} passed, {} failed, {} skipped", self.passed, self.failed, self.skipped)
    }
}

/// Ledgers being written: the one asked for by flag, the one asked for by environment.
pub struct Ledger {
    files: Mutex<Vec<(PathBuf, File)>>,
}

impl Ledger {
    /// Begins the files, or adds to those that the same run has begun, and writes the first record.
    ///
    /// # Errors
    /// [`Error::File`] if a file cannot be made.
    pub fn create(paths: &[ReportFile], run: &Value) -> Result<Self, Error> {
        let mut files = Vec::new();
        for path in paths {
            let (file, _) = path.open(ACTION, |text| is_of_run(text, &run["run_id"]))?;
            // A binary that runs at the same time writes lines of its own.
            let _ = file.unlock();
            files.push((path.path().to_path_buf(), file));
        }
        let ledger = Self { files: Mutex::new(files) };
        ledger.write(run)?;
        Ok(ledger)
    }

    /// Appends the record of a test.
    ///
    /// # Errors
    /// [`Error::File`] if it cannot be written.
    pub fn write_result(&self, result: &TestResult) -> Result<(), Error> {
        let is_wanted = !self.files.lock().unwrap_or_else(PoisonError::into_inner).is_empty();
        if is_wanted { self.write(&result.to_json()) } else { Ok(()) }
    }

    /// Appends one record.
    ///
    /// # Errors
    /// [`Error::File`] if it cannot be written.
    pub fn write(&self, record: &Value) -> Result<(), Error> {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        if files.is_empty() {
            return Ok(());
        }
        let line = format!("{record}\n");
        for (path, file) in files.iter_mut() {
            file.write_all(line.as_bytes()).map_err(|source| Error::File {
                action: ACTION,
                path: path.clone(),
                source,
            })?;
        }
        Ok(())
    }
}

/// The last record.
pub fn end_record(counts: Counts, exit_status: u8) -> Value {
    let mut record = json!({
        "record": "end",
        "passed": counts.passed,
        "failed": counts.failed,
        "skipped": counts.skipped,
        "not_run": counts.not_run,
        "exit_status": exit_status,
    });
    if counts.flaky > 0 {
        record["flaky"] = json!(counts.flaky);
    }
    record
}

/// The record of what makes a run red and is no test.
pub fn fault_record(text: &str) -> Value {
    json!({"record": "fault", "text": text})
}

/// A run read back from a ledger.
#[derive(Debug)]
pub struct Run {
    /// Name of the binary.
    pub binary: String,
    /// Identifier of the run, the same for all its binaries; empty in ledgers of old versions.
    pub id: String,
    /// Every test record.
    pub results: Vec<TestResult>,
    /// Every fault.
    pub faults: Vec<String>,
    /// Counts of the records.
    pub counts: Counts,
    /// Exit status in the `end` record.
    pub exit_status: u8,
}

/// Reads a ledger and checks that it is whole: the runs of one or more binaries.
///
/// # Errors
/// A sentence that says what is wrong: unreadable, foreign, truncated, or counts that disagree.
pub fn read(path: &Path) -> Result<Vec<Run>, String> {
    let text = fs::read_to_string(path).map_err(|error| format!("cannot be read: {error}"))?;
    let mut runs: Vec<Vec<Value>> = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let record: Value = serde_json::from_str(line)
            .map_err(|error| format!("line {} is not JSON ({error}): cut short?", at + 1))?;
        match runs.last_mut() {
            Some(run) if record["record"] != "run" => run.push(record),
            _ => runs.push(vec![record]),
        }
    }
    if runs.is_empty() {
        return Err("is truncated: fewer than two records".into());
    }
    runs.iter().map(|records| read_run(records)).collect()
}

fn read_run(records: &[Value]) -> Result<Run, String> {
    let [first, others @ .., last] = records else {
        return Err("is truncated: fewer than two records".into());
    };
    if first["record"] != "run" || first["format"] != FORMAT {
        return Err(format!("does not start with a run record of format {FORMAT}"));
    }
    if last["record"] != "end" {
        return Err("is truncated: the last record is not an end record; the binary died".into());
    }
    let (faults, tests): (Vec<&Value>, Vec<&Value>) =
        others.iter().partition(|record| record["record"] == "fault");
    let results = tests
        .into_iter()
        .map(TestResult::from_json)
        .collect::<Option<Vec<_>>>()
        .ok_or("holds a damaged test record")?;
    let counts = Counts::of(&results);
    let exit_status = last["exit_status"].as_u64().unwrap_or(255) as u8;
    if end_record(counts, exit_status) != *last {
        return Err(format!("says {last}, but its records count {}", counts.line()));
    }
    let text = |key: &str| first[key].as_str().unwrap_or_default().to_string();
    let faults = faults.iter().filter_map(|fault| fault["text"].as_str().map(String::from));
    Ok(Run {
        binary: text("binary"),
        id: text("run_id"),
        faults: faults.collect(),
        results,
        counts,
        exit_status,
    })
}
