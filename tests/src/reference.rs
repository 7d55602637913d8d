//! A second evaluator of the core language, written to be obviously right rather than fast.
//!
//! 1. It walks the forms, one rule of the language per branch, with the host stack as its stack;
//!    callers give it a thread with a large one.
//! 2. It shares nothing with the runtime but the reader.
//! 3. Every evaluation costs a step; a program that runs out of steps has no result.
//!
//! What it covers: literals and the quoted bit, the special forms, definitions, functions with
//! partial application and rest parameters, numbers, lists, byte strings, errors and their flow,
//! and the prelude functions that programs of the generator use. It knows no files, no time, no
//! waiting and no limits of memory.

mod builtins;
mod eval;
mod value;

pub use eval::{Interpreter, Outcome};
pub use value::{Value, display, equal, repr};

/// What a program did.
#[derive(Debug)]
pub struct Run {
    /// What it printed.
    pub output: Vec<u8>,
    /// Its last value, or the error that ended it.
    pub result: Value,
    /// Whether the language lets it do something else; see `Interpreter::open`.
    pub open: bool,
}

/// Runs a program on the reference. `None` when it did not end within `steps` evaluations.
///
/// # Panics
/// When the reference's own prelude does not run.
#[must_use]
pub fn run(text: &[u8], steps: u64) -> Option<Run> {
    let mut interpreter = Interpreter::new(u64::MAX);
    let prelude = include_bytes!("reference/prelude.valk");
    let Outcome::Value(_) = interpreter.run(prelude) else {
        panic!("the reference's prelude runs");
    };
    interpreter.steps = steps;
    match interpreter.run(text) {
        Outcome::Value(result) | Outcome::Failed(result) => {
            Some(Run { output: interpreter.output, result, open: interpreter.open })
        }
        Outcome::OutOfSteps => None,
    }
}

/// Host stack of a thread that runs the reference, in bytes.
const STACK_BYTES: usize = 1 << 30;

/// Does work that runs the reference on a thread with a stack large enough for it.
///
/// # Panics
/// When the work does, or no thread can be made.
pub fn on_large_stack<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let builder = std::thread::Builder::new().name("reference".into()).stack_size(STACK_BYTES);
        let thread = builder.spawn_scoped(scope, work).expect("a thread");
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}
