//! The first and last steps of a forked test: a clean process before the body, a token after it.
//!
//! 1. Own process group; ends with its supervisor; default signals; no core files unless asked for.
//! 2. Empty stdin, own output pipes (unless passed through), own `TMPDIR`; the working directory is
//!    kept.
//! 3. The token is sent after the body has ended and its output has been flushed (`job`).
//!
//! What all tests inherit unchanged is set up once, in the zygote: each page that a child writes
//! is copied, which is most of the cost of a fork.

use std::fs::File;
use std::io::{self, PipeWriter};
use std::os::fd::AsFd;

use super::job::{Job, TokenPipe, finish};
use super::{body, fresh_process};
use crate::cases::account::Account;
use crate::cases::context::Scope;
use crate::cases::definition::Isolation;
use crate::ffi;

/// Variables that configure a run. A program that a test starts must not inherit them.
const RUN_VARIABLES: [&str; 12] = [
    "VALK_TEST_LEDGER_DIR",
    "VALK_TEST_JUNIT_DIR",
    "VALK_TEST_SEED",
    "VALK_TEST_ALLOW_EMPTY",
    "VALK_TEST_NO_FORK",
    "VALK_TEST_TIMEOUT_SECONDS",
    "VALK_TEST_RUN_ID",
    "VALK_TEST_CORE",
    "VALK_TEST_RETRIES",
    "VALK_TEST_TODAY",
    "VALK_TEST_NO_FLAKY",
    "VALK_TEST_STATE_DIR",
];

/// Set to 1, core files are as the shell's `ulimit -c` says.
const CORE_VARIABLE: &str = "VALK_TEST_CORE";

/// Runs the test in the process just forked, and ends the process.
pub fn enter(job: &Job<'_>, outputs: Option<(PipeWriter, PipeWriter)>, token: TokenPipe) {
    let account = prepare(job, outputs).map_or_else(
        |error| Account::of_failure(format!("the test's process could not be set up: {error}")),
        |()| run(job),
    );
    finish(account, job.identity, token)
}

/// The part of rules 1 and 2 that is the same for all tests. Call once, in the zygote.
pub fn prepare_for_all() -> io::Result<()> {
    ffi::signals::reset();
    if std::env::var_os(CORE_VARIABLE).is_none_or(|value| value != "1") {
        ffi::signals::forbid_core_files();
    }
    for variable in RUN_VARIABLES {
        ffi::remove_env(variable);
    }
    ffi::redirect(File::open("/dev/null")?.as_fd(), 0)
}

/// The part that differs from test to test.
fn prepare(job: &Job<'_>, outputs: Option<(PipeWriter, PipeWriter)>) -> io::Result<()> {
    ffi::lead_own_group()?;
    ffi::die_with_parent(job.supervisor)?;
    if let Some((stdout, stderr)) = outputs {
        ffi::redirect(stdout.as_fd(), 1)?;
        ffi::redirect(stderr.as_fd(), 2)?;
    }
    Ok(())
}

fn run(job: &Job<'_>) -> Account {
    if job.test.attributes.isolation == Isolation::Exec {
        fresh_process::run_fresh(job)
    } else {
        body::run(job.test, job.plan.run_seed, Scope::Process)
    }
}
