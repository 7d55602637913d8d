//! Skips as a list, for people and as JSON, and the budget for them.

use std::fmt::Write as _;

use serde_json::json;

use super::summary;
use crate::verdicts::result::TestResult;
use crate::verdicts::verdict::Verdict;

/// Names in the message about a budget.
const NAMED_MAX: usize = 10;

/// How many skips a run may have and stay green; any number without a limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Budget {
    /// Skipped tests.
    pub skips: Option<u64>,
    /// Those among them that are skipped as broken, with an owner and a date.
    pub broken: Option<u64>,
}

impl Budget {
    /// This budget, with the limits of another where it has none.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self { skips: self.skips.or(other.skips), broken: self.broken.or(other.broken) }
    }

    /// What is over the budget, a sentence each.
    pub fn faults(&self, results: &[TestResult]) -> Vec<String> {
        let over = |limit: Option<u64>, what: &str, flag: &str, counts: fn(Verdict) -> bool| {
            let limit = limit?;
            let skipped: Vec<&str> = results
                .iter()
                .filter(|result| counts(result.verdict()))
                .map(|result| result.name.as_str())
                .collect();
            let number = skipped.len();
            let more = number.saturating_sub(NAMED_MAX);
            let mut names = skipped[..number - more].join(", ");
            if more > 0 {
                let _ = write!(names, " and {more} more");
            }
            (number as u64 > limit).then(|| {
                format!("{number} tests are skipped{what}, and {flag} allows {limit}: {names}")
            })
        };
        let is_skipped = |verdict| matches!(verdict, Verdict::SkipExpected | Verdict::SkipOwed);
        let is_owed = |verdict| verdict == Verdict::SkipOwed;
        let faults = [
            over(self.skips, "", "--max-skips", is_skipped),
            over(self.broken, " as broken", "--max-broken", is_owed),
        ];
        faults.into_iter().flatten().collect()
    }
}

/// Every skip with verdict, code, reason, owner, last day and place.
pub fn list(results: &[TestResult]) -> String {
    let mut text = String::new();
    for result in results {
        let Some(skip) = &result.judgement.skip else { continue };
        let _ = writeln!(text, "{}", result.name);
        let verdict = result.verdict().name();
        let _ = writeln!(text, "    {verdict} [{}]: {}", skip.code, skip.reason);
        let place = summary::place(&result.test_file, result.test_line);
        let known = [("at ", &place), ("owner ", &skip.owner), ("until ", &skip.until)];
        let known = known.into_iter().filter(|(_, value)| !value.is_empty());
        let known: Vec<String> = known.map(|(what, value)| format!("{what}{value}")).collect();
        let _ = writeln!(text, "    {}", known.join(", "));
    }
    text
}

/// The same as JSON, a line each.
pub fn list_as_json(results: &[TestResult]) -> String {
    let mut text = String::new();
    for result in results {
        let Some(skip) = &result.judgement.skip else { continue };
        let mut value = json!({
            "name": result.name,
            "verdict": result.verdict().name(),
            "code": skip.code,
            "reason": skip.reason,
            "file": result.test_file,
            "line": result.test_line,
        });
        skip.debt_to_json(&mut value);
        let _ = writeln!(text, "{value}");
    }
    text
}
