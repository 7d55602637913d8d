//! Runs the tables of expressions and expected outputs.
//!
//! 1. Every row runs once as programs run ([`JIT_CALLS_DEFAULT`], no stress), a [`Batch`] per process.
//! 2. Every other setting runs a sample: the first row of each family, and every
//!    [`SAMPLE_STRIDE`]th row; settings begin at different rows, so together they run all.
//!
//! A family is a run of rows without a comment or an empty line between them. `ci/fuzz` runs random
//! programs in the same settings.

use crate::{Driver, NoWaiting, Output, Ran, Runtime, SharedVm};
use std::collections::BTreeSet;
use std::num::NonZeroU64;
use valk_heap::{Config, Stress, Value};
use valk_vm::{FiberId, JIT_CALLS_DEFAULT, JIT_NEVER, Step};

const TABLES: &[(&str, &str)] = &[
    ("language", include_str!("../../../../tests/conformance/language.txt")),
    ("targets", include_str!("../../../../tests/conformance/targets.txt")),
    ("more", include_str!("../../../../tests/conformance/more.txt")),
    ("decimals", include_str!("../../../../tests/conformance/decimals.txt")),
    ("everyday", include_str!("../../../../tests/conformance/everyday.txt")),
    ("regressions", include_str!("../../../../tests/conformance/regressions.txt")),
    ("continuations", include_str!("../../../../tests/conformance/continuations.txt")),
    ("errors", include_str!("../../../../tests/conformance/errors.txt")),
    ("boxes", include_str!("../../../../tests/conformance/boxes.txt")),
    ("text", include_str!("../../../../tests/conformance/text.txt")),
    ("collections", include_str!("../../../../tests/conformance/collections.txt")),
];

/// Rows of one family that run in one process, at most.
const BATCH_ROWS: usize = 24;
/// Of this many rows one is in a sample.
const SAMPLE_STRIDE: usize = 5;

/// A row of a table.
struct Case<'a> {
    line: usize,
    is_first_of_family: bool,
    mode: char,
    code: &'a str,
    expected: String,
    status: Option<u8>,
}

fn cases(table: &str) -> Vec<Case<'_>> {
    let is_row = |line: &str| !line.is_empty() && !line.starts_with(';');
    let mut is_first_of_family = true;
    let mut cases = Vec::new();
    for (index, line) in table.lines().enumerate() {
        if is_row(line) {
            cases.push(Case { is_first_of_family, ..case(index + 1, line) });
        }
        is_first_of_family = !is_row(line);
    }
    cases
}

fn case(number: usize, line: &str) -> Case<'_> {
    let mode = line.chars().next().expect("not empty");
    let split = if mode == 'P' { line.split_once(" =>") } else { line.rsplit_once(" =>") };
    let (code, expected) = split.unwrap_or_else(|| panic!("line {number}: no =>"));
    let expected = expected.strip_prefix(' ').unwrap_or(expected).replace('⏎', "\n");
    let (expected, status) = if mode == 'P' { status(&expected) } else { (expected, None) };
    Case { line: number, is_first_of_family: false, mode, code: &code[2..], expected, status }
}

/// Splits an exit status `[n]` from the end of an expected output.
fn status(expected: &str) -> (String, Option<u8>) {
    let Some((text, code)) = expected.strip_suffix(']').and_then(|rest| rest.rsplit_once('['))
    else {
        return (expected.to_string(), None);
    };
    match code.parse() {
        Ok(code) if text.is_empty() || text.ends_with(' ') => {
            (text.trim_end().to_string(), Some(code))
        }
        _ => (expected.to_string(), None),
    }
}

/// How programs are run.
struct Setting {
    config: Config,
    /// Calls after which a function gets native code.
    jit_calls: u32,
    /// Every fiber is preempted at every safepoint.
    preempts: bool,
}

impl Setting {
    fn stressed(stress: Stress, jit_calls: u32) -> Setting {
        let config = Config { stress, ..Config::default() };
        Setting { config, jit_calls, preempts: false }
    }
}

/// Resumes a fiber whenever it is preempted: as another fiber, after a call of another function, which
/// collects if calls do.
#[derive(Default)]
struct Resuming {
    forms: u64,
    preemptions: u64,
    safepoints: u64,
}

impl Driver for Resuming {
    fn run(&mut self, vm: &SharedVm, mut fiber: FiberId) -> Value {
        let mut vm = vm.borrow_mut();
        let other = vm.intern("id");
        self.forms += 1;
        loop {
            let step = vm.resume(fiber, Value::fixnum(1234));
            self.safepoints += vm.safepoints_passed();
            match step {
                Step::Done(value) => return value,
                Step::Suspended(_) => panic!("cases wait for nothing"),
                Step::Preempted => {
                    self.preemptions += 1;
                    let detached = vm.detach(fiber);
                    fiber = vm.attach(detached);
                    let function = vm.global(other).unwrap_or(Value::NIL);
                    vm.call(function, &[Value::ONE]);
                }
            }
        }
    }
}

/// What a program prints, and the exit status it asks for.
///
/// Stress begins behind the prelude, which is the same for all and has a test of its own.
fn run(setting: &Setting, mode: char, code: &str) -> (String, Option<u8>) {
    let Setting { config, jit_calls, preempts } = setting;
    let calm = Config { stress: Stress::Off, ..config.clone() };
    let mut runtime = Runtime::new(calm, Output::memory()).expect("a heap");
    runtime.vm().heap.set_stress(config.stress);
    runtime.vm().jit_calls = *jit_calls;
    let before = runtime.vm().counters;
    let program = if mode == 'E' { format!("(print {code})") } else { code.to_string() };
    let ran = if *preempts {
        runtime.vm().set_safepoint_budget(Some(NonZeroU64::MIN));
        let mut driver = Resuming::default();
        let ran = runtime.run_text("case", program.as_bytes(), &mut driver);
        // Each resumption passed one, and each form ended in one of them.
        assert_eq!(driver.safepoints, driver.preemptions + driver.forms, "{code}");
        ran
    } else {
        runtime.run_text("case", program.as_bytes(), &mut NoWaiting)
    };
    let mut out = String::from_utf8(runtime.take_output()).expect("cases print UTF-8");
    let after = runtime.vm().counters;
    if *jit_calls == 0 && after.function_calls > before.function_calls {
        let is_compiled = after.functions_compiled > before.functions_compiled;
        assert_eq!(is_compiled, cfg!(target_arch = "x86_64"), "{code}");
    }
    match ran {
        Ran::Failed(error, _) => out.push_str(&runtime.repr(error)),
        Ran::Value(value) if mode == 'R' => out.push_str(&runtime.repr(value)),
        Ran::Value(_) => {}
    }
    let text = out.strip_suffix('\n').unwrap_or(&out).to_string();
    (text, runtime.exit_code())
}

/// Neighbouring rows of one family: the table and the lines of the first and the last one.
type Batch = (&'static str, &'static str, usize, usize);

/// Every row of every table, in batches that are named by their place. A long row is one of its own.
fn batches() -> Vec<(String, Batch)> {
    let mut batches: Vec<Batch> = Vec::new();
    for (name, table) in TABLES {
        let mut rows_in_last = BATCH_ROWS;
        for case in cases(table) {
            if case.is_first_of_family || rows_in_last == BATCH_ROWS {
                batches.push((name, table, case.line, case.line));
                rows_in_last = 0;
            }
            batches.last_mut().expect("pushed above").3 = case.line;
            rows_in_last = if is_long(&case) { BATCH_ROWS } else { rows_in_last + 1 };
        }
    }
    let named = batches.into_iter().map(|batch| (format!("{}.txt:{}", batch.0, batch.2), batch));
    named.collect()
}

/// What is wrong with a case, if anything.
fn difference(setting: &Setting, case: &Case<'_>) -> Option<String> {
    let (output, code) = run(setting, case.mode, case.code);
    let status_differs = case.status.is_some_and(|status| code != Some(status));
    (output != case.expected || status_differs).then(|| {
        format!(
            "{}\n  expected {:?} {:?}\n  got      {output:?} {code:?}",
            case.code, case.expected, case.status
        )
    })
}

valk_harness::cases! {
    #[timeout_ms = 120_000]
    fn rows((name, table, first, last): Batch) in batches() {
        let setting = Setting::stressed(Stress::Off, JIT_CALLS_DEFAULT);
        let mut differences = Vec::new();
        for case in cases(table).iter().filter(|case| (first..=last).contains(&case.line)) {
            // Tells which row it was if the process ends.
            println!("{name}.txt:{}", case.line);
            if let Some(difference) = difference(&setting, case) {
                differences.push(format!("{name}.txt:{}: {difference}", case.line));
            }
        }
        assert!(differences.is_empty(), "{}", differences.join("\n"));
    }
}

/// Too long to be run with a collection at every call: it counts in thousands, or fills memory.
fn is_long(case: &Case<'_>) -> bool {
    case.code.contains("000") || case.expected.contains("out of memory")
}

/// The rows of a sample and their tables. `offset` is the first row of a table that is in it.
fn sample(offset: usize) -> impl Iterator<Item = (&'static str, Case<'static>)> {
    let cases = TABLES.iter().flat_map(move |(name, table)| {
        let numbered = cases(table).into_iter().enumerate();
        let wanted = numbered.filter(move |(row, case)| {
            case.is_first_of_family || row % SAMPLE_STRIDE == offset % SAMPLE_STRIDE
        });
        wanted.map(move |(_, case)| (*name, case))
    });
    cases.filter(|(_, case)| !is_long(case))
}

/// Runs a sample in an unusual way.
fn check(setting: &Setting, offset: usize) {
    let mut wrong = Vec::new();
    let mut ran = 0;
    for (name, case) in sample(offset) {
        ran += 1;
        println!("{name}.txt:{}", case.line);
        if let Some(difference) = difference(setting, &case) {
            wrong.push(format!("{name}.txt:{}: {difference}", case.line));
        }
    }
    assert!(ran > 250, "the tables have been read: {ran} cases");
    assert!(wrong.is_empty(), "{} of {ran} cases differ\n{}", wrong.len(), wrong.join("\n"));
}

valk_harness::test! {
    fn samples_hold_every_row_between_them_and_every_family_in_each() {
        let rows = |offsets: std::ops::Range<usize>| {
            let sampled = offsets.flat_map(sample);
            sampled.map(|(name, case)| (name, case.line)).collect::<BTreeSet<_>>()
        };
        let short = |cases: Vec<Case<'_>>| cases.into_iter().filter(|case| !is_long(case)).count();
        let all: usize = TABLES.iter().map(|(_, table)| short(cases(table))).sum();
        assert_eq!(rows(0..SAMPLE_STRIDE).len(), all);
        for (name, table) in TABLES {
            for case in cases(table).iter().filter(|case| case.is_first_of_family) {
                assert!(is_long(case) || rows(3..4).contains(&(*name, case.line)), "{name}");
            }
        }
    }

    #[timeout_ms = 600_000]
    fn the_prelude_runs_in_every_setting() {
        for stress in [Stress::Off, Stress::EverySafepoint, Stress::Random { seed: 7 }] {
            for generational in [true, false] {
                let config = Config { stress, generational, ..Config::default() };
                Runtime::new(config, Output::memory()).expect("the prelude runs");
            }
        }
    }

    #[timeout_ms = 600_000]
    fn a_collection_at_every_safepoint_changes_nothing() {
        check(&Setting::stressed(Stress::EverySafepoint, JIT_CALLS_DEFAULT), 0);
    }

    #[timeout_ms = 600_000]
    fn a_collector_without_generations_gives_the_same_results() {
        let mut setting = Setting::stressed(Stress::EverySafepoint, JIT_NEVER);
        setting.config.generational = false;
        check(&setting, 1);
    }

    #[timeout_ms = 600_000]
    fn collections_at_random_change_nothing() {
        check(&Setting::stressed(Stress::Random { seed: valk_harness::seed() }, 0), 2);
    }

    #[timeout_ms = 600_000]
    fn native_code_changes_nothing() {
        check(&Setting::stressed(Stress::Off, 0), 3);
    }

    #[timeout_ms = 600_000]
    fn a_preemption_at_every_safepoint_of_native_code_changes_nothing() {
        check(&Setting { preempts: true, ..Setting::stressed(Stress::Off, 0) }, 4);
    }

    #[timeout_ms = 600_000]
    fn a_preemption_at_every_safepoint_of_the_interpreter_changes_nothing() {
        check(&Setting { preempts: true, ..Setting::stressed(Stress::Off, JIT_NEVER) }, 0);
    }

    #[timeout_ms = 600_000]
    fn a_preemption_and_a_collection_at_every_safepoint_change_nothing() {
        let setting = Setting::stressed(Stress::EverySafepoint, 0);
        check(&Setting { preempts: true, ..setting }, 1);
    }

    // What a program makes of a failure is its business; the runtime goes on.
    #[timeout_ms = 600_000]
    fn running_out_of_memory_anywhere_is_survived() {
        let seed = valk_harness::seed();
        let mut failed = 0;
        for (number, (_, case)) in (0..).zip(sample(2)) {
            let mut runtime = Runtime::new(Config::default(), Output::memory()).expect("a heap");
            runtime.vm().heap.set_stress(Stress::EverySafepoint);
            runtime.vm().heap.set_refuse(Some(seed ^ number));
            let ran = runtime.run_text("case", case.code.as_bytes(), &mut NoWaiting);
            let text = match ran {
                Ran::Failed(value, _) | Ran::Value(value) => runtime.repr(value),
            };
            failed += usize::from(text.contains("out of memory"));
            runtime.vm().heap.set_stress(Stress::Off);
            runtime.vm().heap.set_refuse(None);
            assert!(runtime.vm().verify_heap() > 1000, "the library is there");
            // The case may have redefined every name.
            let after = runtime.run_text("after", b"6", &mut NoWaiting);
            assert!(matches!(after, Ran::Value(six) if six == Value::fixnum(6)), "{}", case.code);
        }
        assert!(failed > 50, "{failed} cases ran out of memory");
    }
}
