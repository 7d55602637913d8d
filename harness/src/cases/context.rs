//! The running test as its body sees it: name, seed, sub-results.
//!
//! 1. In a forked child there is one test per process, visible from all its threads.
//! 2. In-process tests are visible from their own thread only.

use std::cell::RefCell;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::account::{Subtest, SubtestState};
use crate::random;

/// Sub-results one test may record; a suite with more is a mistake worth hearing about.
const MAX_SUBTESTS: usize = 100_000;

/// One running test.
pub(crate) struct Context {
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

/// Adds a sub-result to the running test's ledger record. The sub-result does not decide the test's verdict.
///
/// # Panics
/// Outside a test, and at the 100 001st sub-result.
pub fn record_subtest(name: impl Into<String>, state: SubtestState, duration_us: u64) {
    let context = current();
    let mut notes = context.notes();
    assert!(notes.subtests.len() < MAX_SUBTESTS, "more than {MAX_SUBTESTS} sub-results");
    notes.subtests.push(Subtest { name: name.into(), state, duration_us });
}

/// The threads that see a running test.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    /// All threads of the process: the test has the process for itself.
    Process,
    /// The calling thread: the test shares the process.
    Thread,
}

/// Makes a test the running one.
pub(crate) fn enter(name: &str, run_seed: u64, scope: Scope) -> Arc<Context> {
    let context = Arc::new(Context { name: name.to_owned(), run_seed, notes: Mutex::default() });
    match scope {
        Scope::Process => drop(PROCESS_WIDE.set(context.clone())),
        Scope::Thread => OF_THREAD.set(Some(context.clone())),
    }
    context
}

/// Ends [`enter`] for the calling thread: the sub-results, and whether the seed was used.
pub(crate) fn leave(context: &Context) -> (Vec<Subtest>, bool) {
    OF_THREAD.set(None);
    let mut notes = context.notes();
    (std::mem::take(&mut notes.subtests), notes.seed_used)
}
