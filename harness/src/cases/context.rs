//! The running test as seen from its body: name, seed, sub-results, and how the body ended.
//!
//! 1. In a forked child there is one test per process, visible from all its threads.
//! 2. In-process tests are visible from their own thread only.
//! 3. The panic hook notes place and message of the last panic of each thread and then lets the
//!    previous hook print it; the note becomes the failure's heading.

use std::any::Any;
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::account::{Account, Outcome, Subtest, SubtestState};
use super::definition::{Body, TestDefinition};
use super::skip::Skip;
use crate::random;

/// Sub-results one test may record; a suite with more is a mistake worth hearing about.
const MAX_SUBTESTS: usize = 100_000;

/// One running test.
struct Context {
    name: String,
    run_seed: u64,
    notes: Mutex<Notes>,
}

#[derive(Default)]
struct Notes {
    subtests: Vec<Subtest>,
    seed_used: bool,
}

static PROCESS_WIDE: OnceLock<Arc<Context>> = OnceLock::new();

thread_local! {
    static OF_THREAD: RefCell<Option<Arc<Context>>> = const { RefCell::new(None) };
    static LAST_PANIC: RefCell<Option<PanicNote>> = const { RefCell::new(None) };
}

#[derive(Clone)]
struct PanicNote {
    file: String,
    line: u32,
}

fn current() -> Arc<Context> {
    OF_THREAD
        .with_borrow(Clone::clone)
        .or_else(|| PROCESS_WIDE.get().cloned())
        .expect("called outside a test, or from another thread of an in-process test")
}

impl Context {
    fn notes(&self) -> std::sync::MutexGuard<'_, Notes> {
        // A panic while noting leaves complete entries; they stay readable.
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Name of the running test.
///
/// # Panics
/// Outside a test.
pub fn current_test() -> String {
    current().name.clone()
}

/// A seed for the running test, from the run's seed and the test's name; printed on failure.
///
/// # Panics
/// Outside a test.
pub fn seed() -> u64 {
    let context = current();
    context.notes().seed_used = true;
    random::mix(context.run_seed ^ random::hash(&context.name))
}

/// Adds a sub-result to the running test's ledger record. It does not decide the test's verdict.
///
/// # Panics
/// Outside a test, and at the 100 001st sub-result.
pub fn record_subtest(name: impl Into<String>, state: SubtestState, duration_us: u64) {
    let context = current();
    let mut notes = context.notes();
    assert!(notes.subtests.len() < MAX_SUBTESTS, "more than {MAX_SUBTESTS} sub-results");
    notes.subtests.push(Subtest { name: name.into(), state, duration_us });
}

/// Whether the test owns the process or shares it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    Process,
    Thread,
}

/// Runs a body to its end and tells how it ended.
pub(crate) fn run_body(test: &TestDefinition, run_seed: u64, scope: Scope) -> Account {
    let context = Arc::new(Context { name: test.name.clone(), run_seed, notes: Mutex::default() });
    match scope {
        Scope::Process => drop(PROCESS_WIDE.set(context.clone())),
        Scope::Thread => OF_THREAD.set(Some(context.clone())),
    }
    LAST_PANIC.set(None);
    let ended = catch_unwind(AssertUnwindSafe(|| __rust_begin_short_backtrace(&test.body)));
    OF_THREAD.set(None);
    let outcome = match ended {
        Ok(()) => Outcome::Passed,
        Err(payload) => outcome_of(payload),
    };
    let mut notes = context.notes();
    Account { outcome, subtests: std::mem::take(&mut notes.subtests), seed_used: notes.seed_used }
}

/// std ends short backtraces at a frame of this name: the frames below are ours, not the test's.
#[inline(never)]
fn __rust_begin_short_backtrace(body: &Body) {
    match body {
        Body::Function(body) => body(),
        Body::Closure(body) => body(),
    }
    std::hint::black_box(()); // keeps the call above from becoming a tail call without a frame
}

fn outcome_of(payload: Box<dyn Any + Send>) -> Outcome {
    match payload.downcast::<Skip>() {
        Ok(skip) => Outcome::Skipped(*skip),
        Err(payload) => {
            let message = panic_text(payload.as_ref());
            let (file, line) =
                LAST_PANIC.take().map_or((String::new(), 0), |note| (note.file, note.line));
            Outcome::Failed { message, file, line }
        }
    }
}

/// Text of a panic payload.
pub(crate) fn panic_text(payload: &(dyn Any + Send)) -> String {
    if let Some(text) = payload.downcast_ref::<String>() {
        text.clone()
    } else if let Some(text) = payload.downcast_ref::<&str>() {
        (*text).to_string()
    } else {
        "panic with a payload that is not text".to_string()
    }
}

/// Installs rule 3 on top of the hook in force.
pub(crate) fn note_panics() {
    let previous = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        let place = info.location().map(|at| PanicNote { file: at.file().into(), line: at.line() });
        // During thread teardown there is nobody left to read the note.
        let _ = LAST_PANIC.try_with(|last| *last.borrow_mut() = place);
        previous(info);
    }));
}
