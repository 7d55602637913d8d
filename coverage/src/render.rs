//! Turns a verdict into text for a terminal, Markdown and JSON.
//!
//! Source lines shown come from the tree and are cut and cleaned of control characters, so that a
//! report can be printed anywhere. Does not judge.

use std::fmt::{self, Write as _};

use serde::Serialize;

use crate::gate::{Failure, FileVerdict, Missing, Verdict};
use crate::model::Ratio;
use crate::sources::Sources;

/// Longest piece of source text shown, in characters.
const EXCERPT_CHARS_MAX: usize = 72;

/// What a report says besides the verdict.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Most missed spans listed per file; the JSON report has all.
    pub spans_max: usize,
    /// Whether files that pass are listed too.
    pub all_files: bool,
}

/// The table, the missing spans of red files and one closing line, for a terminal.
pub fn terminal(verdict: &Verdict, sources: &Sources, options: Options) -> String {
    let mut out = String::new();
    table(&mut out, verdict, options).expect("writing to a String cannot fail");
    details(&mut out, verdict, sources, options).expect("writing to a String cannot fail");
    closing(&mut out, verdict).expect("writing to a String cannot fail");
    out
}

/// The same content as Markdown, for a review page.
pub fn markdown(verdict: &Verdict, sources: &Sources, options: Options) -> String {
    let mut out = String::new();
    markdown_into(&mut out, verdict, sources, options).expect("writing to a String cannot fail");
    out
}

/// Everything, machine-readable.
pub fn json(verdict: &Verdict) -> String {
    #[derive(Serialize)]
    struct Report<'a> {
        format: &'static str,
        green: bool,
        lines: Ratio,
        branches: Ratio,
        regions: Ratio,
        #[serde(flatten)]
        verdict: &'a Verdict,
    }
    let [lines, branches, regions] = verdict.totals();
    let report = Report {
        format: "valk-coverage/1",
        green: verdict.is_green(),
        lines,
        branches,
        regions,
        verdict,
    };
    let mut text = serde_json::to_string_pretty(&report).expect("plain data always serialises");
    text.push('\n');
    text
}

fn table(out: &mut String, verdict: &Verdict, options: Options) -> fmt::Result {
    let shown: Vec<&FileVerdict> =
        verdict.files.iter().filter(|f| options.all_files || !f.failures.is_empty()).collect();
    if !shown.is_empty() {
        writeln!(out, "{:<6} {:>16} {:>16} {:>16}  file", "", "lines", "branches", "regions")?;
    }
    for file in shown {
        let [lines, branches, regions] = [file.lines, file.branches, file.regions].map(cell);
        let macros = macro_note(file);
        let (mark, path) = (mark(file), &file.path);
        writeln!(out, "{mark:<6} {lines:>16} {branches:>16} {regions:>16}  {path}{macros}")?;
    }
    Ok(())
}

/// What is left out of the percentages of a file; empty for most.
fn macro_note(file: &FileVerdict) -> String {
    match file.uncounted_macro_lines {
        0 => String::new(),
        lines => format!(" ({lines} lines of macros not counted)"),
    }
}

/// `89.9% 899/1000`, rounded down.
fn cell(ratio: Ratio) -> String {
    format!("{} {}/{}", percent(ratio), ratio.covered, ratio.total)
}

fn percent(ratio: Ratio) -> String {
    ratio.permille().map_or_else(|| "-".to_owned(), |p| format!("{}.{}%", p / 10, p % 10))
}

fn mark(file: &FileVerdict) -> &'static str {
    match (file.failures.is_empty(), file.waived) {
        (true, _) => "ok",
        (false, true) => "waived",
        (false, false) => "RED",
    }
}

fn details(
    out: &mut String,
    verdict: &Verdict,
    sources: &Sources,
    options: Options,
) -> fmt::Result {
    for file in verdict.files.iter().filter(|f| !f.is_green()) {
        writeln!(out, "\n{}", file.path)?;
        for failure in &file.failures {
            writeln!(out, "  {}", explain(file, *failure, verdict))?;
        }
        for missing in missing_spans(file, sources, options.spans_max) {
            writeln!(out, "    {missing}")?;
        }
    }
    if !verdict.problems.is_empty() {
        writeln!(out, "\nwaivers")?;
    }
    for problem in &verdict.problems {
        writeln!(out, "  line {}: {}", problem.line, problem.text)?;
    }
    Ok(())
}

/// One failure in words: found, required, missing.
fn explain(file: &FileVerdict, failure: Failure, verdict: &Verdict) -> String {
    let short = |ratio: Ratio, what: &str, need: u8, gap: u64| {
        let found = cell(ratio);
        format!("{what}: {found}, needed {need}%: {gap} more")
    };
    let need = verdict.thresholds;
    match failure {
        Failure::Absent => {
            "holds code, but no report knows it: is it a module of a crate that was \
                            built, and does any test binary link it?"
                .to_owned()
        }
        Failure::Stale => "the report speaks of lines this file does not have: it was made from \
                           another version, run ci/coverage again"
            .to_owned(),
        Failure::NoLines => "the report has no line for it; 0 of 0 is not 100%".to_owned(),
        Failure::Lines { gap } => short(file.lines, file.source.unit(), need.lines, gap),
        Failure::Branches { gap } => short(file.branches, "branch outcomes", need.branches, gap),
        Failure::Regions { gap } => {
            short(file.regions, "regions", need.regions.unwrap_or_default(), gap)
        }
    }
}

/// Missed line ranges and outcomes in the order of the file, at most `most` of them.
fn missing_spans(file: &FileVerdict, sources: &Sources, most: usize) -> Vec<String> {
    let text: Vec<&str> =
        sources.get(&file.path).map(|source| source.text.lines().collect()).unwrap_or_default();
    let excerpt = |line: u32| {
        let found = text.get((line as usize).wrapping_sub(1)).copied().unwrap_or_default();
        clean(found)
    };
    let lines = file.missed_lines.iter().map(|&(from, to)| {
        let place = if from == to { format!("{from}") } else { format!("{from}-{to}") };
        (from, 0, format!("{place}: never executed: {}", excerpt(from)))
    });
    let branches = file.missed_branches.iter().map(|branch| {
        let missed = match branch.missing {
            Missing::True => "never true",
            Missing::False => "never false",
            Missing::Both => "never evaluated",
        };
        let (line, column) = (branch.span.line, branch.span.column);
        (line, column, format!("{line}:{column}: {missed}: {}", excerpt(line)))
    });
    let mut all: Vec<(u32, u32, String)> = lines.chain(branches).collect();
    all.sort();
    let rest = all.len().saturating_sub(most);
    let mut spans: Vec<String> = all.into_iter().take(most).map(|entry| entry.2).collect();
    if rest > 0 {
        spans.push(format!("… and {rest} more, all of them in the JSON report"));
    }
    spans
}

/// A source line fit for any report.
fn clean(line: &str) -> String {
    let mut text: String = line
        .trim()
        .chars()
        .take(EXCERPT_CHARS_MAX + 1)
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    if text.chars().count() > EXCERPT_CHARS_MAX {
        text.pop();
        text.push('…');
    }
    text
}

fn closing(out: &mut String, verdict: &Verdict) -> fmt::Result {
    let red = verdict.files.iter().filter(|f| !f.is_green()).count();
    let waived = verdict.files.iter().filter(|f| f.waived).count();
    let [lines, branches, regions] = verdict.totals().map(percent);
    let count = verdict.files.len();
    let need = verdict.thresholds;
    let most = crate::waivers::WAIVERS_MAX;
    writeln!(out)?;
    writeln!(out, "all files: lines {lines}, branches {branches}, regions {regions}")?;
    let uncounted: u64 = verdict.files.iter().map(|file| file.uncounted_macro_lines).sum();
    if uncounted > 0 {
        writeln!(out, "not counted by the compiler: {uncounted} lines in bodies of macros")?;
    }
    writeln!(
        out,
        "required of each file: lines {}%, branches {}%; waivers {} of at most {most}",
        need.lines, need.branches, verdict.waivers
    )?;
    let word = if verdict.is_green() { "green" } else { "RED" };
    let problems = verdict.problems.len();
    writeln!(
        out,
        "coverage gate {word}: {count} files, {red} red, {waived} waived, {problems} waiver problems"
    )
}

fn markdown_into(
    out: &mut String,
    verdict: &Verdict,
    sources: &Sources,
    options: Options,
) -> fmt::Result {
    let word = if verdict.is_green() { "green" } else { "red" };
    writeln!(out, "# Coverage gate: {word}\n")?;
    writeln!(out, "| | lines | branches | regions | file |")?;
    writeln!(out, "|---|---:|---:|---:|---|")?;
    for file in &verdict.files {
        let [lines, branches, regions] = [file.lines, file.branches, file.regions].map(cell);
        let state = mark(file);
        let (path, macros) = (&file.path, macro_note(file));
        writeln!(out, "| {state} | {lines} | {branches} | {regions} | `{path}`{macros} |")?;
    }
    let mut text = String::new();
    details(&mut text, verdict, sources, options)?;
    closing(&mut text, verdict)?;
    writeln!(out, "\n```text\n{}\n```", text.trim().replace("```", "'''"))
}
