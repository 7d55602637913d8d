//! The observers of a pending operation, and how all of them are called (rules 3 to 5).

use super::Outcome;
use crate::limits::COMPLETION_OBSERVERS_MAX;
use std::vec::IntoIter;

type Observer<T, E> = Box<dyn FnOnce(&Outcome<T, E>) + Send>;

/// Observers in the order of registration.
pub(super) struct Observers<T, E>(Vec<Observer<T, E>>);

impl<T, E> Observers<T, E> {
    pub(super) const fn new() -> Self {
        Self(Vec::new())
    }

    /// Adds `observer` as the last, or hands it back.
    pub(super) fn add<F>(&mut self, observer: F) -> Result<(), F>
    where
        F: FnOnce(&Outcome<T, E>) + Send + 'static,
    {
        if self.0.len() == COMPLETION_OBSERVERS_MAX {
            return Err(observer);
        }
        self.0.push(Box::new(observer));
        Ok(())
    }

    /// All of them; none are left.
    pub(super) fn take(&mut self) -> Self {
        std::mem::replace(self, Self::new())
    }

    /// Calls each with `outcome`. When one panics, the others are called before the panic goes on;
    /// a second panic aborts the process, as in any destructor.
    pub(super) fn call(self, outcome: &Outcome<T, E>) {
        let mut calls = Calls { rest: self.0.into_iter(), outcome };
        calls.go_on();
    }
}

/// Calls that are still to be made, on any way out.
struct Calls<'a, T, E> {
    rest: IntoIter<Observer<T, E>>,
    outcome: &'a Outcome<T, E>,
}

impl<T, E> Calls<'_, T, E> {
    fn go_on(&mut self) {
        for observer in &mut self.rest {
            observer(self.outcome);
        }
    }
}

impl<T, E> Drop for Calls<'_, T, E> {
    fn drop(&mut self) {
        self.go_on();
    }
}
