//! What every process of a run knows before the first fork: the tests and the rules of the run.

use std::path::PathBuf;

use crate::cases::definition::TestDefinition;

/// Time limit of a test that names none, in milliseconds.
pub const DEFAULT_LIMIT_MS: u64 = 60_000;
/// Time between SIGTERM and SIGKILL at the time limit, in milliseconds.
pub const DEFAULT_GRACE_MS: u64 = 1_000;

/// Fixed for the whole run.
pub struct Plan {
    /// All tests of the binary, sorted by name.
    pub tests: Vec<TestDefinition>,
    /// Seed from which every test's seed is derived.
    pub run_seed: u64,
    /// Whether output is captured (not `--nocapture`).
    pub capture: bool,
    /// Whether the output of green tests is kept as well (`--show-output`).
    pub keep_output: bool,
    /// Everything runs in the runner's process: Miri, `VALK_TEST_NO_FORK`.
    pub no_fork: bool,
    /// Limit of a test that names none, in milliseconds, before scaling.
    pub default_limit_ms: u64,
    /// Factor on all limits, for slow builds.
    pub time_scale: f64,
    /// Time between SIGTERM and SIGKILL, in milliseconds.
    pub grace_ms: u64,
    /// Directory under which every test gets its own `TMPDIR`.
    pub scratch: PathBuf,
}

impl Plan {
    /// Time limit of a test in milliseconds.
    pub fn limit_ms(&self, test: &TestDefinition) -> u64 {
        let limit = test.attributes.timeout_ms.unwrap_or(self.default_limit_ms);
        (limit as f64 * self.time_scale) as u64
    }
}
