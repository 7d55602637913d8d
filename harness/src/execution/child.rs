//! The first and last steps of a forked test: a clean process before the body, a token after it.
//!
//! 1. Own process group; dies with its slot; default signals; no core files.
//! 2. Empty stdin, own output pipes (unless passed through), own `TMPDIR`; the working directory is
//!    kept.
//! 3. The token is sent after the body ended and its output was flushed; then `_exit`.
//!
//! What every test inherits unchanged is set up once, in the zygote: each page that a child writes
//! is copied, and that is most of the price of a fork.

use std::fs::File;
use std::io::{self, PipeWriter, Write};
use std::os::fd::AsFd;

use super::fresh_process;
use super::plan::Plan;
use crate::cases::account::{Account, Outcome};
use crate::cases::context::{self, Scope};
use crate::cases::definition::{Isolation, TestDefinition};
use crate::ffi::{self, Pid};
use crate::verdicts::token::{self, Identity};

/// Exit status of a test whose body did not pass and was not skipped.
pub const RED_STATUS: i32 = 101;

/// Variables that steer a run; programs started by a test must not inherit them.
const RUN_VARIABLES: [&str; 6] = [
    "VALK_TEST_LEDGER_DIR",
    "VALK_TEST_JUNIT_DIR",
    "VALK_TEST_SEED",
    "VALK_TEST_ALLOW_EMPTY",
    "VALK_TEST_NO_FORK",
    "VALK_TEST_TIMEOUT_SECONDS",
];

/// What a forked process has to do.
pub struct Errand<'a> {
    pub test: &'a TestDefinition,
    pub identity: Identity,
    pub plan: &'a Plan,
    /// Process number of the slot.
    pub slot: Pid,
}

/// Runs the test in the process just forked, and ends the process.
pub fn enter(errand: &Errand<'_>, outputs: Option<(PipeWriter, PipeWriter)>, token: PipeWriter) {
    let account = prepare(errand, outputs).map_or_else(
        |error| Account::of_failure(format!("the test's process could not be set up: {error}")),
        |()| run(errand),
    );
    finish(&account, errand.identity, token)
}

/// Rule 3.
pub fn finish(account: &Account, identity: Identity, token: impl Write) -> ! {
    let _ = io::stdout().flush();
    let _ = io::stderr().flush();
    let sent = token::send(token, identity, account);
    ffi::exit_now(match (sent, &account.outcome) {
        (Ok(()), Outcome::Passed | Outcome::Skipped(_)) => 0,
        _ => RED_STATUS,
    })
}

/// The part of rules 1 and 2 that is the same for all tests. Call once, in the zygote.
pub fn prepare_for_all() -> io::Result<()> {
    ffi::reset_signals();
    for variable in RUN_VARIABLES {
        ffi::remove_env(variable);
    }
    ffi::redirect(File::open("/dev/null")?.as_fd(), 0)
}

/// The part that differs from test to test.
fn prepare(errand: &Errand<'_>, outputs: Option<(PipeWriter, PipeWriter)>) -> io::Result<()> {
    ffi::lead_own_group()?;
    ffi::die_with_parent(errand.slot)?;
    if let Some((stdout, stderr)) = outputs {
        ffi::redirect(stdout.as_fd(), 1)?;
        ffi::redirect(stderr.as_fd(), 2)?;
    }
    Ok(())
}

fn run(errand: &Errand<'_>) -> Account {
    if errand.test.attributes.isolation == Isolation::Exec {
        fresh_process::run_fresh(errand)
    } else {
        context::run_body(errand.test, errand.plan.run_seed, Scope::Process)
    }
}
