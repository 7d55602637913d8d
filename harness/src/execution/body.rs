//! Runs the body of a test to its end and tells how it ended.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::cases::account::{Account, BodyOutcome};
use crate::cases::context::{self, Scope};
use crate::cases::definition::{Body, TestDefinition};
use crate::cases::{fixture, panics};

/// Runs a body in its context.
pub fn run(test: &TestDefinition, run_seed: u64, scope: Scope) -> Account {
    let context = context::enter(&test.name, run_seed, scope);
    panics::forget();
    if scope == Scope::Process {
        panics::watch_other_threads();
    }
    let ended = catch_unwind(AssertUnwindSafe(|| __rust_begin_short_backtrace(&test.body)));
    let mut outcome = match ended {
        Ok(()) => BodyOutcome::Passed,
        Err(payload) => panics::outcome_of(payload),
    };
    if let Some(part) = test.attributes.should_panic {
        outcome = expect_panic(outcome, part);
    }
    let mut thread_panics = Vec::new();
    if scope == Scope::Process {
        // What the test built without declaring it ends with the test.
        if let (Some(failure), BodyOutcome::Passed) =
            (fixture::tear_down_here().into_iter().next(), &outcome)
        {
            outcome = BodyOutcome::Failed { message: failure, file: String::new(), line: 0 };
        }
        thread_panics = panics::thread_panics();
    }
    let (subtests, seed_used) = context::leave(&context);
    Account { outcome, subtests, seed_used, thread_panics }
}

/// The end of a body that must panic.
fn expect_panic(outcome: BodyOutcome, part: &str) -> BodyOutcome {
    match outcome {
        BodyOutcome::Passed => BodyOutcome::Failed {
            message: "the test did not panic, as #[should_panic] expects".into(),
            file: String::new(),
            line: 0,
        },
        BodyOutcome::Failed { message, .. } if message.contains(part) => BodyOutcome::Passed,
        BodyOutcome::Failed { message, file, line } => {
            let message = format!("expected a panic with {part:?}, found: {message}");
            BodyOutcome::Failed { message, file, line }
        }
        skipped @ BodyOutcome::Skipped(_) => skipped,
    }
}

/// std ends short backtraces at a frame of this name: the frames below belong to the harness.
#[inline(never)]
fn __rust_begin_short_backtrace(body: &Body) {
    match body {
        Body::Function(body) => body(),
        Body::Closure(body) => body(),
    }
    std::hint::black_box(()); // keeps the call above from becoming a tail call without a frame
}
