//! Requests by other threads that a mutator end its evaluation.
//!
//! 1. Every mutator has one flag. Any holder of an [`Interrupt`] sets it and then the mutator's
//!    poll flag.
//! 2. The mutator takes the request at a safepoint. Two requests before that are one.
//!
//! Does not know what an interrupted mutator does.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use valk_sync::coordinator::PollFlag;

/// Requests, from any thread, that a mutator end its evaluation.
#[derive(Debug, Clone)]
pub struct Interrupt {
    requested: Arc<AtomicBool>,
    poll_flag: PollFlag,
}

impl Interrupt {
    pub(crate) fn new(poll_flag: PollFlag) -> Interrupt {
        Interrupt { requested: Arc::default(), poll_flag }
    }

    /// Requests the end of the evaluation; the mutator sees it at its next safepoint.
    pub fn request(&self) {
        // Relaxed: the poll flag publishes it.
        self.requested.store(true, Ordering::Relaxed);
        self.poll_flag.request();
    }

    /// Takes the request. Returns false if there was none.
    pub fn take(&self) -> bool {
        self.requested.swap(false, Ordering::Relaxed)
    }

    /// Sets the mutator's poll flag for another reason than an interruption.
    pub(crate) fn request_safepoint(&self) {
        self.poll_flag.request();
    }

    /// Clears the poll flag, and sets it again while a request has not been taken.
    pub(crate) fn acknowledge(&self) {
        if self.poll_flag.acknowledge() && self.requested.load(Ordering::Relaxed) {
            self.poll_flag.request();
        }
    }
}
