//! Fixtures: values that are expensive to build and shared by tests, with an end of their own.
//!
//! 1. A fixture named by a test (`#[fixture = NAME]`) is built when the first such test is about to
//!    run, in a process from which these tests are forked; they see it copy-on-write.
//! 2. It is torn down in that process when its last test has ended, however that test ended: first
//!    the function given to [`Fixture::tear_down`], then `Drop`. Fixtures end in reverse order.
//! 3. A fixture must not start threads: only the forking thread exists in a test.
//! 4. A fixture that fails or skips, or whose process ends, concerns the tests that declare it and no
//!    others.
//!
//! A fixture that a test uses without declaring it is built, and ends, in the test's own process.

use std::any::Any;
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, PoisonError};

use super::account::BodyOutcome;
use super::panics;
use crate::ffi::static_value::StaticValue;

/// How long a fixture lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum FixtureScope {
    /// Until the last test that declares it has ended. The default.
    Session,
    /// Built again for each module of tests.
    Module,
    /// Built again for each test.
    Test,
}

/// Why a fixture has no value: its builder failed or skipped.
pub type FixtureFailure = BodyOutcome;

/// A value with a builder and an end:
/// `static HEAP: Fixture<Heap> = Fixture::new("heap", warm_heap);`
pub struct Fixture<T: 'static> {
    name: &'static str,
    build: fn() -> T,
    tear_down: Option<fn(&T)>,
    scope: FixtureScope,
    needs: &'static [&'static dyn SessionFixture],
    limit_ms: Option<u64>,
    value: StaticValue<Result<T, FixtureFailure>>,
}

thread_local! {
    /// Fixtures that this thread is building, the outermost first.
    static BUILDING: RefCell<Vec<&'static str>> = const { RefCell::new(Vec::new()) };
}

/// What this process, and the processes it was forked from, have built, in order, with the process.
static BUILT: Mutex<Vec<(u32, &'static dyn SessionFixture)>> = Mutex::new(Vec::new());

impl<T: Send + Sync> Fixture<T> {
    /// Declares a fixture; `build` runs later, at most once per process.
    pub const fn new(name: &'static str, build: fn() -> T) -> Self {
        Self {
            name,
            build,
            tear_down: None,
            scope: FixtureScope::Session,
            needs: &[],
            limit_ms: None,
            value: StaticValue::new(),
        }
    }

    /// Runs `end` when the fixture is torn down, before the value is dropped.
    #[must_use]
    pub const fn tear_down(mut self, end: fn(&T)) -> Self {
        self.tear_down = Some(end);
        self
    }

    /// How long it lives; [`FixtureScope::Session`] without this.
    #[must_use]
    pub const fn scope(mut self, scope: FixtureScope) -> Self {
        self.scope = scope;
        self
    }

    /// Fixtures that are built before this one and torn down after it; its builder may `get` them.
    #[must_use]
    pub const fn needs(mut self, needs: &'static [&'static dyn SessionFixture]) -> Self {
        self.needs = needs;
        self
    }

    /// Time limit of building and of tearing down, in milliseconds; a minute without this.
    #[must_use]
    pub const fn timeout_ms(mut self, limit: u64) -> Self {
        self.limit_ms = Some(limit);
        self
    }

    /// The value; built here and now if the test did not declare `#[fixture = …]`.
    ///
    /// # Panics
    /// If building it failed; the message carries the reason. If its builder skipped, the test that
    /// calls this skips for the same reason.
    #[track_caller]
    pub fn get(&'static self) -> &'static T {
        if self.value.get().is_none() {
            self.refuse_cycle();
        }
        match self.built() {
            Ok(value) => value,
            Err(FixtureFailure::Skipped(skip)) => {
                std::panic::resume_unwind(Box::new(skip.clone()) as Box<dyn Any + Send>)
            }
            Err(failure) => panic!("{}", describe_failure(self.name, failure)),
        }
    }

    #[track_caller]
    fn refuse_cycle(&self) {
        let path = BUILDING.with_borrow(|building| {
            let at = building.iter().position(|name| *name == self.name)?;
            Some(building[at..].join("` -> `"))
        });
        if let Some(path) = path {
            panic!("fixture `{0}` needs itself: `{path}` -> `{0}`", self.name);
        }
    }

    fn built(&'static self) -> &'static Result<T, FixtureFailure> {
        self.value.get_or_init(|| {
            BUILDING.with_borrow_mut(|building| building.push(self.name));
            let built = catch_unwind(AssertUnwindSafe(self.build));
            BUILDING.with_borrow_mut(Vec::pop);
            if built.is_ok() {
                let mut all = BUILT.lock().unwrap_or_else(PoisonError::into_inner);
                all.push((std::process::id(), self));
            }
            built.map_err(panics::outcome_of)
        })
    }
}

/// A fixture of any type, as the processes that build it see it.
pub trait SessionFixture: Sync {
    /// Name for messages.
    fn name(&self) -> &'static str;
    /// How long it lives.
    fn scope_of(&self) -> FixtureScope;
    /// Fixtures that are built before it.
    fn needed(&self) -> &'static [&'static dyn SessionFixture];
    /// Time limit of building and of tearing down, in milliseconds.
    fn limit_ms(&self) -> Option<u64>;
    /// Builds the value and says how that ended.
    ///
    /// # Errors
    /// The failure or skip of the builder, which is kept for the tests that ask for the value.
    fn prepare(&'static self) -> Result<(), FixtureFailure>;
    /// Keeps a failure that a builder could not tell: its process ended.
    fn fail(&self, failure: FixtureFailure);
    /// The failure, if there is one.
    fn failure(&self) -> Option<FixtureFailure>;
    /// Ends the value, if this process holds one.
    fn end(&self);
}

impl<T: Send + Sync> SessionFixture for Fixture<T> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn scope_of(&self) -> FixtureScope {
        self.scope
    }

    fn needed(&self) -> &'static [&'static dyn SessionFixture] {
        self.needs
    }

    fn limit_ms(&self) -> Option<u64> {
        self.limit_ms
    }

    fn prepare(&'static self) -> Result<(), FixtureFailure> {
        self.built().as_ref().map(|_| ()).map_err(Clone::clone)
    }

    fn fail(&self, failure: FixtureFailure) {
        self.value.get_or_init(|| Err(failure));
    }

    fn failure(&self) -> Option<FixtureFailure> {
        self.value.get()?.as_ref().err().cloned()
    }

    fn end(&self) {
        if let (Some(end), Some(Ok(value))) = (self.tear_down, self.value.get()) {
            end(value);
        }
        drop_value(&self.value);
    }
}

#[expect(unsafe_code, reason = "the only value of a static that is dropped")]
fn drop_value<T>(value: &StaticValue<T>) {
    // SAFETY: called for what `tear_down_here` takes from the list of this process's fixtures, after
    // the body or the builder that used it has ended; what needs it was built later and has ended.
    unsafe { value.drop_value() };
}

/// Tears down what this very process has built, the latest first; the failures, in words.
pub(crate) fn tear_down_here() -> Vec<String> {
    let mut failures = Vec::new();
    loop {
        let last = {
            let mut all = BUILT.lock().unwrap_or_else(PoisonError::into_inner);
            match all.last() {
                Some((process, _)) if *process == std::process::id() => all.pop(),
                _ => None,
            }
        };
        let Some((_, fixture)) = last else { return failures };
        if let Err(payload) = catch_unwind(AssertUnwindSafe(|| fixture.end())) {
            let text = panics::panic_text(payload.as_ref());
            failures.push(format!("fixture `{}` could not be torn down: {text}", fixture.name()));
        }
    }
}

/// A failure in words.
pub(crate) fn describe_failure(name: &str, failure: &FixtureFailure) -> String {
    match failure {
        FixtureFailure::Failed { message, .. } => {
            format!("session fixture `{name}` could not be built: {message}")
        }
        FixtureFailure::Skipped(skip) => format!("fixture `{name}` skips: {}", skip.reason),
        FixtureFailure::Passed => format!("fixture `{name}` has no value"),
    }
}

/// The same fixture, whatever its type.
pub(crate) fn is_same(one: &dyn SessionFixture, other: &dyn SessionFixture) -> bool {
    std::ptr::addr_eq(one, other)
}
