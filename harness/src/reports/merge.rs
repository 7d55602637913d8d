//! Merging the ledgers of all binaries of a run into one report and one verdict.
//!
//! Red if a test is red, a ledger is truncated, damaged or missing, a binary ended badly, or there
//! is no ledger at all: absence of evidence is not success.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::junit;
use super::ledger::{self, Counts, Run};
use super::report_file::ReportFile;
use super::skips::{self, Budget};
use super::summary;
use crate::error::Error;
use crate::verdicts::result::TestResult;

/// What to merge and where to.
#[derive(Debug, Default)]
pub struct Merge {
    /// Directory with `*.jsonl` ledgers.
    pub directory: PathBuf,
    /// Binaries that must have left a ledger.
    pub expect: Vec<String>,
    /// Merged `JUnit` report.
    pub junit: Option<PathBuf>,
    /// Number of slow tests shown.
    pub slowest: usize,
    /// How many skips all binaries together may have.
    pub budget: Budget,
    /// List the skips only: as text, or as JSON.
    pub skips: Option<SkipFormat>,
    /// The run that every ledger must be of; any without it.
    pub run_id: Option<String>,
}

/// Form of the list of skips.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SkipFormat {
    /// For people.
    Text,
    /// A line of JSON each.
    Json,
}

/// Number of slow tests shown unless asked otherwise.
const DEFAULT_SLOWEST: usize = 5;

/// Text of `valk-test-report --help`.
const HELP: &str = "\
Merges the ledgers that test binaries left in a directory (VALK_TEST_LEDGER_DIR).

USAGE: valk-test-report DIRECTORY [--expect BINARY]... [--junit FILE] [--slowest N]
                        [--run-id ID] [--max-skips N] [--max-broken N] [--skips text|json]

With --max-skips, more skipped tests in all binaries together are a fault; with --max-broken, more
that are skipped as broken. --skips lists them, with code, reason, owner, last day and place, and
nothing else. With --run-id, ledgers of another run (VALK_TEST_RUN_ID) are faults.
Exit status 0 if every ledger is whole and green, 1 if not, 2 for a wrong command line.
";

/// The whole of `valk-test-report`: merges as `words` say and prints the report.
pub fn main(words: impl IntoIterator<Item = String>) -> ExitCode {
    let ended = Merge::parse(words).and_then(|merge| match merge {
        None => Ok((HELP.to_string(), true)),
        Some(merge) => merge.run(),
    });
    match ended {
        Ok((text, green)) => {
            print!("{text}");
            ExitCode::from(u8::from(!green))
        }
        Err(error) => {
            eprintln!("valk-test-report: {error}");
            ExitCode::from(if matches!(error, Error::Usage(_)) { 2 } else { 1 })
        }
    }
}

impl Merge {
    /// Reads the words after the program name; `None` asks for the help text.
    ///
    /// # Errors
    /// [`Error::Usage`].
    pub fn parse(words: impl IntoIterator<Item = String>) -> Result<Option<Self>, Error> {
        let mut merge = Self { slowest: DEFAULT_SLOWEST, ..Self::default() };
        let mut words = words.into_iter();
        while let Some(word) = words.next() {
            let mut value =
                || words.next().ok_or_else(|| Error::Usage(format!("{word} needs a value.")));
            match word.as_str() {
                "--help" | "-h" => return Ok(None),
                "--expect" => merge.expect.push(value()?),
                "--run-id" => merge.run_id = Some(value()?),
                "--max-skips" => merge.budget.skips = Some(number(&word, &value()?)?),
                "--max-broken" => merge.budget.broken = Some(number(&word, &value()?)?),
                "--skips" => merge.skips = Some(skip_format(&value()?)?),
                "--junit" => merge.junit = Some(value()?.into()),
                "--slowest" => merge.slowest = number(&word, &value()?)? as usize,
                flag if flag.starts_with('-') => {
                    return Err(Error::Usage(format!("unknown flag `{flag}`.")));
                }
                _ if merge.directory.as_os_str().is_empty() => merge.directory = word.into(),
                _ => return Err(Error::Usage(format!("a second directory: `{word}`."))),
            }
        }
        if merge.directory.as_os_str().is_empty() {
            return Err(Error::Usage("which directory holds the ledgers?".into()));
        }
        Ok(Some(merge))
    }

    /// The report, and whether everything is green.
    ///
    /// # Errors
    /// [`Error::File`] if the directory cannot be read or the `JUnit` report not be written.
    pub fn run(&self) -> Result<(String, bool), Error> {
        let (runs, mut faults) = self.read_all()?;
        for name in self.expect.iter().filter(|name| !runs.iter().any(|run| run.binary == **name)) {
            faults.push(format!("no ledger of `{name}`"));
        }
        if runs.is_empty() && faults.is_empty() {
            faults.push("no ledger at all: no test binary ran".into());
        }
        let silent = |run: &&Run| run.counts.failed == 0 && run.faults.is_empty();
        for run in runs.iter().filter(silent).filter(|run| run.exit_status != 0) {
            let (binary, status) = (&run.binary, run.exit_status);
            faults.push(format!("`{binary}` has no red test, but ended with status {status}"));
        }
        if let Some(path) = &self.junit {
            let suites: Vec<(&str, &[TestResult])> =
                runs.iter().map(|run| (run.binary.as_str(), run.results.as_slice())).collect();
            junit::write(&ReportFile::Shared(path.clone()), "", &suites)?;
        }
        let results: Vec<TestResult> = runs.iter().flat_map(qualified).collect();
        faults.extend(self.budget.faults(&results));
        let total = runs.iter().fold(Counts::default(), |sum, run| sum.plus(run.counts));
        let text = match self.skips {
            None => self.text(&runs, &results, &faults, total),
            Some(SkipFormat::Text) => skips::list(&results),
            Some(SkipFormat::Json) => skips::list_as_json(&results),
        };
        Ok((text, faults.is_empty() && total.failed == 0))
    }

    fn read_all(&self) -> Result<(Vec<Run>, Vec<String>), Error> {
        let failed = |source| Error::File {
            action: "read the ledgers in",
            path: self.directory.clone(),
            source,
        };
        let mut paths = Vec::new();
        for entry in fs::read_dir(&self.directory).map_err(failed)? {
            paths.push(entry.map_err(failed)?.path());
        }
        paths.retain(|path| path.extension().is_some_and(|extension| extension == "jsonl"));
        paths.sort();
        let (mut runs, mut faults) = (Vec::new(), Vec::new());
        for path in paths {
            match ledger::read(&path) {
                Ok(read) => {
                    for run in read {
                        faults.extend(self.foreign(&run, &path));
                        let (binary, run_faults) = (&run.binary, &run.faults);
                        faults
                            .extend(run_faults.iter().map(|fault| format!("`{binary}`: {fault}")));
                        runs.push(run);
                    }
                }
                Err(fault) => faults.push(format!("ledger {} {fault}", file_name(&path))),
            }
        }
        Ok((merge_by_binary(runs), faults))
    }

    /// What is wrong with a run that is not the one asked for.
    fn foreign(&self, run: &Run, path: &Path) -> Option<String> {
        let wanted = self.run_id.as_ref()?;
        (*wanted != run.id).then(|| {
            let (file, found) = (file_name(path), &run.id);
            format!("ledger {file} is of run `{found}`, expected `{wanted}`")
        })
    }

    fn text(
        &self,
        runs: &[Run],
        results: &[TestResult],
        faults: &[String],
        total: Counts,
    ) -> String {
        let width = runs.iter().map(|run| run.binary.chars().count()).max().unwrap_or(0).max(6);
        let mut text = format!(
            "{:<width$} {:>7} {:>7} {:>7} {:>10}\n",
            "binary", "passed", "failed", "skipped", "test time"
        );
        for run in runs {
            let Counts { passed, failed, skipped, .. } = run.counts;
            let time: u64 = run.results.iter().map(|result| result.duration_us).sum();
            let _ = writeln!(
                text,
                "{:<width$} {passed:>7} {failed:>7} {skipped:>7} {:>10}",
                run.binary,
                summary::duration(time)
            );
        }
        text.push_str(&summary::skips(results));
        text.push_str(&summary::flaky(results));
        text.push_str(&summary::slowest(results, self.slowest));
        let red: Vec<_> = results.iter().filter(|result| result.verdict().is_red()).collect();
        if !red.is_empty() {
            text.push_str("\nfailed:\n");
        }
        for result in red {
            let _ = writeln!(text, "    {}\n        {}", result.name, summary::heading(result));
        }
        for fault in faults {
            let _ = writeln!(text, "\nFAULT: {fault}");
        }
        let _ = writeln!(text, "\n{}", total.line());
        text
    }
}

fn number(flag: &str, text: &str) -> Result<u64, Error> {
    let wrong = |_| Error::Usage(format!("{flag} needs a whole number, found `{text}`."));
    text.parse().map_err(wrong)
}

fn skip_format(text: &str) -> Result<SkipFormat, Error> {
    match text {
        "text" => Ok(SkipFormat::Text),
        "json" => Ok(SkipFormat::Json),
        _ => Err(Error::Usage(format!("--skips is text or json, found `{text}`."))),
    }
}

/// Results with the binary's name in front, to tell equal names apart.
fn qualified(run: &Run) -> Vec<TestResult> {
    let rename = |result: &TestResult| TestResult {
        name: format!("{} {}", run.binary, result.name),
        ..result.clone()
    };
    run.results.iter().map(rename).collect()
}

/// A runner that starts one process per test leaves many ledgers of one binary.
fn merge_by_binary(runs: Vec<Run>) -> Vec<Run> {
    let mut merged: Vec<Run> = Vec::new();
    for run in runs {
        match merged.iter_mut().find(|known| known.binary == run.binary) {
            None => merged.push(run),
            Some(known) => {
                known.counts = known.counts.plus(run.counts);
                known.exit_status = known.exit_status.max(run.exit_status);
                known.faults.extend(run.faults);
                known.results.extend(run.results);
            }
        }
    }
    merged
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
