//! The summary on the terminal, after libtest-mimic's progress lines: skips with reasons, slowest
//! tests, failures with everything needed to fix them, and the counts as the last line.

use std::fmt::Write as _;

use super::ledger::Counts;
use crate::verdicts::result::TestResult;
use crate::verdicts::verdict::Verdict;

/// What the summary says besides the results.
pub struct Summary<'a> {
    /// How to run one test again; the name is put in the place of `{}`.
    pub rerun: &'a str,
    /// Seed of the run.
    pub run_seed: u64,
    /// Number of slow tests to show.
    pub slowest: usize,
    /// Show the output of passed tests.
    pub show_output: bool,
    /// Tests not selected.
    pub filtered_out: usize,
}

/// The whole summary.
pub fn summary(results: &[TestResult], about: &Summary<'_>) -> String {
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
    text.push_str(&slowest(results, about.slowest));
    let red: Vec<_> = results.iter().filter(|result| result.verdict().is_red()).collect();
    if !red.is_empty() {
        text.push_str("\nfailures in detail:\n");
    }
    for result in red {
        failure(&mut text, result, about);
    }
    text.push('\n');
    let of = |verdict| results.iter().filter(|result| result.verdict() == verdict).count();
    let (broken, stale) = (of(Verdict::SkipBroken), of(Verdict::SkipStale));
    if broken + stale > 0 {
        let _ = writeln!(
            text,
            "{} skipped as expected; {broken} as broken and {stale} for a stale reason, which fail",
            counts.skipped
        );
    }
    if counts.not_run > 0 {
        let _ = writeln!(text, "{} not run after the first failure", counts.not_run);
    }
    if about.filtered_out > 0 {
        let _ = writeln!(text, "{} not selected", about.filtered_out);
    }
    let _ = writeln!(text, "{}", counts.line());
    text
}

/// All expected skips with code and reason; empty without any.
pub fn skips(results: &[TestResult]) -> String {
    let mut text = String::new();
    for result in results.iter().filter(|r| r.verdict() == Verdict::SkipExpected) {
        if text.is_empty() {
            text.push_str("\nskipped:\n");
        }
        let _ = writeln!(text, "    {} - {}", result.name, result.judgement.message);
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
    let place = if judgement.line == 0 {
        String::new()
    } else {
        format!("{}:{}: ", judgement.file, judgement.line)
    };
    format!("{}: {place}{}", judgement.verdict.name(), judgement.message)
}

fn failure(text: &mut String, result: &TestResult, about: &Summary<'_>) {
    let attempt = match result.attempt {
        1 => String::new(),
        n => format!(" (run {n})"),
    };
    let _ = writeln!(
        text,
        "\n==== {}{attempt}  [{}, {}]",
        result.name,
        result.isolation,
        duration(result.duration_us)
    );
    let _ = writeln!(text, "{}", heading(result));
    if !result.threads.is_empty() {
        let _ = writeln!(text, "---- threads at the time limit\n{}", result.threads);
    }
    output(text, result);
    let seed = if result.seed_used { format!(" --seed {}", about.run_seed) } else { String::new() };
    let _ = writeln!(text, "---- run it again\n{}{seed}", rerun_command(about.rerun, &result.name));
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
