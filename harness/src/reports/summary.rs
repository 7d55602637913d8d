//! Text on the terminal beside libtest-mimic's progress lines: each failure with everything needed to
//! fix it, as soon as it is known; at the end skips with reasons, slowest tests, the list of failures,
//! and the counts as the last line.

use std::fmt::Write as _;

use super::junit::numbered;
use super::ledger::Counts;
use crate::verdicts::result::TestResult;
use crate::verdicts::verdict::Verdict;

/// What the summary says besides the results.
pub struct Summary {
    /// Number of slow tests to show.
    pub slowest: usize,
    /// Show the output of passed tests.
    pub show_output: bool,
    /// Tests not selected.
    pub filtered_out: usize,
}

/// The whole summary.
pub fn summary(results: &[TestResult], about: &Summary) -> String {
    let counts = Counts::of(results);
    let mut text = String::new();
    if about.show_output {
        for result in results.iter().filter(|r| r.verdict() == Verdict::Pass) {
            if !(result.stdout.is_empty() && result.stderr.is_empty()) {
                let _ = writeln!(text, "\noutput of {}", result.name);
                output(&mut text, result);
            }
        }
    }
    text.push_str(&skips(results));
    text.push_str(&thread_panics(results));
    text.push_str(&flaky(results));
    text.push_str(&slowest(results, about.slowest));
    let red: Vec<_> = results.iter().filter(|result| result.verdict().is_red()).collect();
    if !red.is_empty() {
        text.push_str("\nfailed:\n");
    }
    for result in red {
        let name = numbered(&result.name, result.attempt);
        let _ = writeln!(text, "    {name}\n        {}", heading(result));
    }
    text.push('\n');
    let of = |verdict| results.iter().filter(|result| result.verdict() == verdict).count();
    let (broken, stale) = (of(Verdict::SkipBroken), of(Verdict::SkipStale));
    let (owed, expired) = (of(Verdict::SkipOwed), of(Verdict::SkipExpired));
    if broken + stale > 0 {
        let _ = writeln!(
            text,
            "{} skipped as expected; {broken} as broken and {stale} for a stale reason, which fail",
            counts.skipped - owed as u64
        );
    }
    if owed + expired > 0 {
        let _ = writeln!(
            text,
            "{owed} skipped as broken until a day to come; {expired} skipped after their day, which fail"
        );
    }
    if counts.not_run > 0 {
        let _ = writeln!(text, "{} not run", counts.not_run);
    }
    if counts.flaky > 0 {
        let _ = writeln!(text, "{} of those that passed are flaky", counts.flaky);
    }
    if about.filtered_out > 0 {
        let _ = writeln!(text, "{} not selected", about.filtered_out);
    }
    let _ = writeln!(text, "{}", counts.line());
    text
}

/// What makes the run red and is no test, a line each.
pub fn faults(faults: &[String]) -> String {
    faults.iter().flat_map(|fault| ["\nFAULT: ", fault, "\n"]).collect()
}

/// All skips that are accepted, with code and reason; empty without any.
pub fn skips(results: &[TestResult]) -> String {
    let mut text = String::new();
    let is_accepted = |verdict| matches!(verdict, Verdict::SkipExpected | Verdict::SkipOwed);
    for result in results.iter().filter(|result| is_accepted(result.verdict())) {
        if text.is_empty() {
            text.push_str("\nskipped:\n");
        }
        let _ = writeln!(text, "    {} - {}", result.name, result.judgement.message);
    }
    text
}

/// All flaky tests that are accepted; empty without any.
pub fn flaky(results: &[TestResult]) -> String {
    let mut text = String::new();
    for result in results.iter().filter(|result| result.verdict() == Verdict::Flaky) {
        if text.is_empty() {
            text.push_str("\nflaky:\n");
        }
        let name = numbered(&result.name, result.attempt);
        let _ = writeln!(text, "    {name}\n        {}", heading(result));
    }
    text
}

/// The slowest tests; empty if none were asked for.
pub fn slowest(results: &[TestResult], number: usize) -> String {
    let mut by_time: Vec<_> = results.iter().filter(|result| result.duration_us > 0).collect();
    by_time.sort_by_key(|result| std::cmp::Reverse(result.duration_us));
    let mut text = String::new();
    for result in by_time.into_iter().take(number) {
        if text.is_empty() {
            text.push_str("\nslowest:\n");
        }
        let _ = writeln!(text, "    {:>10}  {}", duration(result.duration_us), result.name);
    }
    text
}

/// Heading of a red result: verdict, place, explanation.
pub fn heading(result: &TestResult) -> String {
    let judgement = &result.judgement;
    let place = match place(&judgement.file, judgement.line) {
        place if place.is_empty() => place,
        place => place + ": ",
    };
    format!("{}: {place}{}", judgement.verdict.name(), judgement.message)
}

/// `file:line`, the file alone without a line, nothing without a file.
pub fn place(file: &str, line: u32) -> String {
    if line == 0 { file.to_string() } else { format!("{file}:{line}") }
}

/// Panics of other threads of tests that are green.
fn thread_panics(results: &[TestResult]) -> String {
    let mut text = String::new();
    for result in results.iter().filter(|result| !result.verdict().is_red()) {
        for panic in &result.thread_panics {
            if text.is_empty() {
                text.push_str("\nother threads of passed tests panicked:\n");
            }
            let _ = writeln!(text, "    {}: {panic}", result.name);
        }
    }
    text
}

/// Everything about a result that is red or flaky, with its earlier attempts; `rerun` is the command that
/// runs a test again, with `{}` for its name.
pub fn failure(result: &TestResult, rerun: &str, run_seed: u64) -> String {
    let repetition = match result.attempt {
        1 => String::new(),
        n => format!(" (run {n})"),
    };
    let mut text = format!(
        "\n==== {}{repetition}  [{}, {}]\n",
        result.name,
        result.isolation,
        duration(result.duration_us),
    );
    let attempts = result.earlier.len() + 1;
    for (at, earlier) in result.earlier.iter().enumerate() {
        let time = duration(earlier.duration_us);
        let _ = writeln!(text, "---- attempt {} of {attempts}  [{time}]", at + 1);
        evidence(&mut text, earlier);
    }
    if attempts > 1 {
        let _ = writeln!(text, "---- attempt {attempts} of {attempts}");
    }
    evidence(&mut text, result);
    let seed = if result.seed_used { format!(" --seed {run_seed}") } else { String::new() };
    let _ = writeln!(text, "---- run it again\n{}{seed}", rerun_command(rerun, &result.name));
    text
}

/// What one attempt has left.
fn evidence(text: &mut String, result: &TestResult) {
    let _ = writeln!(text, "{}", heading(result));
    let judgement = &result.judgement;
    if (&judgement.file, judgement.line) != (&result.test_file, result.test_line)
        && !result.test_file.is_empty()
    {
        let _ = writeln!(text, "the test is at {}", place(&result.test_file, result.test_line));
    }
    for panic in &result.thread_panics {
        let _ = writeln!(text, "another thread panicked: {panic}");
    }
    if !result.threads.is_empty() {
        let _ = writeln!(text, "---- threads at the time limit\n{}", result.threads);
    }
    output(text, result);
}

fn output(text: &mut String, result: &TestResult) {
    for (stream, content) in [("stdout", &result.stdout), ("stderr", &result.stderr)] {
        if !content.is_empty() {
            let _ = writeln!(text, "---- {stream}\n{}", content.trim_end_matches('\n'));
        }
    }
}

/// The rerun template with a name put in, quoted for a shell.
pub fn rerun_command(template: &str, name: &str) -> String {
    template.replacen("{}", &format!("'{}'", name.replace('\'', "'\\''")), 1)
}

/// A duration in the unit a person would use.
pub fn duration(microseconds: u64) -> String {
    match microseconds {
        0..1_000 => format!("{microseconds} us"),
        1_000..1_000_000 => format!("{:.1} ms", microseconds as f64 / 1e3),
        _ => format!("{:.2} s", microseconds as f64 / 1e6),
    }
}
