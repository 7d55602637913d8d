//! The sentinel: the process that the user started, watching a runner in which tests run themselves.
//!
//! 1. The runner announces its end by a secret number on a pipe. A runner that ends with status 0
//!    without it was ended by a test: by `_exit`, or by becoming another program. That is red.
//! 2. Signals that a process sends to the sentinel are passed on; those of a terminal reach both.
//! 3. The sentinel ends as the runner did, and the runner is killed with it.
//!
//! Only needed for tests in the runner's process; without any, the runner is the user's process.

use std::io::{self, PipeReader, PipeWriter, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use super::RED;
use crate::ffi::{self, Pid, Wait, descriptors, signals};
use crate::random;

/// In the runner: how its end is announced.
pub struct Announcement {
    secret: u64,
    pipe: PipeWriter,
}

impl Announcement {
    /// Announces that the run has come to its end.
    pub fn send(&mut self) {
        let _ = self.pipe.write_all(&self.secret.to_le_bytes());
    }
}

/// Forks the runner; returns in the runner only. The caller must be single-threaded.
///
/// # Errors
/// No process or descriptor is free.
pub fn start() -> io::Result<Announcement> {
    let secret = random::secret();
    let (reader, writer) = io::pipe()?;
    let sentinel = std::process::id() as Pid;
    let mut waited = signals::INTERRUPTS.to_vec();
    waited.push(libc::SIGCHLD);
    signals::block(&waited);
    let runner = ffi::process::fork_runner()?;
    match runner {
        None => {
            signals::unblock();
            ffi::die_with_parent(sentinel)?;
            Ok(Announcement { secret, pipe: writer })
        }
        Some(runner) => {
            drop(writer);
            let status = watch(runner, &waited);
            end_like(status, announced(&reader, secret))
        }
    }
}

fn watch(runner: Pid, waited: &[i32]) -> ExitStatus {
    loop {
        let arrived = signals::wait_for(waited);
        if arrived.signal != libc::SIGCHLD {
            if arrived.by_process {
                ffi::kill(runner, arrived.signal);
            }
        } else if let Wait::Ended(_, status) = ffi::try_wait(Some(runner)) {
            return status;
        }
    }
}

/// Whether the secret is on the pipe, whatever else a test wrote to it.
fn announced(reader: &PipeReader, secret: u64) -> bool {
    let bytes = descriptors::read_available(reader);
    bytes.windows(8).any(|window| window == secret.to_le_bytes())
}

fn end_like(status: ExitStatus, is_announced: bool) -> ! {
    if let Some(signal) = status.signal() {
        eprintln!("harness: the runner was ended by signal {signal}, and with it the whole run");
        signals::end_by(signal)
    }
    if !is_announced && status.success() {
        eprintln!(
            "harness: a test that runs in the runner's process ended the whole run, or became \
             another program"
        );
        ffi::exit_now(i32::from(RED))
    }
    ffi::exit_now(status.code().unwrap_or(i32::from(RED)))
}
