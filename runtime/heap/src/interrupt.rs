//! Requests of other threads that a mutator end what it is doing.
//!
//! 1. Every heap has a flag of its own; who holds its [`Interrupt`] may set it.
//! 2. [`PENDING`] counts the flags that are set in this process. It lies at a fixed address, so that
//!    a mutator asks for it, at calls, without following a pointer; while it is not 0, every
//!    mutator takes the longer way and looks at its own flag.
//! 3. The count changes exactly when a flag does. Nothing else is published, so no operation needs
//!    an order.
//!
//! Does not know what an interrupted mutator does.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Requests in this process that nobody has taken.
static PENDING: AtomicUsize = AtomicUsize::new(0);

/// Whether some mutator of this process has a request to look at.
#[inline(always)]
pub(crate) fn pending() -> bool {
    PENDING.load(Ordering::Relaxed) != 0
}

/// Asks a mutator, from any thread, to end what it is doing.
#[derive(Debug, Clone, Default)]
pub struct Interrupt {
    requested: Arc<AtomicBool>,
}

impl Interrupt {
    /// Requests the end of the evaluation; seen at its next safepoint.
    pub fn request(&self) {
        if !self.requested.swap(true, Ordering::Relaxed) {
            PENDING.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Takes back a request that nobody has seen; true when there was one.
    pub fn take(&self) -> bool {
        let taken = self.requested.swap(false, Ordering::Relaxed);
        if taken {
            PENDING.fetch_sub(1, Ordering::Relaxed);
        }
        taken
    }
}

/// The heap's own handle: with the heap, a request to it is gone.
#[derive(Debug, Default)]
pub(crate) struct Own(pub Interrupt);

impl Drop for Own {
    fn drop(&mut self) {
        self.0.take();
    }
}
