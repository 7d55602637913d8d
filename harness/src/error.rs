//! Errors of the harness itself, as opposed to verdicts of tests.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// Why a run could not be started or not be trusted.
#[derive(Debug)]
pub enum Error {
    /// The command line is wrong; the text says what was found and what is accepted.
    Usage(String),
    /// Two tests have the same name.
    DuplicateName {
        /// The name.
        name: String,
        /// `file:line` of the one.
        first: String,
        /// `file:line` of the other.
        second: String,
    },
    /// A provider, or `cases!`, has no test.
    NoTests {
        /// `file:line` of its definition.
        at: String,
    },
    /// Tests of another harness are in a target of this one, and would not run.
    ForeignTests {
        /// `file:line: what` of each.
        places: Vec<String>,
    },
    /// Two fixtures have the same name.
    DuplicateFixture {
        /// The name.
        name: String,
    },
    /// A test name is empty, contains a control character or looks like a flag.
    BadName {
        /// The name.
        name: String,
        /// `file:line` of the definition.
        at: String,
    },
    /// The zygote could not be started.
    Zygote(io::Error),
    /// A report or ledger could not be written or read.
    File {
        /// What we wanted to do (`write the ledger`).
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
}

impl Error {
    /// Exit status of the binary: 2 for mistakes in command line or definitions, 101 otherwise.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_)
            | Self::DuplicateName { .. }
            | Self::DuplicateFixture { .. }
            | Self::NoTests { .. }
            | Self::ForeignTests { .. }
            | Self::BadName { .. } => 2,
            Self::Zygote(_) | Self::File { .. } => 101,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(text) => write!(f, "{text}\nTry --help."),
            Self::DuplicateName { name, first, second } => write!(
                f,
                "duplicate test name `{name}`: defined at {first} and at {second}; rename one of \
                 them"
            ),
            Self::BadName { name, at } => write!(
                f,
                "test name {name:?} at {at} is empty, begins with `-` or holds a control character; \
                 names must be printable, and one that begins with `-` would be read as a flag"
            ),
            Self::NoTests { at } => write!(
                f,
                "{at} declares tests, but there is none: a list of cases or files that is empty \
                 would look like success"
            ),
            Self::ForeignTests { places } => write!(
                f,
                "tests of another harness would never run in a target with `harness = false`; \
                 write them with valk_harness::test! or #[valk_harness::test_fn]:\n    {}",
                places.join("\n    ")
            ),
            Self::DuplicateFixture { name } => {
                write!(f, "two fixtures are named `{name}`; rename one of them")
            }
            Self::Zygote(source) => {
                write!(f, "the zygote that forks the tests could not be started: {source}")
            }
            Self::File { action, path, source } => {
                write!(f, "cannot {action} {}: {source}", path.display())
            }
        }
    }
}

impl std::error::Error for Error {}
