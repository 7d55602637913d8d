//! The job of a forked process: one run of one test, from its identity to its token.
//!
//! The token is sent after the body has ended and its output has been flushed; then the process ends
//! without destructors or exit handlers.

use std::io::{self, Write};

use super::plan::Plan;
use crate::cases::account::{Account, BodyOutcome};
use crate::cases::definition::TestDefinition;
use crate::ffi::{self, Pid};
use crate::verdicts::token::{self, Identity};

/// Exit status of a test whose body did not pass and was not skipped.
pub const RED_STATUS: i32 = 101;

/// One run of one test.
pub struct Job<'a> {
    /// The test.
    pub test: &'a TestDefinition,
    /// The identity that the token must have.
    pub identity: Identity,
    /// Rules of the run.
    pub plan: &'a Plan,
    /// Process number of the supervisor.
    pub supervisor: Pid,
}

/// Sends the account and ends the process.
pub fn finish(account: &Account, identity: Identity, token: impl Write) -> ! {
    let _ = io::stdout().flush();
    let _ = io::stderr().flush();
    let sent = token::send(token, identity, account);
    ffi::exit_now(match (sent, &account.outcome) {
        (Ok(()), BodyOutcome::Passed | BodyOutcome::Skipped(_)) => 0,
        _ => RED_STATUS,
    })
}
