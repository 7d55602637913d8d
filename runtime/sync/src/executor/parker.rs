//! Blocks a thread until another one wakes it, also if that was before.

use crate::shim::{Condvar, Mutex, lock, wait_until};
use std::sync::Arc;
use std::task::Wake;
use std::time::Instant;

/// The place where one thread blocks. A wake-up is kept until the thread has used it.
#[derive(Debug, Default)]
pub(super) struct Parker {
    is_woken: Mutex<bool>,
    changed: Condvar,
}

impl Parker {
    /// Blocks the thread until it is woken.
    pub(super) fn park(&self) {
        self.park_until(None);
    }

    /// As [`Parker::park`], but not beyond `deadline`, if there is one. Returns whether the thread
    /// was woken.
    pub(super) fn park_until(&self, deadline: Option<Instant>) -> bool {
        let mut is_woken = lock(&self.is_woken);
        let mut is_in_time = true;
        while is_in_time && !*is_woken {
            (is_woken, is_in_time) = wait_until(&self.changed, is_woken, deadline);
        }
        std::mem::take(&mut *is_woken)
    }

    /// Wakes the thread.
    pub(super) fn unpark(&self) {
        *lock(&self.is_woken) = true;
        self.changed.notify_one();
    }
}

impl Wake for Parker {
    fn wake(self: Arc<Self>) {
        self.unpark();
    }
}
