//! Runs the tables of expressions and expected outputs.

use crate::{NoWaiting, Output, Ran, Runtime};
use valk_heap::{Config, Stress, Value};
use valk_vm::{JIT_CALLS_DEFAULT, JIT_NEVER};

const TABLES: &[(&str, &str)] = &[
    ("language", include_str!("../../../../tests/conformance/language.txt")),
    ("targets", include_str!("../../../../tests/conformance/targets.txt")),
    ("more", include_str!("../../../../tests/conformance/more.txt")),
    ("everyday", include_str!("../../../../tests/conformance/everyday.txt")),
    ("regressions", include_str!("../../../../tests/conformance/regressions.txt")),
    ("continuations", include_str!("../../../../tests/conformance/continuations.txt")),
    ("errors", include_str!("../../../../tests/conformance/errors.txt")),
    ("boxes", include_str!("../../../../tests/conformance/boxes.txt")),
    ("collections", include_str!("../../../../tests/conformance/collections.txt")),
];

/// A line of a table.
struct Case<'a> {
    line: usize,
    mode: char,
    code: &'a str,
    expected: String,
    status: Option<u8>,
}

fn cases(table: &str) -> Vec<Case<'_>> {
    let numbered = table.lines().enumerate();
    numbered
        .filter(|(_, line)| !line.is_empty() && !line.starts_with(';'))
        .map(|(index, line)| {
            let mode = line.chars().next().expect("not empty");
            let split = if mode == 'P' { line.split_once(" =>") } else { line.rsplit_once(" =>") };
            let (code, expected) = split.unwrap_or_else(|| panic!("line {}: no =>", index + 1));
            let expected = expected.strip_prefix(' ').unwrap_or(expected).replace('⏎', "\n");
            let (expected, status) = if mode == 'P' { status(&expected) } else { (expected, None) };
            Case { line: index + 1, mode, code: &code[2..], expected, status }
        })
        .collect()
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

/// What a program prints, and the exit status it asks for.
///
/// Stress begins behind the prelude, which is the same for all and has a test of its own.
fn run(config: &Config, jit_calls: u32, mode: char, code: &str) -> (String, Option<u8>) {
    let calm = Config { stress: Stress::Off, ..config.clone() };
    let mut runtime = Runtime::new(calm, Output::memory()).expect("a heap");
    runtime.vm().heap.set_stress(config.stress);
    runtime.vm().jit_calls = jit_calls;
    let before = runtime.vm().counters;
    let program = if mode == 'E' { format!("(print {code})") } else { code.to_string() };
    let ran = runtime.run_text("case", program.as_bytes(), &mut NoWaiting);
    let mut out = String::from_utf8(runtime.take_output()).expect("cases print UTF-8");
    let after = runtime.vm().counters;
    if jit_calls == 0 && after.function_calls > before.function_calls {
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

/// Every case of every table, named by its place.
fn rows() -> Vec<(String, (&'static str, usize))> {
    let tables = TABLES.iter();
    tables
        .flat_map(|(name, table)| {
            let lines = cases(table).into_iter().map(|case| case.line);
            lines.map(move |line| (format!("{name}.txt:{line}"), (*table, line)))
        })
        .collect()
}

/// What is wrong with a case, if anything.
fn difference(config: &Config, jit_calls: u32, case: &Case<'_>) -> Option<String> {
    let (output, code) = run(config, jit_calls, case.mode, case.code);
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
    fn line((table, line): (&'static str, usize)) in rows() {
        let cases = cases(table);
        let case = cases.iter().find(|case| case.line == line).expect("rows come from cases");
        if let Some(difference) = difference(&Config::default(), JIT_CALLS_DEFAULT, case) {
            panic!("{difference}");
        }
    }
}

/// Too long to be run with a collection at every call: it counts in thousands, or fills memory.
fn is_long(case: &Case<'_>) -> bool {
    case.code.contains("000") || case.expected.contains("out of memory")
}

/// Runs cases with an unusual collector, and with machine code after that many calls: all cases if
/// nothing slows them down.
fn check(config: &Config, jit_calls: u32) {
    let mut wrong = Vec::new();
    let mut ran = 0;
    for (name, table) in TABLES {
        let wanted = |case: &&Case| config.stress == Stress::Off || !is_long(case);
        for case in cases(table).iter().filter(wanted) {
            ran += 1;
            if let Some(difference) = difference(config, jit_calls, case) {
                wrong.push(format!("{name}.txt:{}: {difference}", case.line));
            }
        }
    }
    Runtime::new(config.clone(), Output::memory()).expect("the prelude runs");
    assert!(ran > 250, "the tables have been read: {ran} cases");
    assert!(wrong.is_empty(), "{} of {ran} cases differ\n{}", wrong.len(), wrong.join("\n"));
}

valk_harness::test! {
    #[timeout_ms = 600_000]
    fn a_collection_at_every_safepoint_changes_nothing() {
        check(&Config { stress: Stress::EverySafepoint, ..Config::default() }, JIT_CALLS_DEFAULT);
    }
}

valk_harness::test! {
    #[timeout_ms = 600_000]
    fn a_collector_without_generations_gives_the_same_results() {
        let stress = Stress::EverySafepoint;
        check(&Config { stress, generational: false, ..Config::default() }, JIT_NEVER);
    }
}

valk_harness::test! {
    #[timeout_ms = 600_000]
    fn collections_at_random_change_nothing() {
        let stress = Stress::Random { seed: valk_harness::seed() };
        check(&Config { stress, ..Config::default() }, 0);
    }

    #[timeout_ms = 600_000]
    fn machine_code_changes_nothing() {
        check(&Config::default(), 0);
    }

    // What a program makes of a failure is its business; the runtime goes on.
    #[timeout_ms = 600_000]
    fn running_out_of_memory_anywhere_is_survived() {
        let seed = valk_harness::seed();
        let mut failed = 0;
        let cases = TABLES.iter().flat_map(|(_, table)| cases(table));
        for (number, case) in (0..).zip(cases.filter(|case| !is_long(case))) {
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
        assert!(failed > 100, "{failed} cases ran out of memory");
    }
}
