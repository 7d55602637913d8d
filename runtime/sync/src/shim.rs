//! The only place that names atomics, fences, tracked cells, shared ownership and threads.
//!
//! 1. Normally everything is `std`; under `cfg(valk_loom)` it is loom's double, which explores all
//!    interleavings of a few threads; under `cfg(valk_shuttle)` it is shuttle's, which tries random
//!    interleavings of many threads and treats every ordering as the strongest.
//! 2. All three offer the same names, so the code above does not depend on which one it got.
//! 3. `SingleWriter…` is for atomics with one writer that never loads them; anything else is
//!    `Atomic…`. To `std` they are the same, to loom they are not. `Statistic…` is for counters on
//!    which no structure depends; loom does not see them.
//! 4. [`reached_if`] and [`ReachedFlag`] let a model check that a state occurred, and
//!    [`AccessProbe`] that atomic accesses were ordered. They cost nothing in a normal build.
//!
//! For this crate and its models; other crates use the structures built on it.

pub use std::sync::atomic::Ordering;

use std::sync::PoisonError;
use std::time::Instant;

#[cfg(not(any(valk_loom, valk_shuttle)))]
pub use native::*;

#[cfg(valk_shuttle)]
pub use scheduled::*;

#[cfg(valk_loom)]
pub use modelled::*;

#[cfg(any(valk_loom, valk_shuttle))]
pub use untimed::RelaxedPeek;

/// Locks `mutex`, poisoned or not: the structures of this crate abort where a panic would leave
/// their state half-changed, and their critical sections call no code of their users.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Unlocks, sleeps until `condition` is notified, and locks again. May wake early.
pub fn wait<'a, T>(condition: &Condvar, guard: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
    condition.wait(guard).unwrap_or_else(PoisonError::into_inner)
}

/// As [`wait`], but not beyond `deadline`, if there is one: `false` beside the guard says that it
/// has passed, and then the thread did not sleep. In a model only a deadline that has passed has a
/// meaning: loom knows no time, so any other is never reached.
pub fn wait_until<'a, T>(
    condition: &Condvar,
    guard: MutexGuard<'a, T>,
    deadline: Option<Instant>,
) -> (MutexGuard<'a, T>, bool) {
    let Some(deadline) = deadline else {
        return (wait(condition, guard), true);
    };
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return (guard, false);
    }
    let slept = condition.wait_timeout(guard, left).unwrap_or_else(PoisonError::into_inner);
    (slept.0, true)
}

#[cfg(not(valk_loom))]
#[cfg_attr(valk_shuttle, expect(unused, reason = "`scheduled` has its own of most"))]
mod native {
    pub use std::sync::Arc;
    pub use std::sync::atomic::{AtomicIsize, AtomicIsize as SingleWriterIsize};
    pub use std::sync::atomic::{AtomicPtr, AtomicPtr as SingleWriterPtr, fence};
    pub use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize};
    pub use std::sync::atomic::{AtomicU64 as StatisticU64, AtomicUsize as SingleWriterUsize};
    pub use std::sync::{Condvar, Mutex, MutexGuard};

    use crate::limits::{SPIN_MAX, SPINS_BEFORE_YIELD};
    use std::sync::atomic::Ordering;
    use std::time::Instant;

    /// Spawning, parking and yielding.
    pub mod thread {
        pub use std::thread::{Builder, JoinHandle, Thread, current, park, spawn, yield_now};
    }

    pub use std::thread_local;

    /// Runs `call`; the payload of its panic if it panics. What `call` leaves half-changed is the
    /// caller's concern.
    ///
    /// # Errors
    ///
    /// The payload of the panic.
    pub fn catch_panic<R>(call: impl FnOnce() -> R) -> std::thread::Result<R> {
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(call))
    }

    /// Interior mutability whose accesses loom can track, hence closures instead of `get`.
    #[derive(Debug, Default)]
    #[repr(transparent)]
    pub struct UnsafeCell<T>(std::cell::UnsafeCell<T>);

    impl<T> UnsafeCell<T> {
        /// Wraps `value`.
        pub const fn new(value: T) -> Self {
            Self(std::cell::UnsafeCell::new(value))
        }

        /// Runs `access` on a pointer for reading. Dereferencing it is the caller's obligation:
        /// no writer may be active.
        pub fn with<R>(&self, access: impl FnOnce(*const T) -> R) -> R {
            access(self.0.get())
        }

        /// Runs `access` on a pointer for writing. Dereferencing it is the caller's obligation:
        /// no other access may be active.
        pub fn with_mut<R>(&self, access: impl FnOnce(*mut T) -> R) -> R {
            access(self.0.get())
        }
    }

    /// A flag for `reached_if`; in a normal build it has no size and is never set.
    #[derive(Debug, Default)]
    pub struct ReachedFlag(());

    impl ReachedFlag {
        /// Sets the flag, in a model.
        #[inline]
        pub fn set(&self) {}

        /// Whether the flag was set, in a model.
        #[inline]
        pub fn is_set(&self) -> bool {
            false
        }
    }

    /// Has loom check, in a model, that accesses are ordered; has no size in a normal build.
    #[derive(Debug, Default)]
    pub struct AccessProbe(());

    impl AccessProbe {
        /// Records a read.
        #[inline]
        pub fn read(&self) {}

        /// Records a write.
        #[inline]
        pub fn write(&self) {}
    }

    /// A notification counter that a waiter spins on before it parks. No correctness depends on it:
    /// the waiter checks its condition again under the mutex.
    #[derive(Debug, Default)]
    pub struct RelaxedPeek {
        notifications: AtomicU64,
    }

    impl RelaxedPeek {
        /// Counts a notification.
        pub fn notify(&self) {
            self.notifications.fetch_add(1, Ordering::Relaxed);
        }

        /// Unlocks, spins until a notification or for a bounded time, and locks again. After some
        /// spins it yields to other threads.
        pub fn spin<'a, T>(
            &self,
            mutex: &'a Mutex<T>,
            guard: MutexGuard<'a, T>,
        ) -> MutexGuard<'a, T> {
            let seen = self.notifications.load(Ordering::Relaxed);
            drop(guard);
            let begin = Instant::now();
            let mut spins = 0_u32;
            while self.notifications.load(Ordering::Relaxed) == seen {
                spins += 1;
                if spins < SPINS_BEFORE_YIELD {
                    std::hint::spin_loop();
                } else if begin.elapsed() < SPIN_MAX {
                    std::thread::yield_now();
                } else {
                    break;
                }
            }
            mutex.lock().unwrap_or_else(super::PoisonError::into_inner)
        }
    }

    /// Records, in a model, that `state` occurred.
    #[inline]
    pub fn reached_if(_condition: bool, _state: &'static str) {}
}

/// Doubles for builds in which no time passes.
#[cfg(any(valk_loom, valk_shuttle))]
mod untimed {
    use super::{Mutex, MutexGuard};

    /// As the counter of a normal build, but no notification is ever seen.
    #[derive(Debug, Default)]
    pub struct RelaxedPeek(());

    impl RelaxedPeek {
        /// Counts a notification.
        pub fn notify(&self) {}

        /// Does not spin.
        pub fn spin<'a, T>(
            &self,
            _mutex: &'a Mutex<T>,
            guard: MutexGuard<'a, T>,
        ) -> MutexGuard<'a, T> {
            guard
        }
    }
}

/// Shuttle runs its threads as coroutines of one, which switch at the operations that it sees.
#[cfg(valk_shuttle)]
mod scheduled {
    pub use super::native::{
        AccessProbe, ReachedFlag, StatisticU64, UnsafeCell, catch_panic, reached_if,
    };
    pub use shuttle::sync::atomic::AtomicUsize as SingleWriterUsize;
    pub use shuttle::sync::atomic::{AtomicIsize, AtomicIsize as SingleWriterIsize};
    pub use shuttle::sync::atomic::{AtomicPtr, AtomicPtr as SingleWriterPtr, fence};
    pub use shuttle::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize};
    pub use shuttle::sync::{Arc, Condvar, Mutex, MutexGuard};
    pub use shuttle::thread_local;

    /// Spawning, parking and yielding.
    pub mod thread {
        pub use shuttle::thread::{Builder, JoinHandle, Thread, current, park, spawn, yield_now};
    }
}

#[cfg(valk_loom)]
mod modelled {
    pub use loom::cell::UnsafeCell;
    pub use loom::sync::Arc;
    pub use loom::sync::atomic::{AtomicIsize as SingleWriterIsize, AtomicPtr as SingleWriterPtr};
    pub use loom::sync::atomic::{AtomicUsize as SingleWriterUsize, fence};
    pub use loom::sync::{Condvar, Mutex, MutexGuard};

    use loom::sync::atomic;
    use std::collections::BTreeMap;
    use std::ops::Deref;
    use std::sync::PoisonError;
    use std::sync::atomic::{AtomicBool, Ordering, Ordering::Relaxed};

    pub use std::sync::atomic::AtomicU64 as StatisticU64;

    /// Spawning, parking and yielding.
    pub mod thread {
        pub use loom::thread::{Builder, JoinHandle, Thread, current, park, spawn, yield_now};
    }

    pub use loom::thread_local;

    /// Runs `call`. A panic in a model is a violation that loom or the model reports, so it is not
    /// caught.
    ///
    /// # Errors
    ///
    /// Never.
    pub fn catch_panic<R>(call: impl FnOnce() -> R) -> std::thread::Result<R> {
        Ok(call())
    }

    /// An integer atomic of loom's with loads that its scheduler cannot overlook.
    ///
    /// Which interleavings are worth exploring loom decides from the last access to an object.
    /// When A loads, B loads and B exchanges, B's own load hides A's, and "B exchanges before A
    /// loads" is never tried (loom 0.7.3; the `reached_if` states of the models exposed it). So
    /// each load first does a failing exchange on a companion: to the scheduler a conflict with
    /// every other load, to the memory model a relaxed read of a value that never changes, which
    /// orders nothing.
    ///
    /// [`SingleWriterIsize`] and its siblings are loom's own: their writer never loads them, so
    /// no load of its own can hide another's, and the models stay small.
    macro_rules! visible_loads {
        ($name:ident, $value:ty $(, $parameter:ident)?) => {
            /// loom's atomic of this name, with loads that its scheduler cannot overlook.
            #[derive(Debug)]
            pub struct $name $(<$parameter>)? {
                value: atomic::$name $(<$parameter>)?,
                companion: atomic::AtomicUsize,
            }

            impl $(<$parameter>)? $name $(<$parameter>)? {
                /// An atomic with `value`.
                #[track_caller]
                pub fn new(value: $value) -> Self {
                    Self { value: atomic::$name::new(value), companion: atomic::AtomicUsize::new(0) }
                }

                /// Loads the value.
                #[track_caller]
                pub fn load(&self, order: Ordering) -> $value {
                    let refused = self.companion.compare_exchange(1, 1, Relaxed, Relaxed);
                    debug_assert_eq!(refused, Err(0), "no thread writes `companion`");
                    self.value.load(order)
                }
            }

            impl $(<$parameter>)? Deref for $name $(<$parameter>)? {
                type Target = atomic::$name $(<$parameter>)?;

                fn deref(&self) -> &Self::Target {
                    &self.value
                }
            }
        };
    }

    visible_loads!(AtomicIsize, isize);
    visible_loads!(AtomicU32, u32);
    visible_loads!(AtomicUsize, usize);
    visible_loads!(AtomicU64, u64);
    visible_loads!(AtomicPtr, *mut T, T);

    /// A flag for `reached_if`. Invisible to loom: it adds no access and no happens-before edge.
    ///
    /// It also has loom report its owner when that is never dropped.
    #[derive(Debug)]
    pub struct ReachedFlag {
        set: AtomicBool,
        _leak_report: loom::alloc::Track<()>,
    }

    impl Default for ReachedFlag {
        fn default() -> Self {
            Self { set: AtomicBool::new(false), _leak_report: loom::alloc::Track::new(()) }
        }
    }

    impl ReachedFlag {
        /// Sets the flag.
        pub fn set(&self) {
            self.set.store(true, Relaxed);
        }

        /// Whether the flag was set earlier in this execution.
        pub fn is_set(&self) -> bool {
            self.set.load(Relaxed)
        }
    }

    /// Has loom check that reads and writes of a place are ordered although the place is atomic.
    ///
    /// A race is legal where the reader throws away what it read, so this is off until the model
    /// calls [`track_access_probes`]: a model in which no thief can lose.
    #[derive(Debug)]
    pub struct AccessProbe(UnsafeCell<()>);

    static TRACK_ACCESS_PROBES: AtomicBool = AtomicBool::new(false);

    /// Has every [`AccessProbe`] of this process report unordered accesses.
    pub fn track_access_probes() {
        TRACK_ACCESS_PROBES.store(true, Relaxed);
    }

    impl Default for AccessProbe {
        fn default() -> Self {
            Self(UnsafeCell::new(()))
        }
    }

    impl AccessProbe {
        /// Records a read.
        pub fn read(&self) {
            if TRACK_ACCESS_PROBES.load(Relaxed) {
                self.0.with(|_| ());
            }
        }

        /// Records a write.
        pub fn write(&self) {
            if TRACK_ACCESS_PROBES.load(Relaxed) {
                self.0.with_mut(|_| ());
            }
        }
    }

    /// How often each state was reached over all executions of this process.
    static REACHED: std::sync::Mutex<BTreeMap<&'static str, u64>> =
        std::sync::Mutex::new(BTreeMap::new());

    /// Records that `state` occurred when `condition` holds.
    pub fn reached_if(condition: bool, state: &'static str) {
        if condition {
            let mut reached = REACHED.lock().unwrap_or_else(PoisonError::into_inner);
            *reached.entry(state).or_default() += 1;
        }
    }

    /// The states recorded so far with their number of occurrences.
    pub fn reached_states() -> BTreeMap<&'static str, u64> {
        REACHED.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
