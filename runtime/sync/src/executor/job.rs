//! A task with its completer: run once, or dropped and reported as such (rules 1 and 8).

use super::handle::{Completer, Handle, TaskOutcome};
use crate::shim::catch_panic;
use std::any::Any;
use std::fmt;
use std::panic::resume_unwind;

/// The panic that ended a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Panicked {
    message: String,
}

impl Panicked {
    /// What the task said when it panicked.
    pub fn message(&self) -> &str {
        &self.message
    }

    fn new(payload: Box<dyn Any + Send>) -> Self {
        let text = payload.downcast_ref::<&str>().copied();
        let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
        let message = text.unwrap_or("with a value that is no text").to_owned();
        if let Err(second) = catch_panic(|| drop(payload)) {
            // Its destructor may panic as well, and so on.
            std::mem::forget(second);
        }
        Self { message }
    }
}

impl fmt::Display for Panicked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the task panicked: {}", self.message)
    }
}

impl std::error::Error for Panicked {}

/// A task without its type.
pub(super) struct Task(Box<dyn Run>);

impl Task {
    /// `function` as a task, and the handle to it.
    pub(super) fn new<F, T>(function: F) -> (Self, Handle<T>)
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + Sync + 'static,
    {
        let (completer, handle) = Handle::pending();
        (Self(Box::new(Job(Some((function, completer))))), handle)
    }

    /// Runs the task and calls its observers. Returns whether any of that panicked.
    pub(super) fn run(self) -> bool {
        catch_panic(|| self.0.run()).unwrap_or_else(|payload| {
            Panicked::new(payload);
            true
        })
    }

    /// Drops the task unrun and calls its observers. Returns whether any of that panicked.
    pub(super) fn discard(self) -> bool {
        catch_panic(|| drop(self)).map_err(Panicked::new).is_err()
    }

    /// The function again, of a task that was made of it and not accepted.
    pub(super) fn into_function<F, T>(self) -> F
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + Sync + 'static,
    {
        let job: Box<dyn Any> = self.0;
        let job = job.downcast::<Job<F, T>>().ok();
        let parts = job.and_then(|mut job| job.0.take());
        parts.expect("rule 2 of executor: the refused task is the one that was submitted").0
    }
}

/// What all tasks can do. Dropping one that has not run is the third way to end.
trait Run: Any + Send {
    /// Runs the task. Returns whether it panicked.
    fn run(self: Box<Self>) -> bool;
}

/// The function and the completer of a task; `None` once it was called or handed back.
struct Job<F, T>(Option<(F, Completer<T>)>);

impl<F, T> Run for Job<F, T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + Sync + 'static,
{
    fn run(mut self: Box<Self>) -> bool {
        let (function, completer) = self.0.take().expect("rule 1 of executor: a task runs once");
        let (outcome, has_panicked) = match catch_panic(function) {
            Ok(value) => (TaskOutcome::Completed(value), false),
            Err(payload) => (TaskOutcome::Panicked(Panicked::new(payload)), true),
        };
        completer.settle(outcome);
        has_panicked
    }
}

impl<F, T> Drop for Job<F, T> {
    fn drop(&mut self) {
        let Some((function, completer)) = self.0.take() else { return };
        let destroyed = catch_panic(|| drop(function));
        completer.settle(TaskOutcome::Cancelled);
        if let Err(payload) = destroyed {
            resume_unwind(payload);
        }
    }
}
