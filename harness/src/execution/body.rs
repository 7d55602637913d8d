//! Runs the body of a test to its end and tells how it ended.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::cases::account::{Account, BodyOutcome};
use crate::cases::context::{self, Scope};
use crate::cases::definition::{Body, TestDefinition};
use crate::cases::panics;
use crate::cases::skip::Skip;

/// Runs a body in its context.
pub fn run(test: &TestDefinition, run_seed: u64, scope: Scope) -> Account {
    let context = context::enter(&test.name, run_seed, scope);
    drop(panics::take_last_place());
    let ended = catch_unwind(AssertUnwindSafe(|| __rust_begin_short_backtrace(&test.body)));
    let (subtests, seed_used) = context::leave(&context);
    let outcome = match ended {
        Ok(()) => BodyOutcome::Passed,
        Err(payload) => outcome_of(payload),
    };
    Account { outcome, subtests, seed_used }
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

fn outcome_of(payload: Box<dyn Any + Send>) -> BodyOutcome {
    match payload.downcast::<Skip>() {
        Ok(skip) => BodyOutcome::Skipped(*skip),
        Err(payload) => {
            let message = panics::panic_text(payload.as_ref());
            let panics::Place { file, line } = panics::take_last_place();
            BodyOutcome::Failed { message, file, line }
        }
    }
}
