//! The complete result of one run of one test: the record that crosses processes and fills reports.

use serde_json::{Value, json};

use super::verdict::{Judgement, Verdict};
use crate::cases::account::{Subtest, subtests_from_json, subtests_to_json, texts_from_json};
use crate::cases::skip::Skip;

/// Result of one run of one test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestResult {
    /// Name of the test.
    pub name: String,
    /// 1 for the first run, 2 and more under `--repeat`.
    pub attempt: u32,
    /// Name of the isolation class.
    pub isolation: String,
    /// Verdict, explanation, place.
    pub judgement: Judgement,
    /// Wall time in microseconds.
    pub duration_us: u64,
    /// Captured standard output; empty for green tests unless asked for.
    pub stdout: String,
    /// Captured standard error; likewise.
    pub stderr: String,
    /// Threads of the test when its time limit was reached, one per line.
    pub threads: String,
    /// Sub-results.
    pub subtests: Vec<Subtest>,
    /// Whether the test asked for its seed.
    pub seed_used: bool,
    /// Panics of threads other than the test's, in words.
    pub thread_panics: Vec<String>,
    /// Source file of the definition, or the data file it was made from; empty if unknown.
    pub test_file: String,
    /// Line in `test_file`; 0 if the whole file is the test.
    pub test_line: u32,
    /// The attempts before this one, all failed.
    pub earlier: Vec<TestResult>,
}

impl TestResult {
    /// A result without output.
    pub fn new(judgement: Judgement) -> Self {
        Self {
            name: String::new(),
            attempt: 1,
            isolation: String::new(),
            judgement,
            duration_us: 0,
            stdout: String::new(),
            stderr: String::new(),
            threads: String::new(),
            subtests: Vec::new(),
            seed_used: false,
            thread_panics: Vec::new(),
            test_file: String::new(),
            test_line: 0,
            earlier: Vec::new(),
        }
    }

    /// The result of a test that passed after earlier attempts had failed.
    #[must_use]
    pub fn after(self, earlier: Vec<Self>, verdict: Verdict) -> Self {
        let judgement = match earlier.last() {
            Some(before) if self.verdict() == Verdict::Pass => {
                let attempt = earlier.len() + 1;
                let Judgement { verdict: how, message, .. } = &before.judgement;
                let text =
                    format!("passed at attempt {attempt}; before: {}: {message}", how.name());
                // Its place is that of what has to be mended.
                Judgement { verdict, message: text, ..before.judgement.clone() }
            }
            _ => self.judgement,
        };
        Self { judgement, earlier, ..self }
    }

    /// A pass with nothing to tell but its duration.
    pub fn plain_pass(duration_us: u64) -> Self {
        Self { duration_us, ..Self::new(Judgement::new(Verdict::Pass, "")) }
    }

    /// Whether [`TestResult::plain_pass`] would make the same, but for what the runner adds.
    pub fn is_plain_pass(&self) -> bool {
        self.verdict() == Verdict::Pass
            && self.stdout.is_empty()
            && self.stderr.is_empty()
            && self.subtests.is_empty()
            && self.thread_panics.is_empty()
            && !self.seed_used
            && self.name.is_empty()
    }

    /// The verdict.
    pub fn verdict(&self) -> Verdict {
        self.judgement.verdict
    }

    /// As a ledger record; fields that say nothing are left out.
    pub fn to_json(&self) -> Value {
        let judgement = &self.judgement;
        let mut value = json!({
            "record": "test",
            "name": self.name,
            "verdict": judgement.verdict.name(),
            "duration_us": self.duration_us,
            "attempt": self.attempt,
            "isolation": self.isolation,
        });
        let texts = [
            ("message", &judgement.message),
            ("file", &judgement.file),
            ("stdout", &self.stdout),
            ("stderr", &self.stderr),
            ("threads", &self.threads),
            ("test_file", &self.test_file),
        ];
        for (key, text) in texts.into_iter().filter(|(_, text)| !text.is_empty()) {
            value[key] = json!(text);
        }
        if judgement.line != 0 {
            value["line"] = json!(judgement.line);
        }
        if self.test_line != 0 {
            value["test_line"] = json!(self.test_line);
        }
        if !self.thread_panics.is_empty() {
            value["thread_panics"] = json!(self.thread_panics);
        }
        if let Some(skip) = &judgement.skip {
            value["skip"] = skip.to_json();
        }
        if !self.subtests.is_empty() {
            value["subtests"] = subtests_to_json(&self.subtests);
        }
        if self.seed_used {
            value["seed_used"] = json!(true);
        }
        if !self.earlier.is_empty() {
            value["earlier"] = self.earlier.iter().map(Self::to_json).collect();
        }
        value
    }

    /// Reads [`TestResult::to_json`]; `None` if a required field is missing or wrong.
    pub fn from_json(value: &Value) -> Option<Self> {
        let text = |key: &str| value[key].as_str().unwrap_or_default().to_string();
        Some(Self {
            name: value["name"].as_str()?.into(),
            attempt: value["attempt"].as_u64()? as u32,
            isolation: text("isolation"),
            judgement: Judgement {
                verdict: Verdict::from_name(value["verdict"].as_str()?)?,
                message: text("message"),
                file: text("file"),
                line: value["line"].as_u64().unwrap_or(0) as u32,
                skip: Skip::from_json(&value["skip"]),
            },
            duration_us: value["duration_us"].as_u64()?,
            stdout: text("stdout"),
            stderr: text("stderr"),
            threads: text("threads"),
            subtests: subtests_from_json(&value["subtests"]).unwrap_or_default(),
            seed_used: value["seed_used"].as_bool().unwrap_or(false),
            thread_panics: texts_from_json(&value["thread_panics"]),
            test_file: text("test_file"),
            test_line: value["test_line"].as_u64().unwrap_or(0) as u32,
            earlier: match value["earlier"].as_array() {
                None => Vec::new(),
                Some(earlier) => earlier.iter().map(Self::from_json).collect::<Option<_>>()?,
            },
        })
    }
}
