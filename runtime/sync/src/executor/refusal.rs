//! A task that was not accepted, and why.

use std::fmt;

/// Why a task was not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// There is no room for one more.
    Full,
    /// Shutdown has begun.
    ShuttingDown,
}

/// The task was not accepted and comes back, uncalled.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Refused<F> {
    /// Why.
    pub reason: Reason,
    /// The task.
    pub task: F,
}

impl<F> fmt::Debug for Refused<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Refused").field("reason", &self.reason).finish_non_exhaustive()
    }
}

impl<F> fmt::Display for Refused<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.reason {
            Reason::Full => {
                "the pool is full and did not take the task; \
                 fail the operation, or wait until a task has ended"
            }
            Reason::ShuttingDown => "the pool is shutting down and takes no further task",
        })
    }
}

impl<F> std::error::Error for Refused<F> {}
