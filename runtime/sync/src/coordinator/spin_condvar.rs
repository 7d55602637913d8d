//! What threads wait for: each looks for a moment whether it comes, and sleeps if it does not.
//!
//! Waking a thread that sleeps takes as long as a small collection. Threads that slept through each of
//! them would hardly run between two: whoever is awake fills its nursery in that time and asks for the
//! next one.

use crate::shim::{Condvar, Mutex, MutexGuard, RelaxedPeek, wait};

/// A condition on what a mutex guards. Whoever may have changed it for somebody tells so.
pub(super) struct SpinCondvar {
    sleepers: Condvar,
    peek: RelaxedPeek,
}

impl SpinCondvar {
    pub fn new() -> Self {
        Self { sleepers: Condvar::new(), peek: RelaxedPeek::default() }
    }

    /// Waits, with the guard given back meanwhile, until `is_blocked` no longer holds.
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

    /// Tells one that waits.
    pub fn notify_one(&self) {
        self.peek.notify();
        self.sleepers.notify_one();
    }

    /// Tells all that wait.
    pub fn notify_all(&self) {
        self.peek.notify();
        self.sleepers.notify_all();
    }
}
