//! A task with its completion: run once, or dropped and reported as such (rules 1 and 8).

use super::Handle;
use crate::completion::Completion;
use crate::shim::{Arc, catch_panic};
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
        let completion = Arc::new(Completion::new());
        let handle = Handle::new(Arc::clone(&completion));
        (Self(Box::new(Job { function: Some(function), completion })), handle)
    }

    /// Runs the task and tells its observers; whether any of that panicked.
    pub(super) fn run(self) -> bool {
        catch_panic(|| self.0.run()).unwrap_or_else(|payload| {
            Panicked::new(payload);
            true
        })
    }

    /// Drops the task unrun and tells its observers; whether any of that panicked.
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
        let function = job.and_then(|mut job| job.function.take());
        function.expect("rule 2 of executor: the refused task is the one that was submitted")
    }
}

/// What all tasks can do. Dropping one that has not run is the third way to end.
trait Run: Any + Send {
    /// Runs the task; whether it panicked.
    fn run(self: Box<Self>) -> bool;
}

struct Job<F, T> {
    /// `None` once it was called or handed back.
    function: Option<F>,
    completion: Arc<Completion<T, Panicked>>,
}

impl<F, T> Run for Job<F, T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + Sync + 'static,
{
    fn run(mut self: Box<Self>) -> bool {
        let function = self.function.take().expect("rule 1 of executor: a task runs once");
        let (first, panicked) = match catch_panic(function) {
            Ok(value) => (self.completion.resolve(value).is_ok(), false),
            Err(payload) => (self.completion.reject(Panicked::new(payload)).is_ok(), true),
        };
        assert!(first, "rule 1 of executor: a task ends once");
        panicked
    }
}

impl<F, T> Drop for Job<F, T> {
    fn drop(&mut self) {
        let Some(function) = self.function.take() else { return };
        let destroyed = catch_panic(|| drop(function));
        let first = self.completion.cancel().is_ok();
        assert!(first, "rule 1 of executor: a task ends once");
        if let Err(payload) = destroyed {
            resume_unwind(payload);
        }
    }
}
