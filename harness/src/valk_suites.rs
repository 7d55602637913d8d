//! `.valk` suites: each file is one test that runs a `valk` process and reads its result lines.
//!
//! Knows a program, a line format and exit statuses. Does not know the runtime.
//!
//! 1. A suite passes if its process ends with status 0 and no line says otherwise.
//! 2. A suite without any result line fails: it tested nothing.
//! 3. Every result line becomes a sub-result in the ledger.

use std::fs;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::cases::account::{Subtest, SubtestState};
use crate::cases::context;
use crate::cases::definition::{Attributes, TestDefinition};
use crate::cases::skip;
use crate::execution::output_buffer::printable;
use crate::verdicts::verdict::signal_name;

/// Names the `valk` binary if the suite does not.
pub const BINARY_VARIABLE: &str = "VALK_BIN";
/// Time limit of one suite in milliseconds.
const LIMIT_MS: u64 = 120_000;

/// Suites to be found and how to run them.
#[derive(Debug, Clone, Default)]
pub struct Suites {
    /// The `valk` program; `VALK_BIN` or the sibling of this test binary without it.
    pub binary: Option<PathBuf>,
    /// Directories searched for `*.valk`, not recursively, relative to `working_directory`.
    pub directories: Vec<PathBuf>,
    /// Directory in which suites run; relative to that of the tests.
    pub working_directory: PathBuf,
    /// Put before the name of each test: `stress/`.
    pub prefix: String,
}

/// One test per `*.valk` file, for use in `dynamic!`.
///
/// # Panics
/// If a directory cannot be read, or holds no suite: a wrong path must not look like success.
pub fn valk_suites(suites: &Suites) -> Vec<TestDefinition> {
    let mut tests = Vec::new();
    for directory in &suites.directories {
        let found = suite_files(&suites.working_directory.join(directory))
            .unwrap_or_else(|error| panic!("suites in {}: {error}", directory.display()));
        assert!(!found.is_empty(), "no *.valk file in {}", directory.display());
        for file in found {
            let stem = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            let path = directory.join(file.file_name().unwrap_or_default());
            let (shown, suites) = (path.display().to_string(), suites.clone());
            let test = TestDefinition::new(format!("{}{stem}", suites.prefix), move || {
                run(&suites, &path);
            });
            tests.push(test.at(shown, 0).with(Attributes::new().timeout_ms(LIMIT_MS)));
        }
    }
    tests
}

fn suite_files(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory)? {
        files.push(entry?.path());
    }
    files.retain(|path| path.extension().is_some_and(|extension| extension == "valk"));
    files.sort();
    Ok(files)
}

fn run(suites: &Suites, file: &Path) {
    let binary = suites.binary.clone().unwrap_or_else(default_binary);
    assert!(
        binary.is_file(),
        "there is no valk program at {}; build it, or set {BINARY_VARIABLE}",
        binary.display()
    );
    let output = Command::new(&binary)
        .arg(file)
        .current_dir(&suites.working_directory)
        .env("VALK_TEST_TIMEOUT_SECONDS", "30")
        .output()
        .unwrap_or_else(|error| panic!("{} cannot be started: {error}", binary.display()));
    let (stdout, stderr) = (printable(&output.stdout), printable(&output.stderr));
    let subtests = parse(&stdout);
    for subtest in &subtests {
        context::record_subtest(subtest.name.clone(), subtest.state, subtest.duration_us);
    }
    // Captured like any output of a test, and shown if the suite fails.
    print!("{stdout}");
    eprint!("{stderr}");
    if let Some(failure) = failure(&output, &subtests) {
        panic!("{failure}");
    }
    if let Some(reason) = skipped_whole(&stdout, &subtests) {
        skip::skip_broken("suite-skipped", &reason);
    }
}

/// Why a suite is red, if it is.
pub(crate) fn failure(output: &Output, subtests: &[Subtest]) -> Option<String> {
    if let Some(signal) = output.status.signal() {
        return Some(format!("the suite crashed with {}", signal_name(signal)));
    }
    let red: Vec<&str> =
        subtests.iter().filter(|s| !s.state.is_green()).map(|s| s.name.as_str()).collect();
    match output.status.code() {
        Some(0) if subtests.is_empty() => {
            Some("the suite printed no result line: it tested nothing".into())
        }
        // A suite that expects failure (:expected-exit 1) ends with status 0 nevertheless.
        Some(0) => None,
        Some(124) => Some("the suite ran into its time limit (status 124)".into()),
        Some(code @ 129..=159) => {
            Some(format!("the suite crashed with {} (status {code})", signal_name(code - 128)))
        }
        code if red.is_empty() => {
            Some(format!("the suite ended with status {}", code.unwrap_or(-1)))
        }
        _ => Some(format!("{} of {} tests failed: {}", red.len(), subtests.len(), red.join(", "))),
    }
}

/// The reason in the header of a suite in which every test is skipped.
pub(crate) fn skipped_whole(stdout: &str, subtests: &[Subtest]) -> Option<String> {
    if subtests.is_empty() || subtests.iter().any(|s| s.state != SubtestState::Skip) {
        return None;
    }
    let reason = stdout
        .lines()
        .find_map(|line| line.trim_end().strip_suffix(')')?.split_once(" (SKIPPED: "))
        .map_or("no reason given", |(_, reason)| reason);
    Some(format!("every test of the suite is skipped: {reason}"))
}

/// All result lines outside captured blocks.
pub(crate) fn parse(stdout: &str) -> Vec<Subtest> {
    let mut captured = false;
    let mut results = Vec::new();
    for line in stdout.lines() {
        if line.starts_with("<<<CAPTURED name=") {
            captured = true;
        } else if line.starts_with(">>>CAPTURED") {
            captured = false;
        } else if !captured {
            results.extend(parse_line(line.trim()));
        }
    }
    results
}

/// One result line: icon, name, at least two dots, two spaces, state, and a time or none.
fn parse_line(line: &str) -> Option<Subtest> {
    let icons = ["✅", "❌", "⏰", "⏭\u{fe0f}", "🐞", "🌀", "❓"];
    let rest = icons.into_iter().find_map(|icon| line.strip_prefix(icon))?;
    let rest = rest.strip_prefix(char::is_whitespace)?.trim_start();
    // The state is behind the last run of dots, so names may hold dots themselves.
    let (name, state) = rest.rsplit_once("..").and_then(|(name, state)| {
        state.starts_with(char::is_whitespace).then(|| (name, state.trim_start()))
    })?;
    let name = name.trim_end_matches(['.', ' ']);
    let word: String = state.chars().take_while(char::is_ascii_uppercase).collect();
    let state_read = match word.as_str() {
        "PASS" => SubtestState::Pass,
        "FAIL" => SubtestState::Fail,
        "TIMEOUT" => SubtestState::Timeout,
        "SKIP" => SubtestState::Skip,
        "CRSH" => SubtestState::Crash,
        "UNKNOWN" | "UNDEFINED" => SubtestState::Undeclared,
        _ => return None,
    };
    let duration_us = duration(&state[word.len()..])?;
    (!name.is_empty()).then(|| Subtest { name: name.into(), state: state_read, duration_us })
}

/// Microseconds of ` : in 12(µs)` or ` : after 5000ms`; 0 for nothing or `(type=N)`.
fn duration(text: &str) -> Option<u64> {
    let text = text.trim();
    if text.is_empty() || text.starts_with("(type=") {
        return Some(0);
    }
    let text = text.strip_prefix(':')?.trim_start();
    let text = text.strip_prefix("in ").or_else(|| text.strip_prefix("after "))?.trim();
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let number: u64 = text[..digits].parse().ok()?;
    match text[digits..].trim_matches(['(', ')']) {
        "µs" | "us" => Some(number),
        "ms" => number.checked_mul(1_000),
        "s" => number.checked_mul(1_000_000),
        "ns" => Some(number / 1_000),
        _ => None,
    }
}

/// `VALK_BIN`, or the program `valk` beside the directory of this test binary.
fn default_binary() -> PathBuf {
    if let Some(path) = std::env::var_os(BINARY_VARIABLE) {
        return path.into();
    }
    let test = std::env::current_exe().unwrap_or_default();
    let build = test.parent().and_then(Path::parent).unwrap_or(Path::new("."));
    build.join("valk")
}
