//! The job of a forked process: one run of one test, from its identity to its token.
//!
//! The token is sent after the body has ended and its output has been flushed; then the process ends
//! without destructors or exit handlers. `LeakSanitizer`, whose check is an exit handler, is asked first.

use std::io::{self, Write};
use std::os::fd::{AsRawFd, IntoRawFd, RawFd};

use super::plan::Plan;
use crate::cases::account::{Account, BodyOutcome};
use crate::cases::definition::TestDefinition;
use crate::ffi::{self, Pid, descriptors};
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

/// The writing end of the token's pipe, in a process whose test may close any descriptor.
///
/// The number is used only while it still leads to the pipe. Otherwise the pipe is opened again
/// through the supervisor, which holds the other end.
pub struct TokenPipe {
    number: RawFd,
    identity: Option<(u64, u64)>,
    supervisor: Pid,
    /// The supervisor's descriptor of the other end.
    reader: RawFd,
}

impl TokenPipe {
    /// Takes the pipe over; `reader` is the supervisor's descriptor of the other end.
    pub fn new(writer: io::PipeWriter, supervisor: Pid, reader: RawFd) -> Self {
        let identity = descriptors::file_identity(writer.as_raw_fd());
        Self { number: writer.into_raw_fd(), identity, supervisor, reader }
    }
}

impl Write for TokenPipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if descriptors::file_identity(self.number) == self.identity {
            descriptors::write_some(self.number, bytes)
        } else {
            let path = format!("/proc/{}/fd/{}", self.supervisor, self.reader);
            std::fs::OpenOptions::new().write(true).open(path)?.write(bytes)
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Sends the account and ends the process.
pub fn finish(mut account: Account, identity: Identity, token: impl Write) -> ! {
    account.outcome = without_leaks(account.outcome, ffi::memory::has_leaks);
    let _ = io::stdout().flush();
    let _ = io::stderr().flush();
    let sent = token::send(token, identity, &account);
    ffi::exit_now(match (sent, &account.outcome) {
        (Ok(()), BodyOutcome::Passed | BodyOutcome::Skipped(_)) => 0,
        _ => RED_STATUS,
    })
}

/// The outcome of a body that must not leak memory either; a body that did not pass is not asked.
pub(crate) fn without_leaks(outcome: BodyOutcome, has_leaks: fn() -> bool) -> BodyOutcome {
    if outcome == BodyOutcome::Passed && has_leaks() {
        let message = "LeakSanitizer found memory leaks; its report is in stderr".into();
        return BodyOutcome::Failed { message, file: String::new(), line: 0 };
    }
    outcome
}
