//! What every process of a run knows before the first fork: the tests and the rules of the run.

use std::path::PathBuf;
use std::time::Duration;

use super::groups::{self, Groups};
use crate::cases::definition::TestDefinition;

/// Time limit of a test that names none, in milliseconds.
pub const DEFAULT_LIMIT_MS: u64 = 60_000;
/// Time limit of building a fixture that names none, and of tearing it down, in milliseconds.
pub const DEFAULT_FIXTURE_LIMIT_MS: u64 = 60_000;
/// Time between SIGTERM and SIGKILL at the time limit, in milliseconds.
pub const DEFAULT_GRACE_MS: u64 = 1_000;
/// Time that processes of a test get to end after it, in milliseconds: one that was asked to end or
/// killed takes a moment to vanish, and that is no leak.
pub const DEFAULT_LEAK_GRACE_MS: u64 = 500;
/// Tests that fill so much memory that what a fork copies of it counts.
const MANY_TESTS: usize = 2_000;
/// No limit is longer, in milliseconds; 30 days.
pub const LIMIT_MAX_MS: u64 = 30 * 24 * 3_600_000;

/// Fixed for the whole run.
pub struct Plan {
    /// All tests of the binary, sorted by name.
    pub tests: Vec<TestDefinition>,
    /// Which tests share the processes that build their fixtures.
    pub groups: Groups,
    /// Seed from which every test's seed is derived.
    pub run_seed: u64,
    /// Whether output is captured (not `--nocapture`).
    pub capture: bool,
    /// Whether the output of green tests is kept as well (`--show-output`).
    pub keep_output: bool,
    /// Limit of a test that names none, in milliseconds, before scaling.
    pub default_limit_ms: u64,
    /// Factor on all limits, for slow builds; positive and finite.
    pub time_scale: f64,
    /// Directory under which every test gets its own `TMPDIR`.
    pub scratch: PathBuf,
}

impl Plan {
    /// Whether the tests fill so much memory that huge pages make forks faster.
    pub fn has_many_tests(&self) -> bool {
        self.tests.len() >= MANY_TESTS
    }

    /// Time limit of a test in milliseconds.
    pub fn limit_ms(&self, test: &TestDefinition) -> u64 {
        self.scaled(test.attributes.timeout_ms.unwrap_or(self.default_limit_ms), self.time_scale)
    }

    /// Time limit of a fixture in milliseconds.
    pub fn fixture_limit_ms(&self, limit: Option<u64>) -> u64 {
        self.scaled(limit.unwrap_or(DEFAULT_FIXTURE_LIMIT_MS), self.time_scale)
    }

    /// Time between SIGTERM and SIGKILL, in milliseconds. A short limit does not make it shorter.
    pub fn grace_ms(&self) -> u64 {
        self.scaled(DEFAULT_GRACE_MS, self.time_scale.max(1.0))
    }

    /// Time that processes of a test get to end after it.
    pub fn leak_grace(&self) -> Duration {
        Duration::from_millis(self.scaled(DEFAULT_LEAK_GRACE_MS, self.time_scale.max(1.0)))
    }

    /// The longest that a test may take from request to result, its fixtures included.
    pub fn longest_ms(&self, test: usize) -> u64 {
        let test = &self.tests[test];
        let fixtures = groups::declared(test);
        let fixtures = fixtures.iter().map(|one| self.fixture_limit_ms(one.limit_ms()));
        let all = fixtures.fold(self.limit_ms(test), u64::saturating_add);
        all.saturating_add(self.grace_ms()).min(LIMIT_MAX_MS)
    }

    /// The longest that all teardowns may take.
    pub fn teardown_ms(&self) -> u64 {
        let fixtures = self.groups.all.iter().flat_map(|group| &group.fixtures);
        let limits = fixtures.map(|fixture| self.fixture_limit_ms(fixture.limit_ms()));
        limits.fold(0, u64::saturating_add).min(LIMIT_MAX_MS)
    }

    #[expect(clippy::unused_self, reason = "a rule of the plan, beside the others")]
    fn scaled(&self, milliseconds: u64, factor: f64) -> u64 {
        ((milliseconds as f64 * factor) as u64).min(LIMIT_MAX_MS)
    }
}
