//! The languages whose files a gate can judge.
//!
//! Each language has a name for the unit that it counts. Does not know how the counts were obtained:
//! every reader (today [`crate::llvm`]) turns its own format into the [`crate::model`].

use serde::Serialize;

/// Language of a measured file; the thresholds are the same, the counted unit differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    /// Rust: lines and branch outcomes, counted by LLVM.
    Rust,
    /// Valk: expressions and branch outcomes, counted by the interpreter.
    Valk,
}

impl Language {
    /// The language of `path`, by its extension; `None` for anything that is never measured.
    pub fn of(path: &str) -> Option<Self> {
        match path.rsplit_once('.')?.1 {
            "rs" => Some(Self::Rust),
            "valk" => Some(Self::Valk),
            _ => None,
        }
    }

    /// What is counted besides branches, as a plural noun for messages.
    pub fn unit(self) -> &'static str {
        match self {
            Self::Rust => "lines",
            Self::Valk => "expressions",
        }
    }
}
