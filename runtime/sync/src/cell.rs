//! The completion cell: the state of one asynchronous operation and the waiters for its end.
//!
//! 1. An operation is `Pending`, then perhaps `Running`, then ends once: `Completed`, `Failed` or
//!    `Cancelled`. The first thread that settles it wins; a later one gets its end back.
//! 2. Checking the state and registering a waiter is one step. A waiter is returned exactly once:
//!    to the thread that settles the operation, or to the one that unsubscribes it.
//! 3. A waiter subscribes in constant time and leaves in time that grows with the logarithm of
//!    their number; an end returns them in the order in which they came.
//! 4. A request to cancel is a mark on an operation that has not ended. It ends nothing itself.
//! 5. A cell that is dropped while it is pending drops its waiters.
//!
//! The lock is never held while code of a waiter runs: waiters are returned, not called. Knows
//! states and order. Does not know what a waiter is, on which thread it runs, or what a value is.

mod waiters;

pub use waiters::{Token, Waiters};

use crate::shim::{Mutex, MutexGuard, lock, reached_if};
use std::fmt;

/// How an operation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End<T> {
    /// With a value.
    Completed(T),
    /// With the reason why there is no value.
    Failed(T),
    /// By request, before there was a value.
    Cancelled,
}

/// Where an operation is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Not begun.
    Pending,
    /// In progress.
    Running,
    /// Ended with a value.
    Completed,
    /// Ended with a failure.
    Failed,
    /// Ended by cancellation.
    Cancelled,
}

impl Status {
    /// True for the three states that never change.
    pub fn is_terminal(self) -> bool {
        matches!(self, Status::Completed | Status::Failed | Status::Cancelled)
    }
}

/// The operation had ended already; the refused end comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AlreadySettled<T>(pub End<T>);

impl<T> fmt::Display for AlreadySettled<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the operation has ended already; its first end stands")
    }
}

impl<T: fmt::Debug> std::error::Error for AlreadySettled<T> {}

/// Why a waiter was not registered; it comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotSubscribed<T, W> {
    /// The operation has ended, in this way.
    Ended(W, End<T>),
    /// As many waiters are registered as the caller allows.
    Full(W),
}

/// What the lock protects.
#[derive(Debug)]
struct Inner<T, W> {
    is_running: bool,
    is_cancel_requested: bool,
    end: Option<End<T>>,
    /// Empty once there is an end (rule 2).
    waiters: Waiters<W>,
}

/// The state of one operation, shared by reference between its producer and its waiters.
#[derive(Debug)]
pub struct CompletionCell<T, W> {
    inner: Mutex<Inner<T, W>>,
}

impl<T: Copy, W> CompletionCell<T, W> {
    /// A pending operation without waiters.
    pub fn new() -> Self {
        Self::with(false, None)
    }

    /// An operation in progress without waiters.
    pub fn running() -> Self {
        Self::with(true, None)
    }

    /// An operation that has ended.
    pub fn settled(end: End<T>) -> Self {
        Self::with(true, Some(end))
    }

    fn with(is_running: bool, end: Option<End<T>>) -> Self {
        let waiters = Waiters::new();
        Self { inner: Mutex::new(Inner { is_running, is_cancel_requested: false, end, waiters }) }
    }

    fn lock(&self) -> MutexGuard<'_, Inner<T, W>> {
        lock(&self.inner)
    }

    /// Marks a pending operation as begun. Returns false if it had begun or ended.
    pub fn start(&self) -> bool {
        let mut inner = self.lock();
        let starts = !inner.is_running && inner.end.is_none();
        inner.is_running |= starts;
        starts
    }

    /// The current state.
    pub fn status(&self) -> Status {
        let inner = self.lock();
        match inner.end {
            None if inner.is_running => Status::Running,
            None => Status::Pending,
            Some(End::Completed(_)) => Status::Completed,
            Some(End::Failed(_)) => Status::Failed,
            Some(End::Cancelled) => Status::Cancelled,
        }
    }

    /// How the operation ended, if it has.
    pub fn end(&self) -> Option<End<T>> {
        self.lock().end
    }

    /// Marks an operation that has not ended as to be cancelled. Returns false if it has ended.
    pub fn request_cancel(&self) -> bool {
        let mut inner = self.lock();
        let is_open = inner.end.is_none();
        inner.is_cancel_requested |= is_open;
        is_open
    }

    /// Whether cancellation was requested before the operation ended, or was its end.
    pub fn is_cancel_requested(&self) -> bool {
        let inner = self.lock();
        match inner.end {
            None => inner.is_cancel_requested,
            Some(end) => matches!(end, End::Cancelled),
        }
    }

    /// Ends the operation and returns its waiters, which the caller notifies.
    ///
    /// # Errors
    ///
    /// [`AlreadySettled`] with `end` if the operation had ended (rule 1).
    pub fn settle(&self, end: End<T>) -> Result<Waiters<W>, AlreadySettled<T>> {
        let mut inner = self.lock();
        if inner.end.is_some() {
            reached_if(true, "cell: an end came second");
            return Err(AlreadySettled(end));
        }
        inner.end = Some(end);
        Ok(std::mem::take(&mut inner.waiters))
    }

    /// Registers `waiter`; the token unsubscribes it.
    ///
    /// # Errors
    ///
    /// The waiter and the end, if the operation has ended (rule 2).
    pub fn subscribe(&self, waiter: W) -> Result<Token, (W, End<T>)> {
        self.subscribe_within(usize::MAX, waiter).map_err(|refusal| match refusal {
            NotSubscribed::Ended(waiter, end) => (waiter, end),
            NotSubscribed::Full(_) => unreachable!("no list has that many waiters"),
        })
    }

    /// As [`CompletionCell::subscribe`], if fewer than `waiters_max` waiters are registered.
    ///
    /// # Errors
    ///
    /// [`NotSubscribed`] with the waiter.
    pub fn subscribe_within(
        &self,
        waiters_max: usize,
        waiter: W,
    ) -> Result<Token, NotSubscribed<T, W>> {
        let mut inner = self.lock();
        if let Some(end) = inner.end {
            reached_if(true, "cell: a waiter came after the end");
            return Err(NotSubscribed::Ended(waiter, end));
        }
        if inner.waiters.len() >= waiters_max {
            return Err(NotSubscribed::Full(waiter));
        }
        Ok(inner.waiters.add(waiter))
    }

    /// Takes a registered waiter out; `None` if it was notified or taken out before.
    pub fn unsubscribe(&self, token: Token) -> Option<W> {
        let waiter = self.lock().waiters.remove(token);
        reached_if(waiter.is_none(), "cell: a waiter had been notified before it left");
        waiter
    }

    /// Exchanges a registered waiter.
    ///
    /// # Errors
    ///
    /// The new waiter, if the old one is gone.
    pub fn replace(&self, token: Token, waiter: W) -> Result<W, W> {
        match self.lock().waiters.get_mut(token) {
            Some(registered) => Ok(std::mem::replace(registered, waiter)),
            None => Err(waiter),
        }
    }

    /// Number of registered waiters.
    pub fn waiters(&self) -> usize {
        self.lock().waiters.len()
    }

    /// Calls `look` with the registered waiters, under the lock.
    pub fn with_waiters<R>(&self, look: impl FnOnce(&Waiters<W>) -> R) -> R {
        look(&self.lock().waiters)
    }

    /// The end and the waiters, to the only owner of the cell.
    pub fn get_mut(&mut self) -> (Option<&mut End<T>>, &mut Waiters<W>) {
        #[cfg(not(valk_loom))]
        {
            let inner = self.inner.get_mut().unwrap_or_else(std::sync::PoisonError::into_inner);
            (inner.end.as_mut(), &mut inner.waiters)
        }
        // loom's mutex has no such access, and no model takes it.
        #[cfg(valk_loom)]
        unreachable!("only a collector looks into a cell that it owns")
    }
}

impl<T: Copy, W> Default for CompletionCell<T, W> {
    fn default() -> Self {
        Self::new()
    }
}
