//! The attempts at a test: one that fails runs again, as often as the run or the test allows.
//!
//! 1. Each attempt has a process of its own, forked from the same state as the first: what an attempt
//!    changed in memory does not reach the next. So a test in the runner's process has one attempt.
//! 2. A pass after a failure is *flaky*, never a plain pass, and keeps every earlier attempt.
//! 3. Skips, and tests that did not run, are not tried again.

use super::settings::Settings;
use crate::cases::definition::TestDefinition;
use crate::options::{Options, RETRIES_MAX};
use crate::verdicts::result::TestResult;
use crate::verdicts::verdict::Verdict;

/// How often tests of a run are tried, and what a flaky one is.
#[derive(Debug, Clone, Copy)]
pub struct Attempts {
    /// For all tests, whatever they say.
    for_all: Option<u32>,
    /// For tests without a number.
    default: u32,
    /// The verdict on a flaky test.
    flaky: Verdict,
}

impl Attempts {
    /// As command line and environment say.
    pub fn new(options: &Options, settings: &Settings) -> Self {
        let is_refused = options.no_flaky || settings.no_flaky;
        Self {
            for_all: options.retries,
            default: settings.retries,
            flaky: if is_refused { Verdict::FlakyFail } else { Verdict::Flaky },
        }
    }

    /// Further attempts of a test that fails.
    pub(crate) fn retries(&self, test: &TestDefinition) -> u32 {
        let retries = self.for_all.or(test.attributes.retries).unwrap_or(self.default);
        retries.min(RETRIES_MAX)
    }

    /// Runs a test until an attempt does not fail, or no attempt is left.
    pub fn run(
        &self,
        test: &TestDefinition,
        mut attempt: impl FnMut() -> TestResult,
    ) -> TestResult {
        let mut earlier = Vec::new();
        loop {
            let result = attempt();
            let is_last = earlier.len() as u32 >= self.retries(test);
            if is_last || !result.verdict().may_change() {
                return result.after(earlier, self.flaky);
            }
            earlier.push(result);
        }
    }
}
