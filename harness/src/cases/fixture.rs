//! Session fixtures: values that are expensive to build and shared by many tests.
//!
//! 1. A fixture named by a selected test (`#[fixture = NAME]`) is built once, in the zygote, before
//!    any test is forked; every test sees it copy-on-write.
//! 2. A fixture that no selected test names is never built.
//! 3. A fixture must not start threads: only the forking thread exists in a test.
//!
//! A failed build fails the tests that ask for the value, with the reason.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::OnceLock;

use super::panics::panic_text;

/// A value built once per run: `static HEAP: Fixture<Heap> = Fixture::new("heap", warm_heap);`
pub struct Fixture<T: 'static> {
    name: &'static str,
    build: fn() -> T,
    value: OnceLock<Result<T, String>>,
}

impl<T: Send + Sync> Fixture<T> {
    /// Declares a fixture; `build` runs later, at most once per process.
    pub const fn new(name: &'static str, build: fn() -> T) -> Self {
        Self { name, build, value: OnceLock::new() }
    }

    /// The value; built here and now if the test did not declare `#[fixture = …]`.
    ///
    /// # Panics
    /// If building it panicked; the message carries that panic's message.
    #[track_caller]
    pub fn get(&self) -> &T {
        match self.built() {
            Ok(value) => value,
            Err(reason) => panic!("session fixture `{}` could not be built: {reason}", self.name),
        }
    }

    fn built(&self) -> &Result<T, String> {
        self.value.get_or_init(|| {
            catch_unwind(AssertUnwindSafe(self.build))
                .map_err(|payload| panic_text(payload.as_ref()))
        })
    }
}

/// A fixture of any type, as the zygote builds it.
pub trait SessionFixture: Sync {
    /// Name for messages.
    fn name(&self) -> &'static str;
    /// Builds the value; a failure is kept for the tests that ask for it.
    fn prepare(&self);
}

impl<T: Send + Sync> SessionFixture for Fixture<T> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn prepare(&self) {
        let _ = self.built();
    }
}
