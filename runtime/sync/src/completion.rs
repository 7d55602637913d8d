//! The end of an operation: it comes once, from any thread, and everybody who asked is told.
//!
//! 1. An operation is pending until it ends in one of three ways. Under the lock the first to end
//!    it writes the outcome; anybody later is late and gets the value back. An outcome never
//!    changes.
//! 2. `settled` is set, with release, after the outcome was written. Whoever has acquired it reads
//!    the outcome without the lock, for as long as the completion lives.
//! 3. Under the lock an observer is registered or finds that the operation has ended. Whoever ends
//!    it takes all registered observers. So each is called once: by the thread that ends the
//!    operation, in the order of registration, or at once by the thread that brings it.
//! 4. No observer is called under the lock. It may use the completion, and block, and panic: then
//!    the others are called before the panic goes on.
//! 5. A completion that is dropped while pending drops its observers uncalled.
//!
//! Nobody spins. Knows outcomes and threads. Does not know what the operation was, how it is
//! cancelled, or on which thread an observer wants to run.

mod observers;

use crate::limits::COMPLETION_OBSERVERS_MAX;
use crate::shim::Ordering::{Acquire, Relaxed, Release};
use crate::shim::{AtomicUsize, Condvar, Mutex, MutexGuard, UnsafeCell, lock, reached_if};
use crate::shim::{wait, wait_until};
use observers::Observers;
use std::fmt;
use std::time::{Duration, Instant};

/// How an operation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome<T, E> {
    /// With a value.
    Resolved(T),
    /// With an error.
    Rejected(E),
    /// By the wish of somebody else.
    Cancelled,
}

/// The operation had ended already; the refused value comes back.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Late<T>(pub T);

impl<T> fmt::Debug for Late<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Late(..)")
    }
}

impl<T> fmt::Display for Late<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the operation has ended already; its first outcome stands")
    }
}

impl<T> std::error::Error for Late<T> {}

/// As many observers are registered as there may be; the refused one comes back, uncalled.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Full<F>(pub F);

impl<F> fmt::Debug for Full<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Full(..)")
    }
}

impl<F> fmt::Display for Full<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{COMPLETION_OBSERVERS_MAX} observers wait for this operation already, which is the \
             most there can be; have one of them pass the outcome on"
        )
    }
}

impl<F> std::error::Error for Full<F> {}

const PENDING: usize = 0;
const SETTLED: usize = 1;

/// Who wants to know.
struct Listeners<T, E> {
    /// Nobody once the operation has ended (rule 3).
    observers: Observers<T, E>,
    /// Threads that sleep. Most operations end without, and waking nobody is a system call too.
    asleep: usize,
}

/// Where the outcome of one operation appears, shared by reference.
pub struct Completion<T, E> {
    /// `SETTLED` once `outcome` may be read (rule 2). Stored under the lock only.
    settled: AtomicUsize,
    /// Written once, under the lock (rule 1).
    outcome: UnsafeCell<Option<Outcome<T, E>>>,
    /// Those to be told.
    listeners: Mutex<Listeners<T, E>>,
    /// Threads in [`Completion::wait`] sleep here.
    waiters: Condvar,
}

// SAFETY: the outcome comes in from one thread and is dropped by another, hence `Send`. It and the
// observers, which are `Send`, are all that is in here.
unsafe impl<T: Send, E: Send> Send for Completion<T, E> {}
// SAFETY: the outcome is written before anybody can read it (rule 2) and read by many threads at a
// time afterwards, hence `Sync`. Observers are taken out by one thread.
unsafe impl<T: Send + Sync, E: Send + Sync> Sync for Completion<T, E> {}

impl<T, E> Completion<T, E> {
    /// A pending operation without observers.
    pub fn new() -> Self {
        Self {
            settled: AtomicUsize::new(PENDING),
            outcome: UnsafeCell::new(None),
            listeners: Mutex::new(Listeners { observers: Observers::new(), asleep: 0 }),
            waiters: Condvar::new(),
        }
    }

    /// Ends the operation with `value` and calls the observers.
    ///
    /// # Errors
    ///
    /// [`Late`] with `value` when the operation had ended.
    pub fn resolve(&self, value: T) -> Result<(), Late<T>> {
        self.settle(value, Outcome::Resolved)
    }

    /// Ends the operation with `error` and calls the observers.
    ///
    /// # Errors
    ///
    /// [`Late`] with `error` when the operation had ended.
    pub fn reject(&self, error: E) -> Result<(), Late<E>> {
        self.settle(error, Outcome::Rejected)
    }

    /// Ends the operation without a value and calls the observers.
    ///
    /// # Errors
    ///
    /// [`Late`] when the operation had ended.
    pub fn cancel(&self) -> Result<(), Late<()>> {
        self.settle((), |()| Outcome::Cancelled)
    }

    /// The outcome, once there is one. Never waits.
    pub fn outcome(&self) -> Option<&Outcome<T, E>> {
        // Acquire: the outcome was written before (rule 2).
        if self.settled.load(Acquire) == PENDING {
            return None;
        }
        // SAFETY: rule 2: written before `settled` was set, never written again, and borrowed no
        // longer than `self`.
        self.outcome.with(|outcome| unsafe { &*outcome }).as_ref()
    }

    /// Whether the operation has ended.
    pub fn is_settled(&self) -> bool {
        self.outcome().is_some()
    }

    /// Has `observer` called with the outcome: by whoever ends the operation or, if it has ended,
    /// by this thread before this returns.
    ///
    /// # Errors
    ///
    /// [`Full`] with the observer when the operation is pending and [`COMPLETION_OBSERVERS_MAX`]
    /// observers are registered.
    pub fn observe<F>(&self, observer: F) -> Result<(), Full<F>>
    where
        F: FnOnce(&Outcome<T, E>) + Send + 'static,
    {
        let mut listeners = self.lock();
        if self.has_outcome(&listeners) {
            drop(listeners);
            reached_if(true, "completion: an observer came after the end");
            observer(self.settled_outcome());
            return Ok(());
        }
        listeners.observers.add(observer).map_err(Full)
    }

    /// Sleeps until the operation has ended; the outcome. A thread of the runtime does this in
    /// native code, as with anything that may take long.
    pub fn wait(&self) -> &Outcome<T, E> {
        let mut listeners = self.lock();
        while !self.has_outcome(&listeners) {
            reached_if(true, "completion: a thread waited");
            listeners.asleep += 1;
            listeners = wait(&self.waiters, listeners);
            listeners.asleep -= 1;
        }
        drop(listeners);
        self.settled_outcome()
    }

    /// As [`Completion::wait`], but at most for `timeout`: `None` when the operation is pending
    /// after that. Nothing else becomes of the operation.
    pub fn wait_for(&self, timeout: Duration) -> Option<&Outcome<T, E>> {
        // A time that the clock cannot express never comes.
        let deadline = Instant::now().checked_add(timeout);
        let mut listeners = self.lock();
        let mut in_time = true;
        while in_time && !self.has_outcome(&listeners) {
            listeners.asleep += 1;
            (listeners, in_time) = wait_until(&self.waiters, listeners, deadline);
            listeners.asleep -= 1;
        }
        drop(listeners);
        self.outcome()
    }

    /// Ends the operation with what `outcome` makes of `value`, unless it is too late.
    fn settle<V>(&self, value: V, outcome: fn(V) -> Outcome<T, E>) -> Result<(), Late<V>> {
        let mut listeners = self.lock();
        if self.has_outcome(&listeners) {
            return Err(Late(value));
        }
        // SAFETY: rule 1: the lock is held and the operation is pending, so nobody else writes;
        // rule 2: nobody reads before `settled` is set.
        self.outcome.with_mut(|place| unsafe { *place = Some(outcome(value)) });
        // Release: the outcome is there before anybody sees that it is (rule 2).
        self.settled.store(SETTLED, Release);
        let told = listeners.observers.take();
        let is_awaited = listeners.asleep > 0;
        drop(listeners);
        if is_awaited {
            self.waiters.notify_all();
        }
        told.call(self.settled_outcome());
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Listeners<T, E>> {
        lock(&self.listeners)
    }

    /// Whether the operation has ended, to the holder of the lock.
    fn has_outcome(&self, _lock: &MutexGuard<'_, Listeners<T, E>>) -> bool {
        // Relaxed: stored under the lock, which is held.
        self.settled.load(Relaxed) == SETTLED
    }

    /// The outcome, to a thread that knows that there is one.
    fn settled_outcome(&self) -> &Outcome<T, E> {
        self.outcome().expect("rule 2 of completion: the operation has ended")
    }
}

impl<T, E> Default for Completion<T, E> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T, E> fmt::Debug for Completion<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("Completion");
        out.field("is_settled", &self.is_settled()).finish_non_exhaustive()
    }
}
