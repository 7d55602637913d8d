//! What a body returns: nothing, or a `Result` whose error fails the test with its causes.
//!
//! The three traits are tried in turn by the references in `__end!`: unit, an error with causes, and
//! at last anything that can be shown for debugging.

use std::cell::Cell;
use std::error::Error;
use std::fmt::{Debug, Write};

use super::panics::ReturnedError;

/// The value that a body has returned, taken out once.
pub struct Returned<T>(Cell<Option<T>>);

impl<T> Returned<T> {
    /// Keeps what a body has returned.
    pub fn new(value: T) -> Self {
        Self(Cell::new(Some(value)))
    }
}

/// The three traits, for the macro.
pub mod ends {
    pub use super::{EndByDebug, EndByError, EndOfUnit};
}

/// A body that returns nothing.
pub trait EndOfUnit {
    /// Does nothing.
    fn end(&self);
}

impl EndOfUnit for &&Returned<()> {
    fn end(&self) {}
}

/// A body that returns an error with causes, or a text.
pub trait EndByError {
    /// Fails the test for an error.
    fn end(&self);
}

impl<E: Into<Box<dyn Error>>> EndByError for &Returned<Result<(), E>> {
    fn end(&self) {
        if let Some(Err(error)) = self.0.take() {
            fail(describe(&*error.into()));
        }
    }
}

/// A body that returns anything else that can be shown.
pub trait EndByDebug {
    /// Fails the test for an error.
    fn end(&self);
}

impl<E: Debug> EndByDebug for Returned<Result<(), E>> {
    fn end(&self) {
        if let Some(Err(error)) = self.0.take() {
            fail(format!("the test returned an error: {error:?}"));
        }
    }
}

fn fail(message: String) {
    std::panic::resume_unwind(Box::new(ReturnedError(message)))
}

/// An error, and the causes below it.
pub(crate) fn describe(error: &dyn Error) -> String {
    let mut text = format!("the test returned an error: {error}");
    let mut cause = error.source();
    while let Some(error) = cause {
        let _ = write!(text, "\n  caused by: {error}");
        cause = error.source();
    }
    text
}
