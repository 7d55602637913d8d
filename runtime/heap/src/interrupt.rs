//! Requests of other threads that a mutator end what it is doing.
//!
//! 1. Every mutator has a flag of its own; who holds its [`Interrupt`] may set it, and then rings
//!    the mutator's bell.
//! 2. The mutator takes the request when it looks at its flag. A request made twice is one.
//!
//! Does not know what an interrupted mutator does.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use valk_sync::coordinator::Bell;

/// Asks a mutator, from any thread, to end what it is doing.
#[derive(Debug, Clone)]
pub struct Interrupt {
    requested: Arc<AtomicBool>,
    bell: Bell,
}

impl Interrupt {
    pub(crate) fn new(bell: Bell) -> Interrupt {
        Interrupt { requested: Arc::default(), bell }
    }

    /// Requests the end of the evaluation; seen at its next safepoint.
    pub fn request(&self) {
        // Relaxed: the bell publishes it.
        self.requested.store(true, Ordering::Relaxed);
        self.bell.ring();
    }

    /// Takes back a request that nobody has seen; true when there was one.
    pub fn take(&self) -> bool {
        self.requested.swap(false, Ordering::Relaxed)
    }

    /// Rings the mutator's bell for another reason.
    pub(crate) fn ring(&self) {
        self.bell.ring();
    }

    /// Answers the bell; a request that nobody has taken rings again.
    pub(crate) fn answer(&self) {
        if self.bell.answer() && self.requested.load(Ordering::Relaxed) {
            self.bell.ring();
        }
    }
}
