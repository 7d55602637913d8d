//! What can stop a run before it has a report.
//!
//! Failures of single requests are not here: they are counted by `ErrorKind` and never end a run.

use std::fmt;

/// Why a command gave up. [`LoadError::exit_code`] turns it into the exit code of the process.
#[derive(Debug)]
pub enum LoadError {
    /// The command line asks for something that cannot be done.
    Usage(String),
    /// No HTTP/2 connection to the target could be made.
    Unreachable {
        /// The target as the user wrote it.
        target: String,
        /// What happened.
        cause: String,
        /// What to try.
        hint: String,
    },
    /// A file could not be read or written.
    File {
        /// Its path.
        path: String,
        /// What was attempted.
        action: &'static str,
        /// The cause.
        cause: std::io::Error,
    },
    /// The operating system refused a thread, a runtime or an output stream.
    System(std::io::Error),
    /// An interrupt came before the first request.
    Interrupted,
    /// The goose engine refused its configuration or broke down.
    Goose(String),
}

impl LoadError {
    /// 2 for usage, 3 for an unreachable target, 130 for an interrupt, 1 for everything else.
    pub fn exit_code(&self) -> u8 {
        match self {
            LoadError::Usage(_) => 2,
            LoadError::Unreachable { .. } => 3,
            LoadError::Interrupted => 130,
            LoadError::File { .. } | LoadError::System(_) | LoadError::Goose(_) => 1,
        }
    }

    /// A usage error with this message.
    pub fn usage(message: impl Into<String>) -> Self {
        LoadError::Usage(message.into())
    }
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LoadError::Usage(message) => f.write_str(message),
            LoadError::Unreachable { target, cause, hint } => {
                write!(f, "cannot reach {target}: {cause}\nhint: {hint}")
            }
            LoadError::File { path, action, cause } => write!(f, "cannot {action} {path}: {cause}"),
            LoadError::System(cause) => write!(f, "the system refused: {cause}"),
            LoadError::Interrupted => f.write_str("interrupted before the first request"),
            LoadError::Goose(cause) => write!(f, "goose: {cause}"),
        }
    }
}

impl std::error::Error for LoadError {}

impl From<std::io::Error> for LoadError {
    fn from(cause: std::io::Error) -> Self {
        LoadError::System(cause)
    }
}
