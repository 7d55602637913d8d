//! Requests of other threads to a mutator: to end what it is doing, or to let another task run.
//!
//! 1. Every mutator has a flag for each of the two. A thread that holds its [`Interrupt`] or its
//!    [`PreemptFlag`] may set it, and then requests a poll.
//! 2. The mutator takes a request when it looks at the flag. A request made twice is one.
//! 3. A request that was not taken is seen again: acknowledging the poll flag leaves it set then.
//!
//! Does not know what a mutator does when it is interrupted or preempted.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use valk_sync::coordinator::PollFlag;

/// A flag of a mutator, and the poll flag that makes the mutator look at it.
#[derive(Debug, Clone)]
struct Request {
    is_set: Arc<AtomicBool>,
    poll_flag: PollFlag,
}

impl Request {
    fn new(poll_flag: PollFlag) -> Request {
        Request { is_set: Arc::default(), poll_flag }
    }

    fn set(&self) {
        // Relaxed: the poll flag publishes it.
        self.is_set.store(true, Ordering::Relaxed);
        self.poll_flag.request();
    }

    fn is_set(&self) -> bool {
        self.is_set.load(Ordering::Relaxed)
    }

    fn take(&self) -> bool {
        self.is_set() && self.is_set.swap(false, Ordering::Relaxed)
    }
}

/// Asks a mutator, from any thread, to end what it is doing.
#[derive(Debug, Clone)]
pub struct Interrupt(Request);

impl Interrupt {
    pub(crate) fn new(poll_flag: PollFlag) -> Interrupt {
        Interrupt(Request::new(poll_flag))
    }

    /// Requests the end of the evaluation; seen at its next safepoint.
    pub fn request(&self) {
        self.0.set();
    }

    /// Withdraws a request that the mutator has not seen. Returns true if there was one.
    pub fn take(&self) -> bool {
        self.0.take()
    }

    /// The poll flag, for other reasons.
    pub(crate) fn poll_flag(&self) -> &PollFlag {
        &self.0.poll_flag
    }

    /// Whether there is a request that the mutator has not seen.
    pub fn is_requested(&self) -> bool {
        self.0.is_set()
    }
}

/// Asks a mutator, from any thread, to suspend the task that it runs.
#[derive(Debug, Clone)]
pub struct PreemptFlag(Request);

impl PreemptFlag {
    pub(crate) fn new(poll_flag: PollFlag) -> PreemptFlag {
        PreemptFlag(Request::new(poll_flag))
    }

    /// Requests that the running task be suspended; seen at its next safepoint.
    pub fn request(&self) {
        self.0.set();
    }

    /// Withdraws a request that the mutator has not seen, so that it does not reach the next task.
    /// Returns true if there was one. Costs one load when there was none.
    pub fn take(&self) -> bool {
        self.0.take()
    }

    pub(crate) fn is_requested(&self) -> bool {
        self.0.is_set()
    }
}
