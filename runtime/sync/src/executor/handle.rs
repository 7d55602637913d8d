//! What the submitter of a task keeps.

use super::Panicked;
use crate::completion::{Completion, Full, Outcome};
use crate::shim::Arc;
use std::fmt;
use std::time::Duration;

/// Where the end of one task appears: [`Outcome::Resolved`] with what it returned,
/// [`Outcome::Rejected`] when it panicked, [`Outcome::Cancelled`] when shutdown dropped it.
///
/// Clones are handles of the same task. Dropping them leaves the task alone.
pub struct Handle<T> {
    completion: Arc<Completion<T, Panicked>>,
}

impl<T> Handle<T> {
    pub(super) fn new(completion: Arc<Completion<T, Panicked>>) -> Self {
        Self { completion }
    }

    /// The outcome, once there is one. Never waits.
    pub fn outcome(&self) -> Option<&Outcome<T, Panicked>> {
        self.completion.outcome()
    }

    /// Whether the task has ended.
    pub fn is_settled(&self) -> bool {
        self.completion.is_settled()
    }

    /// Sleeps until the task has ended; the outcome.
    pub fn wait(&self) -> &Outcome<T, Panicked> {
        self.completion.wait()
    }

    /// As [`Handle::wait`], but at most for `timeout`: `None` when the task has not ended by then.
    /// The task goes on.
    pub fn wait_for(&self, timeout: Duration) -> Option<&Outcome<T, Panicked>> {
        self.completion.wait_for(timeout)
    }

    /// Has `observer` called with the outcome: by the thread that ends or drops the task or, if that
    /// has happened, by this one before this returns. A worker survives its panic, but two that
    /// panic over the same outcome abort the process.
    ///
    /// # Errors
    ///
    /// [`Full`] with the observer when too many are registered.
    pub fn observe<F>(&self, observer: F) -> Result<(), Full<F>>
    where
        F: FnOnce(&Outcome<T, Panicked>) + Send + 'static,
    {
        self.completion.observe(observer)
    }
}

impl<T> Clone for Handle<T> {
    fn clone(&self) -> Self {
        Self::new(Arc::clone(&self.completion))
    }
}

impl<T> fmt::Debug for Handle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("Handle");
        out.field("is_settled", &self.is_settled()).finish_non_exhaustive()
    }
}
