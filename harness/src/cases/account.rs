//! The account: how a body ended, as the process that ran it reports.
//!
//! An account is a claim; `verdicts` decides whether it is accepted.

use serde_json::{Value, json};

use super::skip::{Skip, SkipClass};

/// End of a test body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BodyOutcome {
    /// Returned.
    Passed,
    /// Panicked.
    Failed {
        /// The panic's text.
        message: String,
        /// File of the panic; empty if unknown.
        file: String,
        /// Line of the panic; 0 if unknown.
        line: u32,
    },
    /// Left through `skip_expected` or `skip_broken`.
    Skipped(Skip),
}

/// State of a sub-result, after the line grammar of `.valk` suites.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SubtestState {
    /// PASS
    Pass,
    /// FAIL
    Fail,
    /// TIMEOUT
    Timeout,
    /// SKIP
    Skip,
    /// CRSH
    Crash,
    /// UNKNOWN and UNDEFINED: a test that never declared its outcome
    Undeclared,
}

impl SubtestState {
    /// All states with their names in the ledger.
    const NAMES: [(Self, &'static str); 6] = [
        (Self::Pass, "pass"),
        (Self::Fail, "fail"),
        (Self::Timeout, "timeout"),
        (Self::Skip, "skip"),
        (Self::Crash, "crash"),
        (Self::Undeclared, "undeclared"),
    ];

    /// Every state.
    #[cfg(test)]
    pub(crate) const ALL: [Self; 6] =
        [Self::Pass, Self::Fail, Self::Timeout, Self::Skip, Self::Crash, Self::Undeclared];

    /// Name in the ledger.
    pub fn name(self) -> &'static str {
        Self::NAMES
            .into_iter()
            .find(|(state, _)| *state == self)
            .map(|(_, name)| name)
            .expect("NAMES lists every state")
    }

    /// The state with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::NAMES.into_iter().find(|(_, n)| *n == name).map(|(state, _)| state)
    }

    /// Whether a suite with this state may pass.
    pub fn is_green(self) -> bool {
        matches!(self, Self::Pass | Self::Skip)
    }
}

/// One result inside a test, for instance one test of a `.valk` suite.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subtest {
    /// Name within the test.
    pub name: String,
    /// State.
    pub state: SubtestState,
    /// Duration in microseconds; 0 if unknown.
    pub duration_us: u64,
}

/// Everything the running process reports about one test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// How the body ended.
    pub outcome: BodyOutcome,
    /// Sub-results in the order they were recorded.
    pub subtests: Vec<Subtest>,
    /// Whether the test asked for its seed.
    pub seed_used: bool,
    /// Panics of threads other than the test's, in words.
    pub thread_panics: Vec<String>,
}

impl Account {
    /// The account of a test that never ran its body.
    pub fn of(outcome: BodyOutcome) -> Self {
        Self { outcome, subtests: Vec::new(), seed_used: false, thread_panics: Vec::new() }
    }

    /// The account of a test whose process could not be set up.
    pub fn of_failure(message: String) -> Self {
        Self::of(BodyOutcome::Failed { message, file: String::new(), line: 0 })
    }

    /// A body that returned and has nothing else to tell.
    pub fn is_plain_pass(&self) -> bool {
        self.outcome == BodyOutcome::Passed
            && self.subtests.is_empty()
            && self.thread_panics.is_empty()
            && !self.seed_used
    }

    /// As JSON, for the token.
    pub fn to_json(&self) -> Value {
        let mut value = match &self.outcome {
            BodyOutcome::Passed => json!({"outcome": "passed"}),
            BodyOutcome::Failed { message, file, line } => {
                json!({"outcome": "failed", "message": message, "file": file, "line": line})
            }
            BodyOutcome::Skipped(skip) => json!({"outcome": "skipped", "skip": skip.to_json()}),
        };
        value["seed_used"] = json!(self.seed_used);
        value["subtests"] = subtests_to_json(&self.subtests);
        if !self.thread_panics.is_empty() {
            value["thread_panics"] = json!(self.thread_panics);
        }
        value
    }

    /// Reads [`Account::to_json`]; `None` if anything required is missing.
    pub fn from_json(value: &Value) -> Option<Self> {
        let outcome = match value["outcome"].as_str()? {
            "passed" => BodyOutcome::Passed,
            "failed" => BodyOutcome::Failed {
                message: value["message"].as_str()?.into(),
                file: value["file"].as_str()?.into(),
                line: value["line"].as_u64()? as u32,
            },
            "skipped" => BodyOutcome::Skipped(Skip::from_json(&value["skip"])?),
            _ => return None,
        };
        let subtests = subtests_from_json(&value["subtests"])?;
        let thread_panics = texts_from_json(&value["thread_panics"]);
        Some(Self { outcome, subtests, seed_used: value["seed_used"].as_bool()?, thread_panics })
    }
}

/// The texts of an array; none for anything else.
pub(crate) fn texts_from_json(value: &Value) -> Vec<String> {
    let texts = value.as_array().into_iter().flatten();
    texts.filter_map(|text| text.as_str().map(ToString::to_string)).collect()
}

/// `[[name, state, microseconds], …]`
pub(crate) fn subtests_to_json(subtests: &[Subtest]) -> Value {
    subtests.iter().map(|s| json!([s.name, s.state.name(), s.duration_us])).collect()
}

pub(crate) fn subtests_from_json(value: &Value) -> Option<Vec<Subtest>> {
    value
        .as_array()?
        .iter()
        .map(|entry| {
            Some(Subtest {
                name: entry[0].as_str()?.into(),
                state: SubtestState::from_name(entry[1].as_str()?)?,
                duration_us: entry[2].as_u64()?,
            })
        })
        .collect()
}

impl Skip {
    /// As JSON, for token and ledger.
    pub fn to_json(&self) -> Value {
        let mut value =
            json!({"class": self.class.name(), "code": self.code, "reason": self.reason});
        self.debt_to_json(&mut value);
        value
    }

    /// Adds owner and last day to an object, if there are any.
    pub fn debt_to_json(&self, value: &mut Value) {
        for (key, text) in [("owner", &self.owner), ("until", &self.until)] {
            if !text.is_empty() {
                value[key] = json!(text);
            }
        }
    }

    /// Reads [`Skip::to_json`].
    pub fn from_json(value: &Value) -> Option<Self> {
        Some(Self {
            class: SkipClass::from_name(value["class"].as_str()?)?,
            code: value["code"].as_str()?.into(),
            reason: value["reason"].as_str()?.into(),
            owner: value["owner"].as_str().unwrap_or_default().into(),
            until: value["until"].as_str().unwrap_or_default().into(),
        })
    }
}

impl SkipClass {
    const NAMES: [(Self, &'static str); 5] = [
        (Self::Expected, "expected"),
        (Self::Broken, "broken"),
        (Self::Stale, "stale"),
        (Self::Owed, "owed"),
        (Self::Expired, "expired"),
    ];

    /// Name in token and ledger.
    pub fn name(self) -> &'static str {
        match self {
            Self::Expected => "expected",
            Self::Broken => "broken",
            Self::Stale => "stale",
            Self::Owed => "owed",
            Self::Expired => "expired",
        }
    }

    /// The class with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::NAMES.into_iter().find(|(_, n)| *n == name).map(|(class, _)| class)
    }
}
