//! The record of the tests that failed when they last ran, for `--last-failed` and `--failed-first`.
//!
//! 1. Each binary has a file in a directory beside it (or in `VALK_TEST_STATE_DIR`), which goes with the
//!    build. A run changes the entries of the tests that it ran and no others, so filters and shards
//!    lose nothing; a test that exists no more loses its entry.
//! 2. The file is replaced as a whole, under a lock of the directory.
//! 3. Both number of entries and size are bounded. With more failures than that everything counts as
//!    failed.
//! 4. A file that cannot be used is ignored with a note: the run is then one without a record.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::cases::definition::TestDefinition;
use crate::reports::invocation::Invocation;
use crate::verdicts::result::TestResult;
use crate::verdicts::verdict::Verdict;

/// Where the files of all binaries lie.
const DIRECTORY_VARIABLE: &str = "VALK_TEST_STATE_DIR";
/// Directory beside the binary, without the variable.
const DIRECTORY: &str = "valk-test-state";
/// Version of the file.
const FORMAT: u64 = 1;
/// Tests remembered of one binary.
pub(crate) const TESTS_MAX: usize = 10_000;
/// Bytes of a file that is ours.
const BYTES_MAX: u64 = 8 << 20;
/// Files of other binaries that are looked at.
const OTHERS_MAX: usize = 1_000;

/// What a file says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct State {
    /// Names of the tests.
    pub(crate) failed: BTreeSet<String>,
    /// Rule 3: there were more.
    pub(crate) has_more: bool,
    /// The command that changed the file last.
    pub(crate) command: String,
    /// Whether tests were remembered as failed when that command began.
    pub(crate) had_failed: bool,
}

/// The record of this binary.
pub struct LastFailed {
    file: PathBuf,
    /// The test binary.
    binary: PathBuf,
    /// Tells the binaries of one `cargo test` from those of another; empty without cargo.
    command: String,
    state: State,
    /// Why the file is not used.
    note: Option<String>,
}

/// What `--last-failed` selects out of the tests that filters and shard have selected.
#[derive(Debug, PartialEq, Eq)]
pub enum Again {
    /// Those that failed.
    Failed,
    /// All: nothing is remembered.
    All,
    /// None: what failed lies elsewhere.
    Nothing,
}

impl LastFailed {
    /// Reads the record of this binary.
    pub fn read(invocation: &Invocation) -> Self {
        let binary = std::env::current_exe().unwrap_or_default();
        let given = std::env::var_os(DIRECTORY_VARIABLE).filter(|directory| !directory.is_empty());
        let directory = given.map_or_else(|| binary.with_file_name(DIRECTORY), PathBuf::from);
        let command = invocation.build_flags.as_ref().map_or("", |_| &invocation.run_id);
        Self::read_from(&directory, &binary, command)
    }

    /// Reads the record of a binary in a directory.
    pub(crate) fn read_from(directory: &Path, binary: &Path, command: &str) -> Self {
        let mut name = binary.file_name().unwrap_or_default().to_os_string();
        name.push(".json");
        let file = directory.join(name);
        let (state, note) = match read_state(&file) {
            Ok(state) => (state.map(|(state, _)| state).unwrap_or_default(), None),
            Err(why) => (State::default(), Some(format!("{} {why}", file.display()))),
        };
        Self { file, binary: binary.into(), command: command.into(), state, note }
    }

    /// Why the file is not used, for the user.
    pub fn note(&self) -> Option<String> {
        self.note.as_ref().map(|note| {
            format!("note: the record of failed tests is not used: {note}; this run replaces it")
        })
    }

    /// Whether the test failed when it last ran.
    pub fn contains(&self, name: &str) -> bool {
        self.state.has_more || self.state.failed.contains(name)
    }

    /// What runs again out of these tests, and a sentence about it.
    pub fn again<'a>(&self, selected: impl Iterator<Item = &'a str>) -> (Again, String) {
        let (mut all, mut failed) = (0, 0);
        for name in selected {
            all += 1;
            failed += usize::from(self.contains(name));
        }
        if self.state.has_more {
            let text = format!("more than {TESTS_MAX} tests failed before: all {all} run");
            return (Again::All, text);
        }
        if failed > 0 {
            return (Again::Failed, format!("{failed} of {all} tests failed before and run again"));
        }
        if !self.state.failed.is_empty() {
            let known = self.state.failed.len();
            let text =
                format!("none of the {known} tests that failed before is selected: none runs");
            return (Again::Nothing, text);
        }
        match self.failed_elsewhere() {
            Some(binary) => {
                let text = format!(
                    "no test of this binary failed before, but tests of {binary} did: none runs here"
                );
                (Again::Nothing, text)
            }
            None => (Again::All, format!("no test is known to have failed before: all {all} run")),
        }
    }

    /// Another binary of the same build with tests that failed before this command.
    fn failed_elsewhere(&self) -> Option<String> {
        let files = fs::read_dir(self.file.parent()?).ok()?.flatten().take(OTHERS_MAX);
        let others = files.map(|entry| entry.path()).filter(|path| *path != self.file);
        let mut states = others.filter_map(|path| read_state(&path).ok().flatten());
        let failed = states.find(|(state, binary)| {
            let is_of_this_command = !self.command.is_empty() && state.command == self.command;
            let had_failed = is_of_this_command && state.had_failed;
            (had_failed || state.has_more || !state.failed.is_empty()) && is_latest(binary)
        });
        failed.map(|(_, binary)| binary.file_name().unwrap_or_default().to_string_lossy().into())
    }

    /// Puts the results of this run into the record.
    ///
    /// # Errors
    /// The directory or the file cannot be written; the record is unchanged then.
    pub fn update(&self, results: &[TestResult], tests: &[TestDefinition]) -> io::Result<()> {
        let is_red = |result: &&TestResult| result.verdict().is_red();
        if !self.file.exists() && !results.iter().any(|result| is_red(&result)) {
            return Ok(());
        }
        let directory = self.file.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(directory)?;
        let lock = File::open(directory)?;
        lock.lock()?;
        // Another process of the same binary may have written meanwhile.
        let before = read_state(&self.file).ok().flatten().map(|(state, _)| state);
        let before = before.unwrap_or_default();
        let mut failed = before.failed.clone();
        for result in results.iter().filter(|result| result.verdict() != Verdict::NotRun) {
            failed.remove(&result.name);
        }
        failed.extend(results.iter().filter(is_red).map(|result| result.name.clone()));
        let exists = |name: &String| tests.binary_search_by(|test| test.name.cmp(name)).is_ok();
        failed.retain(exists);
        let has_more = failed.len() > TESTS_MAX || (before.has_more && results.len() < tests.len());
        let failed: BTreeSet<String> = failed.into_iter().take(TESTS_MAX).collect();
        let is_of_this_command = !self.command.is_empty() && before.command == self.command;
        let had_failed = !before.failed.is_empty() || (is_of_this_command && before.had_failed);
        let after = State { failed, has_more, command: self.command.clone(), had_failed };
        if after == before { Ok(()) } else { self.replace(&after) }
    }

    /// Rule 2.
    fn replace(&self, state: &State) -> io::Result<()> {
        let text = json!({
            "format": FORMAT,
            "binary": self.binary,
            "command": state.command,
            "had_failed": state.had_failed,
            "has_more": state.has_more,
            "failed": state.failed,
        });
        let temporary = self.file.with_extension("new");
        fs::write(&temporary, format!("{text}\n"))?;
        fs::rename(&temporary, &self.file)
    }
}

/// Whether a binary exists, and none of the same name was built later: cargo leaves the binaries of
/// earlier builds, which differ in the hash behind the name, where they are.
fn is_latest(binary: &Path) -> bool {
    let built = |path: &Path| fs::metadata(path).and_then(|data| data.modified()).ok();
    let (Some(own), Some(directory)) = (built(binary), binary.parent()) else { return false };
    let name = without_hash(binary);
    let siblings = fs::read_dir(directory).into_iter().flatten().flatten();
    let mut namesakes = siblings.map(|entry| entry.path()).filter(|path| {
        path != binary && path.extension() == binary.extension() && without_hash(path) == name
    });
    name.is_none() || !namesakes.any(|path| built(&path).is_some_and(|built| built > own))
}

/// The name of a binary that cargo has given a hash.
fn without_hash(binary: &Path) -> Option<&str> {
    let (name, hash) = binary.file_stem()?.to_str()?.rsplit_once('-')?;
    let is_hash = hash.len() == 16 && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_hash.then_some(name)
}

/// Reads a file: what it says and the binary that it is of; nothing if there is none.
fn read_state(file: &Path) -> Result<Option<(State, PathBuf)>, String> {
    let mut bytes = Vec::new();
    let read = File::open(file).and_then(|file| file.take(BYTES_MAX + 1).read_to_end(&mut bytes));
    match read {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(format!("cannot be read: {error}")),
        Ok(read) if read as u64 > BYTES_MAX => {
            return Err(format!("has more than {BYTES_MAX} bytes"));
        }
        Ok(_) => {}
    }
    let value: Value =
        serde_json::from_slice(&bytes).map_err(|error| format!("is damaged: {error}"))?;
    match parse_state(&value) {
        Some(read) => Ok(Some(read)),
        None => Err(format!("is not of format {FORMAT}")),
    }
}

fn parse_state(value: &Value) -> Option<(State, PathBuf)> {
    let names = value["failed"].as_array()?.iter();
    let state = State {
        failed: names.map(|name| name.as_str().map(String::from)).collect::<Option<_>>()?,
        has_more: value["has_more"].as_bool()?,
        command: value["command"].as_str()?.into(),
        had_failed: value["had_failed"].as_bool()?,
    };
    (value["format"] == FORMAT).then_some((state, value["binary"].as_str()?.into()))
}
