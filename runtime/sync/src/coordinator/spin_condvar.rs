//! A condition variable whose waiters spin for a moment before they park.
//!
//! Waking a parked thread takes as long as a small collection. If waiters parked at each
//! collection, they would hardly run between two: the threads that stayed awake would fill their
//! nurseries in that time and request the next one.

use crate::shim::{Condvar, Mutex, MutexGuard, RelaxedPeek, wait};

/// A condition on what a mutex guards. A thread that may have made it true notifies.
pub(super) struct SpinCondvar {
    sleepers: Condvar,
    peek: RelaxedPeek,
}

impl SpinCondvar {
    pub fn new() -> Self {
        Self { sleepers: Condvar::new(), peek: RelaxedPeek::default() }
    }

    /// Waits, without the lock, until `is_blocked` no longer holds.
    pub fn wait_while<'a, T>(
        &self,
        mutex: &'a Mutex<T>,
        mut guard: MutexGuard<'a, T>,
        is_blocked: impl Fn(&T) -> bool,
    ) -> MutexGuard<'a, T> {
        if is_blocked(&guard) {
            guard = self.peek.spin(mutex, guard);
        }
        while is_blocked(&guard) {
            guard = wait(&self.sleepers, guard);
        }
        guard
    }

    /// Wakes one waiter.
    pub fn notify_one(&self) {
        self.peek.notify();
        self.sleepers.notify_one();
    }

    /// Wakes all waiters.
    pub fn notify_all(&self) {
        self.peek.notify();
        self.sleepers.notify_all();
    }
}
