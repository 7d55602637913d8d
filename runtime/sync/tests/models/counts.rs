//! The file of expected execution counts, `models.toml` beside the crate's manifest.
//!
//! One line per model: `"name" = { bound = "exhaustive", executions = 42 }`. loom explores in a
//! fixed order, so a count is exact: another number means that the model, the code under test or
//! loom changed, or that the exploration was cut short. `--bless` rewrites the file.

use crate::model::Model;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::PathBuf;

const HEADER: &str = "\
# Executions of each loom model, compared exactly by ci/loom; a difference is a failure.
# Written by `ci/loom --bless`. Review a change like code: fewer executions may mean that a model
# no longer reaches what it was written for.
";

/// What the file says about a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expected {
    /// Nothing.
    NotOnFile,
    /// A count under a bound.
    OnFile {
        /// `exhaustive` or `bound N`.
        bound: String,
        /// Executions to the end of the exploration.
        executions: u64,
    },
}

/// The content of the file.
pub struct Counts(BTreeMap<String, Expected>);

impl Counts {
    fn path() -> PathBuf {
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("models.toml")
    }

    /// Reads the file; a missing one is empty, a line that is not understood is an error.
    pub fn read() -> Result<Self, String> {
        let path = Self::path();
        let text = if path.exists() {
            fs::read_to_string(&path).map_err(|error| format!("models.toml: {error}"))?
        } else {
            String::new()
        };
        let mut counts = BTreeMap::new();
        for (number, line) in (1..).zip(text.lines()) {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (name, expected) = Self::parse(line).ok_or_else(|| {
                format!(
                    "models.toml:{number}: found `{line}`, expected \
                     `\"name\" = {{ bound = \"…\", executions = N }}`; run ci/loom --bless"
                )
            })?;
            if counts.insert(name.clone(), expected).is_some() {
                return Err(format!("models.toml:{number}: `{name}` is listed twice"));
            }
        }
        Ok(Self(counts))
    }

    fn parse(line: &str) -> Option<(String, Expected)> {
        let (name, rest) = line.strip_prefix('"')?.split_once("\" = { bound = \"")?;
        let (bound, rest) = rest.split_once("\", executions = ")?;
        let executions = rest.strip_suffix(" }")?.parse().ok()?;
        let bound = bound.to_owned();
        Some((name.to_owned(), Expected::OnFile { bound, executions }))
    }

    /// What is on file for `name`.
    pub fn of(&self, name: &str) -> Expected {
        self.0.get(name).cloned().unwrap_or(Expected::NotOnFile)
    }

    /// Names on file that no model has.
    pub fn stale<'a>(&'a self, models: &[Model]) -> Vec<&'a str> {
        let known = |name: &&str| models.iter().any(|model| model.name == *name);
        self.0.keys().map(String::as_str).filter(|name| !known(name)).collect()
    }

    /// Replaces what is on file for `model`; the difference as a line, if there is one.
    pub fn bless(&mut self, model: &Model, executions: u64) -> Option<String> {
        let bound = model.bound();
        let now = Expected::OnFile { bound, executions };
        let before = self.of(model.name);
        self.0.insert(model.name.to_owned(), now.clone());
        (before != now)
            .then(|| format!("{}: {} -> {}", model.name, Self::show(&before), Self::show(&now)))
    }

    /// Forgets a stale name.
    pub fn forget(&mut self, name: &str) {
        self.0.remove(name);
    }

    fn show(expected: &Expected) -> String {
        match expected {
            Expected::NotOnFile => "not on file".into(),
            Expected::OnFile { bound, executions } => format!("{executions} ({bound})"),
        }
    }

    /// Writes the file.
    pub fn write(&self) -> Result<(), String> {
        let mut text = HEADER.to_owned();
        for (name, expected) in &self.0 {
            if let Expected::OnFile { bound, executions } = expected {
                let line =
                    format!("\"{name}\" = {{ bound = \"{bound}\", executions = {executions} }}");
                writeln!(text, "{line}").expect("writing to a string cannot fail");
            }
        }
        fs::write(Self::path(), text).map_err(|error| format!("models.toml: {error}"))
    }
}
