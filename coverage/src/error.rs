//! Everything that stops the gate before it can judge.
//!
//! Each message says what was found, what was expected and what to do. A red verdict is not an
//! error; see [`crate::gate::Problem`].

use std::fmt;

/// Why no verdict could be reached; the process exits with 2.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// A file or directory could not be read.
    Read {
        /// What was read.
        path: String,
        /// The system's words.
        cause: String,
    },
    /// A report could not be written.
    Write {
        /// What was written.
        path: String,
        /// The system's words.
        cause: String,
    },
    /// An input has no content.
    Empty {
        /// The input.
        path: String,
    },
    /// An input ends in the middle.
    Truncated {
        /// The input.
        path: String,
        /// Its length in bytes.
        bytes: usize,
    },
    /// An input is not JSON, or not of the expected shape.
    Corrupt {
        /// The input.
        path: String,
        /// The parser's words, with line and column.
        detail: String,
    },
    /// JSON of another kind.
    WrongKind {
        /// The input.
        path: String,
        /// Its `type`.
        found: String,
    },
    /// A format version whose rows are unknown.
    WrongVersion {
        /// The input.
        path: String,
        /// Its `version`.
        found: String,
    },
    /// An export made with `--summary-only`.
    SummaryOnly {
        /// The input.
        path: String,
    },
    /// An export without a single file.
    NoFiles {
        /// The input.
        path: String,
    },
    /// An export without a single branch.
    NoBranches {
        /// The input.
        path: String,
    },
    /// A row that is too short or holds impossible numbers.
    BadRow {
        /// The input.
        path: String,
        /// Which kind of row.
        what: &'static str,
        /// The row as found.
        row: String,
    },
    /// No source file below the given roots.
    NoSources {
        /// The roots searched.
        roots: String,
    },
    /// The waiver file does not parse.
    WaiverSyntax {
        /// The file.
        path: String,
        /// 1-based line.
        line: usize,
        /// What is wrong with it.
        detail: String,
    },
    /// A date that is not `YYYY-MM-DD`.
    BadDate {
        /// The text found.
        found: String,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read { path, cause } => {
                write!(f, "cannot read {path}: {cause}; run ci/coverage to make the report first")
            }
            Self::Write { path, cause } => write!(f, "cannot write {path}: {cause}"),
            Self::Empty { path } => {
                write!(f, "{path} is empty; no data is not full coverage, run ci/coverage again")
            }
            Self::Truncated { path, bytes } => write!(
                f,
                "{path} ends in the middle after {bytes} bytes; the export was interrupted or \
                 the disk is full, export again"
            ),
            Self::Corrupt { path, detail } => {
                write!(f, "{path} is not a coverage export: {detail}; export again")
            }
            Self::WrongKind { path, found } => write!(
                f,
                "{path} holds `{found}`, expected `llvm.coverage.json.export` as written by \
                 `cargo llvm-cov report --json`"
            ),
            Self::WrongVersion { path, found } => write!(
                f,
                "{path} has export format {found}, expected 2.x or 3.x; teach src/llvm.rs the \
                 new rows or use the LLVM tools of the pinned toolchain"
            ),
            Self::SummaryOnly { path } => {
                write!(f, "{path} has no segments; export it without --summary-only")
            }
            Self::NoFiles { path } => write!(
                f,
                "{path} names no file; no instrumented binary ran, or the filter hides all"
            ),
            Self::NoBranches { path } => write!(
                f,
                "{path} has no branch in any file; build with branch coverage \
                 (RUSTC_BOOTSTRAP=1 and -Zcoverage-options=branch, see ci/coverage)"
            ),
            Self::BadRow { path, what, row } => {
                write!(f, "{path} has a {what} row that cannot be read: {row}; export again")
            }
            Self::NoSources { roots } => {
                write!(f, "no source file below {roots}; check --root and --source")
            }
            Self::WaiverSyntax { path, line, detail } => write!(f, "{path}:{line}: {detail}"),
            Self::BadDate { found } => {
                write!(f, "`{found}` is not a date, expected YYYY-MM-DD such as 2027-01-31")
            }
        }
    }
}

impl std::error::Error for Error {}
