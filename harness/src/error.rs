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
    /// A test name is empty or contains a control character.
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
            Self::Usage(_) | Self::DuplicateName { .. } | Self::BadName { .. } => 2,
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
                "test name {name:?} at {at} is empty or holds a control character; names must be \
                 printable"
            ),
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
