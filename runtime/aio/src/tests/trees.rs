//! Random trees of combinators in virtual time, beside a model of what they are to do.
//!
//! 1. A seed gives a program; it runs on an executor whose clock moves when nothing else does, and
//!    on the [`model`]. What they print, how each handle ends, and who still waits for it are equal.
//! 2. In the end nothing is left: no function to be called, no timer beyond those that the model
//!    has, no root.
//! 3. A failure prints the seed and the program, made smaller. `VALK_TREES_SEED` repeats it,
//!    `VALK_TREES` says how many seeds are tried from there.

#[expect(clippy::needless_pass_by_value, reason = "a model is written for its reader")]
mod model;
mod program;

use crate::handle::handle_of;
use crate::{End, Executor, system};
use model::{Model, State, Undecided};
use program::{Choices, Program, text};
use std::fmt::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};
use valk_heap::{Config, Stress, Value};
use valk_lang::{Output, Ran, Runtime};

/// When every program has ended, in virtual milliseconds.
const END_MS: u64 = 60_000_000_000;

/// How long a program with a fault is made smaller.
const SHRINKING: Duration = Duration::from_mins(1);

/// What came of a program.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    output: String,
    states: Vec<Option<State>>,
    timers: usize,
}

fn modelled(program: &Program) -> Result<Outcome, Undecided> {
    let model = Model::run(program, END_MS)?;
    let states = model.states();
    let timers = model.endless_timers();
    Ok(Outcome { output: model.output, states, timers })
}

fn state(runtime: &Runtime, value: Value) -> Option<State> {
    let vm = runtime.vm();
    let handle = handle_of(&vm.heap, value)?;
    let repr = |value| String::from_utf8(valk_lang::display(&vm.heap, value)).expect("text");
    let end = handle.cell.end();
    let is_cancelled = end == Some(End::Cancelled);
    let end = match end {
        None | Some(End::Cancelled) => None,
        Some(End::Completed(value)) => Some(Ok(repr(value))),
        Some(End::Failed(value)) => Some(Err((!value.is_undefined()).then(|| repr(value)))),
    };
    Some(State { end, is_cancelled, waiters: handle.cell.waiters() })
}

/// Runs a program on the executor.
fn run(program: &Program, stress: Stress) -> Outcome {
    let mut runtime = Runtime::new(Config::default(), Output::memory()).expect("a heap");
    let mut executor = Executor::simulated(&runtime.vm).expect("a reactor");
    runtime.vm().heap.set_stress(stress);
    let text = text(program, END_MS);
    let ran = runtime.run_text("tree", text.as_bytes(), &mut executor);
    let output = String::from_utf8(runtime.take_output()).expect("text");
    if let Ran::Failed(error, _) = ran {
        panic!("the program failed: {}\n{output}", runtime.repr(error));
    }
    let states = (0..program.names)
        .map(|name| {
            let value = {
                let mut vm = runtime.vm();
                let name = vm.intern(&format!("h{name}"));
                vm.global(name).unwrap_or(Value::NIL)
            };
            state(&runtime, value)
        })
        .collect();
    let timers = executor.check_nothing_left();
    runtime.run_text("stop", b"(aio/stop sys) (aio/run sys)", &mut executor);
    assert_eq!(executor.pending_of_systems(), 0, "a stopped system has timers");
    executor.finish(&runtime.vm);
    assert!(system::all_have_stopped(&mut runtime.vm()));
    Outcome { output, states, timers }
}

/// Whether a program has an outcome.
///
/// # Errors
/// What is wrong with it.
fn fault(program: &Program, stress: Stress) -> Result<bool, String> {
    let Ok(expected) = modelled(program) else { return Ok(false) };
    let ran = catch_unwind(AssertUnwindSafe(|| run(program, stress)));
    let got = ran.map_err(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        text.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string)).unwrap_or_default()
    })?;
    if got == expected {
        return Ok(true);
    }
    let mut report = String::new();
    for (number, (got, expected)) in lines(&got.output).zip(lines(&expected.output)).enumerate() {
        if got != expected {
            let _ = writeln!(report, "line {number}: got `{got}`, expected `{expected}`");
            break;
        }
        if got.is_empty() {
            break;
        }
    }
    for (name, (got, expected)) in got.states.iter().zip(&expected.states).enumerate() {
        if got != expected {
            let _ = writeln!(report, "h{name}: got {got:?}, expected {expected:?}");
        }
    }
    let _ = writeln!(report, "timers: got {}, expected {}", got.timers, expected.timers);
    let _ = write!(report, "--- got\n{}--- expected\n{}", got.output, expected.output);
    Err(report)
}

/// The lines of a text, and then empty ones.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().chain(std::iter::repeat(""))
}

/// A smaller program with a fault, found by leaving statements out.
fn shrunk(program: &Program, stress: Stress) -> Program {
    let mut smallest = program.clone();
    let deadline = Instant::now() + SHRINKING;
    let mut place = 0;
    let mut has_changed = false;
    loop {
        // From where the last one was found: those before it were tried.
        let found = program::smaller(&smallest)
            .into_iter()
            .enumerate()
            .skip(place)
            .find(|(_, other)| Instant::now() > deadline || fault(other, stress).is_err());
        match found {
            _ if Instant::now() > deadline => return smallest,
            Some((at, other)) => (smallest, place, has_changed) = (other, at, true),
            None if has_changed => (place, has_changed) = (0, false),
            None => return smallest,
        }
    }
}

fn stress_of(seed: u64) -> Stress {
    match seed % 16 {
        0 => Stress::EverySafepoint,
        1 | 2 => Stress::Random { seed },
        _ => Stress::Off,
    }
}

/// How many handles the program of a seed has, about.
fn size_of_seed(seed: u64) -> usize {
    let mut choices = Choices::new(!seed);
    match choices.below(64) {
        0 => 1000,
        1..8 => 100 + choices.below(200),
        8..24 => 30 + choices.below(70),
        _ => 3 + choices.below(27),
    }
}

fn check(seed: u64, size: usize) -> bool {
    let program = program::program(seed, size);
    let stress = if size > 300 { Stress::Off } else { stress_of(seed) };
    match fault(&program, stress) {
        Ok(has_outcome) => has_outcome,
        Err(_) => {
            std::panic::set_hook(Box::new(|_| {}));
            let program = shrunk(&program, stress);
            let _ = std::panic::take_hook();
            let report = fault(&program, stress).err().unwrap_or_default();
            panic!("seed {seed}, {size} handles: {report}--- program\n{}", text(&program, END_MS));
        }
    }
}

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).map_or(default, |text| text.parse().expect("a number"))
}

valk_harness::test! {
    #[timeout_ms = 86_400_000]
    fn trees_of_combinators_do_what_the_model_does() {
        let (first, many) = (number("VALK_TREES_SEED", 1), number("VALK_TREES", 60));
        let mut compared = 0;
        for seed in first..first + many {
            compared += u64::from(check(seed, size_of_seed(seed)));
        }
        println!("seeds from {first}: {compared} of {many} trees ended in time and agree");
        assert!(compared * 10 >= many * 9, "{compared} of {many} trees ended in time");
    }
}

valk_harness::test! {
    fn a_large_tree_does_what_the_model_does() {
        assert!((1..9).any(|seed| check(seed, 1000)), "none of them has an outcome");
    }

    fn a_tree_made_smaller_has_a_shorter_text() {
        let program = program::program(3, 30);
        let smaller = program::smaller(&program);
        assert!(smaller.iter().all(|other| text(other, END_MS) != text(&program, END_MS)));
        let length = text(&program, END_MS).len();
        assert!(smaller.iter().any(|other| text(other, END_MS).len() < length));
    }
}
