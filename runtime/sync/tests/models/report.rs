//! One line per model, as text or JSON, and the closing line.

use crate::model::Model;
use crate::runner::Run;
use std::fmt::Write;

/// How results are printed.
pub struct Report {
    json: bool,
    passed: usize,
    failed: usize,
}

impl Report {
    /// Starts a report.
    pub fn new(json: bool) -> Self {
        Self { json, passed: 0, failed: 0 }
    }

    /// Prints the result of `model`.
    pub fn model(&mut self, model: &Model, run: &Run) {
        let passed = run.verdict.fault == model.planted;
        *(if passed { &mut self.passed } else { &mut self.failed }) += 1;
        if self.json {
            println!("{}", Self::json_line(model, run, passed));
            return;
        }
        let word = if passed { "ok  " } else { "FAIL" };
        let outcome = match (model.planted, run.verdict.fault, run.verdict.executions) {
            (Some(planted), Some(found), _) if planted == found => format!("caught: {found}"),
            (Some(planted), found, _) => {
                let found = found.map_or("a pass".into(), |fault| fault.to_string());
                format!("planted fault not caught: expected {planted}, found {found}")
            }
            (None, Some(fault), _) => format!("{fault}: {}", run.verdict.detail),
            (None, None, executions) => format!("{:>9} executions", executions.unwrap_or(0)),
        };
        let ms = run.elapsed.as_millis();
        println!("{word} {:<34} {:>10} {ms:>7} ms  {outcome}", model.name, model.bound());
        if !passed {
            Self::evidence(model, run);
        }
    }

    /// What the child left, and how to see it again.
    fn evidence(model: &Model, run: &Run) {
        const LINES_MAX: usize = 40;
        let stderr = String::from_utf8_lossy(&run.output.stderr);
        for line in stderr.lines().take(LINES_MAX) {
            println!("     | {line}");
        }
        println!("     again: ci/loom --locations {}", model.name);
    }

    fn json_line(model: &Model, run: &Run, passed: bool) -> String {
        let executions = run.verdict.executions.map_or("null".into(), |n| n.to_string());
        let fault = run.verdict.fault.map_or("null".into(), |f| quote(&f.to_string()));
        format!(
            "{{\"model\":{},\"passed\":{passed},\"planted\":{},\"fault\":{fault},\"detail\":{},\
             \"bound\":{},\"executions\":{executions},\"ms\":{}}}",
            quote(model.name),
            model.planted.is_some(),
            quote(&run.verdict.detail),
            quote(&model.bound()),
            run.elapsed.as_millis(),
        )
    }

    /// Prints a line that is not about one model.
    pub fn note(&self, line: &str) {
        if self.json { eprintln!("{line}") } else { println!("{line}") }
    }

    /// Prints a failure that is not of one model, such as a stale line in the file of counts.
    pub fn failure(&mut self, line: &str) {
        self.failed += 1;
        self.note(&format!("FAIL {line}"));
    }

    /// Prints the closing line; whether all is well. A run of nothing is not.
    pub fn close(mut self) -> bool {
        if self.passed + self.failed == 0 {
            self.failure("no model was selected");
        }
        if self.json {
            println!("{{\"passed\":{},\"failed\":{}}}", self.passed, self.failed);
        }
        self.note(&format!("{} passed, {} failed", self.passed, self.failed));
        self.failed == 0
    }
}

/// A JSON string.
fn quote(text: &str) -> String {
    let mut out = String::from('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => out.extend(['\\', character]),
            c if c.is_control() => {
                write!(out, "\\u{:04x}", u32::from(c)).expect("writing to a string cannot fail");
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
