//! The ledger: one JSON object per line, the machine-readable truth about a run.
//!
//! 1. First a `run` record: format, binary, seed, selection and the host facts.
//! 2. Then a `test` record for each run of each test, written as it ends.
//! 3. Last an `end` record with the counts. A ledger without it is truncated, and red.
//!
//! Fields are documented in docs/testing.md and only ever added.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde_json::{Value, json};

use crate::error::Error;
use crate::verdicts::result::TestResult;
use crate::verdicts::verdict::Verdict;

/// Version of the format, in the `run` record.
pub const FORMAT: u64 = 1;

/// Numbers at the end of a run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Green and run.
    pub passed: u64,
    /// Red, whatever the verdict; includes broken and stale skips.
    pub failed: u64,
    /// Expected skips.
    pub skipped: u64,
    /// Left out after a failure.
    pub not_run: u64,
}

impl Counts {
    /// Counts one verdict.
    pub fn add(&mut self, verdict: Verdict) {
        let counter = match verdict {
            Verdict::Pass => &mut self.passed,
            Verdict::SkipExpected => &mut self.skipped,
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
    /// Creates the files and writes the first record.
    ///
    /// # Errors
    /// [`Error::File`] if a file cannot be made.
    pub fn create(paths: &[PathBuf], run: &Value) -> Result<Self, Error> {
        let mut files = Vec::new();
        for path in paths {
            let failed =
                |source| Error::File { action: "write the ledger", path: path.clone(), source };
            if let Some(directory) = path.parent() {
                fs::create_dir_all(directory).map_err(failed)?;
            }
            files.push((path.clone(), File::create(path).map_err(failed)?));
        }
        let ledger = Self { files: Mutex::new(files) };
        ledger.write(run)?;
        Ok(ledger)
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
                action: "write the ledger",
                path: path.clone(),
                source,
            })?;
        }
        Ok(())
    }
}

/// The last record.
pub fn end_record(counts: Counts, exit_status: u8) -> Value {
    json!({
        "record": "end",
        "passed": counts.passed,
        "failed": counts.failed,
        "skipped": counts.skipped,
        "not_run": counts.not_run,
        "exit_status": exit_status,
    })
}

/// A ledger read back.
#[derive(Debug)]
pub struct Run {
    /// Name of the binary.
    pub binary: String,
    /// Every test record.
    pub results: Vec<TestResult>,
    /// Counts of the records.
    pub counts: Counts,
    /// Exit status in the `end` record.
    pub exit_status: u8,
}

/// Reads a ledger and checks that it is whole.
///
/// # Errors
/// A sentence that says what is wrong: unreadable, foreign, truncated, or counts that disagree.
pub fn read(path: &Path) -> Result<Run, String> {
    let text = fs::read_to_string(path).map_err(|error| format!("cannot be read: {error}"))?;
    let mut records = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let record: Value = serde_json::from_str(line)
            .map_err(|error| format!("line {} is not JSON ({error}): cut short?", at + 1))?;
        records.push(record);
    }
    let [first, tests @ .., last] = records.as_slice() else {
        return Err("is truncated: fewer than two records".into());
    };
    if first["record"] != "run" || first["format"] != FORMAT {
        return Err(format!("does not start with a run record of format {FORMAT}"));
    }
    if last["record"] != "end" {
        return Err("is truncated: the last record is not an end record; the binary died".into());
    }
    let results = tests
        .iter()
        .map(TestResult::from_json)
        .collect::<Option<Vec<_>>>()
        .ok_or("holds a damaged test record")?;
    let counts = Counts::of(&results);
    let exit_status = last["exit_status"].as_u64().unwrap_or(255) as u8;
    if end_record(counts, exit_status) != *last {
        return Err(format!("says {last}, but its records count {}", counts.line()));
    }
    let binary = first["binary"].as_str().unwrap_or_default().to_string();
    Ok(Run { binary, results, counts, exit_status })
}
