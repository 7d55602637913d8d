//! SIGTERM and SIGINT end a program that has started a system, whatever it does.
//!
//! 1. Signals are watched on a thread of their own, so they arrive while the program computes.
//! 2. The first one stops every system and ends the program's wait (rule 3 of
//!    `executor/program.rs`). The second one ends the process at once, and so does time: a process
//!    that has not ended [`LAST_RESORT`] after the first signal is ended.
//! 3. The status is 128 and the signal's number.

use crate::executor::Pool;
use std::io;
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};

/// Numbers of the signals.
pub(crate) const SIGINT: i32 = 2;
const SIGTERM: i32 = 15;

/// How long a program has to end after a signal: the systems have 5 s to stop, its functions 2 s.
const LAST_RESORT: Duration = Duration::from_secs(9);

/// Ends the process as the signal would have.
pub(crate) fn exit(number: i32) -> ! {
    valk_log::exit(128 + number)
}

/// Watches SIGTERM, and SIGINT unless a prompt does, from now on.
///
/// # Errors
/// When the signals or the thread cannot be had.
pub(crate) fn watch(pool: &Arc<Pool>, terminations_only: bool) -> io::Result<()> {
    let pool = Arc::downgrade(pool);
    let reactor = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (mut interrupt, mut terminate) = {
        // Installed now and not on the thread: a signal may come before it runs.
        let _context = reactor.enter();
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?)
    };
    let watching = async move {
        let mut next = async || {
            tokio::select! {
                _ = interrupt.recv(), if !terminations_only => SIGINT,
                _ = terminate.recv() => SIGTERM,
            }
        };
        let first = next().await;
        let patience = arrived(&pool, first);
        tokio::select! {
            second = next() => exit(second),
            () = tokio::time::sleep(patience) => exit(first),
        }
    };
    let thread = std::thread::Builder::new().name("valk-signals".to_string());
    thread.spawn(move || reactor.block_on(watching)).map(drop)
}

/// Tells the runtime of the first signal. Returns the time that it has to end the process: none if it is
/// gone.
pub(crate) fn arrived(pool: &Weak<Pool>, number: i32) -> Duration {
    let Some(pool) = pool.upgrade() else { return Duration::ZERO };
    pool.set_signal(number);
    LAST_RESORT
}
