//! The command that started this test binary: cargo's, if cargo started it.
//!
//! 1. Test binaries that one command starts have one run identifier, so that reports of theirs can
//!    share a file and are told from those of an earlier command.
//! 2. Cargo starts a test in the directory of its package. A relative path on the command line means
//!    the directory in which the command was typed.
//! 3. The profile, features and targets of the build are needed to run a test again in the same build.
//!
//! Read from `/proc` once, in `main`.

use std::fs;
use std::path::{Path, PathBuf};

use crate::random;

/// Names the run for all binaries of it; set by scripts that start several.
pub const RUN_ID_VARIABLE: &str = "VALK_TEST_RUN_ID";

/// Flags of cargo that decide what is built and stand alone.
const FLAGS: [&str; 5] =
    ["--release", "-r", "--all-features", "--no-default-features", "--ignore-rust-version"];
/// Flags of cargo that decide what is built and have a value.
const VALUED: [&str; 7] =
    ["--features", "-F", "--profile", "--target", "--target-dir", "--manifest-path", "--config"];

/// What is known of the parent process.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Invocation {
    /// The same for all binaries that one command starts.
    pub run_id: String,
    /// Where the command was typed, if cargo started this binary.
    pub directory: Option<PathBuf>,
    /// Flags of cargo that belong to the build; `None` if it is not cargo.
    pub build_flags: Option<Vec<String>>,
}

impl Invocation {
    /// Looks at the parent process and the environment.
    pub fn read() -> Self {
        let parent = Path::new("/proc").join(std::os::unix::process::parent_id().to_string());
        let words = fs::read(parent.join("cmdline")).unwrap_or_default();
        let words: Vec<String> = words
            .split(|byte| *byte == 0)
            .map(|word| String::from_utf8_lossy(word).into_owned())
            .filter(|word| !word.is_empty())
            .collect();
        let build_flags = build_flags(&words);
        let directory = build_flags.as_ref().and_then(|_| fs::read_link(parent.join("cwd")).ok());
        Self { run_id: run_id(&parent), directory, build_flags }
    }

    /// Rule 2.
    pub fn resolve(&self, path: &Path) -> PathBuf {
        self.directory.as_ref().map_or_else(|| path.to_path_buf(), |from| from.join(path))
    }
}

/// Rule 1: a name from the environment, else one made from the parent process: its number, its start,
/// and the namespace and the start of the computer that tell equal numbers apart.
fn run_id(parent: &Path) -> String {
    let given = [RUN_ID_VARIABLE, "NEXTEST_RUN_ID"]
        .into_iter()
        .find_map(|variable| std::env::var(variable).ok().filter(|value| !value.is_empty()));
    given.unwrap_or_else(|| {
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        let namespace = fs::read_link("/proc/self/ns/pid").unwrap_or_default();
        let stat = fs::read_to_string(parent.join("stat")).unwrap_or_default();
        // Behind the name in parentheses, which may hold anything: the 20th field is the start.
        let start = stat.rsplit_once(") ").and_then(|(_, rest)| rest.split(' ').nth(19));
        let all = format!("{boot} {} {} {start:?}", namespace.display(), parent.display());
        format!("{:016x}", random::hash(&all))
    })
}

/// Rule 3 for the words of a command; `None` if it is not `cargo`.
pub(crate) fn build_flags(words: &[String]) -> Option<Vec<String>> {
    let program = Path::new(words.first()?).file_stem()?;
    if program != "cargo" {
        return None;
    }
    let mut flags = Vec::new();
    let mut words = words.iter().skip(1).take_while(|word| *word != "--");
    while let Some(word) = words.next() {
        let name = word.split('=').next().unwrap_or_default();
        if FLAGS.contains(&name) {
            flags.push(word.clone());
        } else if VALUED.contains(&name) {
            flags.push(word.clone());
            if !word.contains('=') {
                flags.extend(words.next().cloned());
            }
        }
    }
    Some(flags)
}
