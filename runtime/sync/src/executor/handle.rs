//! The end of a task: what its worker settles and what its submitter keeps.
//!
//! 1. A task has one [`Completer`], which is used up when the task ends. So the outcome is written
//!    once: before the cell is settled, and no thread reads it before.
//! 2. A thread that has found the cell settled, under the cell's lock, reads the outcome without a
//!    lock for as long as it has a handle.
//! 3. Threads that wait are woken before the first observer is called, for an observer may block.
//!    Observers are called in the order of registration, by the thread that settles.
//! 4. No observer is called under a lock. It may use the handle, and block, and panic: then the
//!    others are called before the panic goes on.
//! 5. A task that is never settled drops its observers uncalled.
//!
//! Knows the cell, threads and functions. Does not know what the task was or what runs it.

use super::Panicked;
use super::parker::Parker;
use crate::cell::{CompletionCell, End, NotSubscribed, Waiters};
use crate::limits::HANDLE_WAITERS_MAX;
use crate::shim::{Arc, UnsafeCell, reached_if};
use std::fmt;
use std::time::{Duration, Instant};

/// How a task ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TaskOutcome<T> {
    /// It returned this.
    Completed(T),
    /// It panicked.
    Panicked(Panicked),
    /// It was dropped before it began.
    Cancelled,
}

/// A function that is told how a task ended.
pub type Observer<T> = Box<dyn FnOnce(&TaskOutcome<T>) + Send>;

/// [`HANDLE_WAITERS_MAX`] waiters are registered; the refused observer comes back, uncalled.
pub struct Full<T>(pub Observer<T>);

impl<T> fmt::Debug for Full<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Full(..)")
    }
}

impl<T> fmt::Display for Full<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{HANDLE_WAITERS_MAX} observers and threads wait for this task already, which is the \
             most there can be; have one of them pass the outcome on"
        )
    }
}

impl<T> std::error::Error for Full<T> {}

/// What waits for the end of a task.
enum Waiter<T> {
    Observer(Observer<T>),
    Thread(std::sync::Arc<Parker>),
}

/// What a completer and its handles share.
struct TaskState<T> {
    cell: CompletionCell<(), Waiter<T>>,
    /// Written once, before the cell is settled (rule 1).
    outcome: UnsafeCell<Option<TaskOutcome<T>>>,
}

// SAFETY: the outcome comes in from one thread and is dropped by another, hence `Send`. It and the
// waiters, which are `Send`, are all that is in here.
unsafe impl<T: Send> Send for TaskState<T> {}
// SAFETY: the outcome is written before any thread can read it (rule 1) and read by many threads
// at a time afterwards, hence `Sync`. Waiters are taken out by one thread.
unsafe impl<T: Send + Sync> Sync for TaskState<T> {}

impl<T> TaskState<T> {
    /// The outcome, to a thread that has settled the cell, has found it settled under its lock, or
    /// was woken by the thread that settled it.
    fn settled_outcome(&self) -> &TaskOutcome<T> {
        // SAFETY: rule 1: it was written before the cell was settled, and the lock of the cell, or
        // of the parker, orders the caller after that; it is never written again, and borrowed no
        // longer than `self`.
        let outcome = self.outcome.with(|outcome| unsafe { &*outcome }).as_ref();
        outcome.expect("rule 1 of handle: the outcome is there before the end")
    }
}

/// The right and the duty to say once how a task ended. A task whose completer is dropped instead
/// stays pending for ever.
#[must_use = "a task whose completer is dropped stays pending for ever"]
pub struct Completer<T> {
    state: Arc<TaskState<T>>,
}

impl<T> Completer<T> {
    /// Ends the task, wakes the threads that wait and calls the observers.
    pub fn settle(self, outcome: TaskOutcome<T>) {
        let end = match outcome {
            TaskOutcome::Completed(_) => End::Completed(()),
            TaskOutcome::Panicked(_) => End::Failed(()),
            TaskOutcome::Cancelled => End::Cancelled,
        };
        // SAFETY: rule 1: this is the only completer, it is used up, and no thread reads before
        // the cell is settled.
        self.state.outcome.with_mut(|place| unsafe { *place = Some(outcome) });
        let waiters = self.state.cell.settle(end);
        notify(waiters.expect("rule 1 of handle: a task ends once"), &self.state);
    }
}

impl<T> fmt::Debug for Completer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Completer").finish_non_exhaustive()
    }
}

/// Wakes threads and calls observers (rules 3 and 4).
fn notify<T>(waiters: Waiters<Waiter<T>>, state: &TaskState<T>) {
    if waiters.is_empty() {
        return;
    }
    for waiter in waiters.iter() {
        if let Waiter::Thread(parker) = waiter {
            parker.unpark();
        }
    }
    let mut calls = Calls { rest: waiters.into_iter(), outcome: state.settled_outcome() };
    calls.go_on();
}

/// Calls that are still to be made, also when one of them panics. A second panic aborts the
/// process, as in any destructor.
struct Calls<'a, T, I: Iterator<Item = Waiter<T>>> {
    rest: I,
    outcome: &'a TaskOutcome<T>,
}

impl<T, I: Iterator<Item = Waiter<T>>> Calls<'_, T, I> {
    fn go_on(&mut self) {
        for waiter in &mut self.rest {
            if let Waiter::Observer(observer) = waiter {
                observer(self.outcome);
            }
        }
    }
}

impl<T, I: Iterator<Item = Waiter<T>>> Drop for Calls<'_, T, I> {
    fn drop(&mut self) {
        self.go_on();
    }
}

/// Where the end of one task appears.
///
/// Clones are handles of the same task. Dropping them leaves the task alone.
pub struct Handle<T> {
    state: Arc<TaskState<T>>,
}

impl<T> Handle<T> {
    /// A task that has not ended, and the right to end it.
    pub fn pending() -> (Completer<T>, Self) {
        let (cell, outcome) = (CompletionCell::running(), UnsafeCell::new(None));
        let state = Arc::new(TaskState { cell, outcome });
        (Completer { state: Arc::clone(&state) }, Self { state })
    }

    /// The outcome, once there is one. Never waits.
    pub fn outcome(&self) -> Option<&TaskOutcome<T>> {
        self.is_settled().then(|| self.state.settled_outcome())
    }

    /// Whether the task has ended.
    pub fn is_settled(&self) -> bool {
        self.state.cell.end().is_some()
    }

    /// Blocks the thread until the task has ended; the outcome. A thread of the runtime does this
    /// in a blocking section, as with anything that may take long.
    pub fn wait(&self) -> &TaskOutcome<T> {
        self.wait_until(None);
        self.state.settled_outcome()
    }

    /// As [`Handle::wait`], but at most for `timeout`: `None` when the task has not ended by then.
    /// The task goes on.
    pub fn wait_for(&self, timeout: Duration) -> Option<&TaskOutcome<T>> {
        // A time that the clock cannot express never comes.
        self.wait_until(Instant::now().checked_add(timeout));
        self.outcome()
    }

    fn wait_until(&self, deadline: Option<Instant>) {
        let parker = std::sync::Arc::new(Parker::default());
        let waiter = Waiter::Thread(std::sync::Arc::clone(&parker));
        let Ok(token) = self.state.cell.subscribe(waiter) else { return };
        reached_if(true, "handle: a thread waited");
        if !parker.park_until(deadline) {
            self.state.cell.unsubscribe(token);
        }
    }

    /// Has `observer` called with the outcome: by the thread that ends or drops the task or, if that
    /// has happened, by this one before this returns. A worker survives its panic, but two that
    /// panic over the same outcome abort the process.
    ///
    /// # Errors
    ///
    /// [`Full`] with the observer when too many wait.
    pub fn observe<F>(&self, observer: F) -> Result<(), Full<T>>
    where
        F: FnOnce(&TaskOutcome<T>) + Send + 'static,
    {
        let waiter = Waiter::Observer(Box::new(observer));
        match self.state.cell.subscribe_within(HANDLE_WAITERS_MAX, waiter) {
            Err(NotSubscribed::Ended(Waiter::Observer(observer), _)) => {
                reached_if(true, "handle: an observer came after the end");
                observer(self.state.settled_outcome());
                Ok(())
            }
            Err(NotSubscribed::Full(Waiter::Observer(observer))) => Err(Full(observer)),
            Ok(_) => Ok(()),
            Err(_) => unreachable!("the waiter that comes back is the one that was passed"),
        }
    }
}

impl<T> Clone for Handle<T> {
    fn clone(&self) -> Self {
        Self { state: Arc::clone(&self.state) }
    }
}

impl<T> fmt::Debug for Handle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("Handle");
        out.field("is_settled", &self.is_settled()).finish_non_exhaustive()
    }
}
