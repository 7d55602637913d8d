//! Random programs on the reference evaluator and on the runtime: what they print must be equal.

use super::shrink::shrink;
use super::source::{Form, text};
use super::{generate, watchdog};
use crate::reference;
use std::panic::{AssertUnwindSafe, catch_unwind};
use valk_heap::{Config, Stress};
use valk_lang::{NoWaiting, Output, Ran, Runtime, display};
use valk_vm::JIT_CALLS_DEFAULT;

/// Evaluations after which a program is given up.
const STEPS_MAX: u64 = 20_000;

/// How a program came out.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Both printed the same.
    Same,
    /// The reference ran out of steps; the runtime did not run it.
    Endless,
    /// They differ where the language leaves that open.
    Open,
    /// They differ: reference and runtime.
    Different(String, String),
}

/// What the runtime prints for a program, then the display of its result or error. Not
/// the repr: it shows the bodies of the prelude's functions, which differ from the reference's.
#[must_use]
pub fn run(text: &[u8], way: &Way) -> Vec<u8> {
    let mut runtime = Runtime::new(way.config.clone(), Output::memory()).expect("a heap");
    runtime.vm().jit_calls = way.jit_calls;
    let ran = runtime.run_text("program", text, &mut NoWaiting);
    let mut out = runtime.take_output();
    let (Ran::Value(value) | Ran::Failed(value, _)) = ran;
    out.extend_from_slice(&display(&runtime.vm().heap, value));
    out
}

/// When the runtime collects garbage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Collections {
    /// When memory asks for it.
    Calm,
    /// At every place where one may happen.
    Everywhere,
    /// At random, with the seed of the program, in a small nursery.
    Random,
}

/// How the runtime runs a program.
#[derive(Debug)]
pub struct Way {
    /// The heap.
    pub config: Config,
    /// Calls after which a function gets native code.
    pub jit_calls: u32,
}

/// Numbers of calls that seeds take turns with: at once, in the midst of a program, seldom.
const JIT_CALLS: [u32; 3] = [0, 5, JIT_CALLS_DEFAULT];

impl Collections {
    fn way(self, seed: u64) -> Way {
        let jit_calls = JIT_CALLS[(seed % JIT_CALLS.len() as u64) as usize];
        Way { config: self.config(seed), jit_calls }
    }

    fn config(self, seed: u64) -> Config {
        let config = Config::default();
        match self {
            Collections::Calm => config,
            Collections::Everywhere => Config { stress: Stress::EverySafepoint, ..config },
            Collections::Random => {
                Config { stress: Stress::Random { seed }, nursery_bytes: 64 << 10, ..config }
            }
        }
    }
}

/// Compares one program.
#[must_use]
pub fn compare(program: &[Form], way: &Way) -> Verdict {
    let text = text(program);
    watchdog::note(Some(text.clone()));
    let Some(expected) = reference::run(text.as_bytes(), STEPS_MAX) else {
        return Verdict::Endless;
    };
    let open = expected.open;
    let expected = [expected.output, reference::display(&expected.result)].concat();
    let actual = catch_unwind(AssertUnwindSafe(|| run(text.as_bytes(), way)));
    let actual = actual.unwrap_or_else(|_| b"the runtime panicked".to_vec());
    if actual == expected {
        return Verdict::Same;
    }
    if open {
        return Verdict::Open;
    }
    let readable = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Verdict::Different(readable(&expected), readable(&actual))
}

/// What a campaign did.
#[derive(Debug, Default)]
pub struct Tally {
    /// Programs compared.
    pub compared: u64,
    /// Programs given up.
    pub endless: u64,
    /// Programs that came out differently, as the language allows.
    pub open: u64,
    /// Reports of the failures, at most `FAILURES_MAX`.
    pub failures: Vec<String>,
}

impl Tally {
    /// Programs tried, failures aside.
    #[must_use]
    pub fn tried(&self) -> u64 {
        self.compared + self.endless + self.open
    }
}

/// Failures after which a campaign ends.
const FAILURES_MAX: usize = 5;

/// Compares the programs of seeds from `first` on while `more` says so; stops after a few
/// failures. Runs on a thread with a large stack.
pub fn campaign(
    first: u64,
    collections: Collections,
    more: impl FnMut(&Tally) -> bool + Send,
) -> Tally {
    reference::on_large_stack(|| seeds(first, collections, more))
}

fn seeds(first: u64, collections: Collections, mut more: impl FnMut(&Tally) -> bool) -> Tally {
    let mut tally = Tally::default();
    let mut seed = first;
    while tally.failures.len() < FAILURES_MAX && more(&tally) {
        let program = generate::program(seed);
        let way = collections.way(seed);
        match compare(&program, &way) {
            Verdict::Same => tally.compared += 1,
            Verdict::Endless => tally.endless += 1,
            Verdict::Open => tally.open += 1,
            Verdict::Different(..) => tally.failures.push(report(seed, &program, &way)),
        }
        watchdog::note(None);
        seed += 1;
    }
    tally
}

/// A failure made small, with the seed and both outputs.
fn report(seed: u64, program: &[Form], way: &Way) -> String {
    let differs = |forms: &[Form]| matches!(compare(forms, way), Verdict::Different(..));
    let small = shrink(program, differs);
    let Verdict::Different(expected, actual) = compare(&small, way) else {
        unreachable!("shrinking keeps the failure");
    };
    let text = text(&small);
    format!("seed {seed}\n{text}--- reference\n{expected}\n--- runtime\n{actual}\n")
}
