//! What the `main` of a test binary decides for all its runs.

use std::process::ExitCode;

use crate::reports::skips::Budget;

/// Rules of a test binary: `fn main() -> ExitCode { Setup::new().max_skips(3).main() }`.
///
/// A flag on the command line outweighs its rule.
#[derive(Debug, Clone, Copy, Default)]
pub struct Setup {
    budget: Budget,
}

impl Setup {
    /// The rules of [`crate::main`].
    pub fn new() -> Self {
        Self::default()
    }

    /// `--max-skips N`: a run in which more tests are skipped is red.
    #[must_use]
    pub fn max_skips(mut self, limit: u64) -> Self {
        self.budget.skips = Some(limit);
        self
    }

    /// `--max-broken N`: a run in which more tests are skipped as broken is red.
    #[must_use]
    pub fn max_broken(mut self, limit: u64) -> Self {
        self.budget.broken = Some(limit);
        self
    }

    /// Runs the tests of this binary as its command line says; the whole of its `main`.
    pub fn main(self) -> ExitCode {
        super::main_with(self)
    }

    /// How many skips a run may have.
    pub(super) fn budget(self) -> Budget {
        self.budget
    }
}
