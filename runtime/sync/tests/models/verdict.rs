//! From a child's remains to a verdict. Nothing passes by default.

use crate::counts::Expected;
use crate::model::{BROKEN_IN, Model, TIMED_OUT, Token};
use std::fmt;
use std::process::Output;

/// Why a model did not pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// An execution broke a rule: panic, race, leak, deadlock, or the child was killed.
    Violation,
    /// The exploration did not end: branch limit or time limit.
    Incomplete,
    /// The child ended well but did not say that it explored the model.
    NoToken,
    /// A required state was never reached.
    Unreached,
    /// The number of executions is not the one on file: the model changed or was cut short.
    Count,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Violation => "violation",
            Self::Incomplete => "incomplete",
            Self::NoToken => "no token",
            Self::Unreached => "unreached state",
            Self::Count => "execution count",
        })
    }
}

/// What is known about one explored model.
#[derive(Debug)]
pub struct Verdict {
    /// `None` for a complete, correct exploration.
    pub fault: Option<Fault>,
    /// Executions explored; after a violation the number of the execution that broke the rule.
    pub executions: Option<u64>,
    /// One line on the fault, for people.
    pub detail: String,
}

/// Judges a child. `expected` is `None` when counts are not compared.
pub fn judge(model: &Model, output: &Output, nonce: &str, expected: Option<&Expected>) -> Verdict {
    let token = Token::find(&String::from_utf8_lossy(&output.stdout), nonce);
    let executions = token.as_ref().map(|token| token.executions);
    let fault = |fault, detail: String| Verdict { fault: Some(fault), executions, detail };

    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr);
        let unfinished = output.status.code() == Some(TIMED_OUT)
            || stderr.contains("exceeded maximum number of branches");
        let kind = if unfinished { Fault::Incomplete } else { Fault::Violation };
        let broken_in = stderr.lines().find_map(|line| line.strip_prefix(BROKEN_IN));
        return Verdict {
            fault: Some(kind),
            executions: broken_in.and_then(|number| number.parse().ok()),
            detail: format!("{}: {}", output.status, cause(&stderr)),
        };
    }
    let Some(token) = &token else {
        return fault(Fault::NoToken, "the child exited early and claims nothing".into());
    };
    if !token.unreached.is_empty() {
        let states = token.unreached.join(", ");
        return fault(Fault::Unreached, format!("no execution reached: {states}"));
    }
    match expected {
        Some(Expected::NotOnFile) => {
            fault(Fault::Count, "no count on file; look at the model, then --bless".into())
        }
        Some(Expected::OnFile { bound, .. }) if *bound != model.bound() => fault(
            Fault::Count,
            format!("explored {}, the count on file is for {bound}", model.bound()),
        ),
        Some(Expected::OnFile { executions, .. }) if *executions != token.executions => fault(
            Fault::Count,
            format!("{} executions, on file are {executions}", token.executions),
        ),
        Some(Expected::OnFile { .. }) | None => {
            Verdict { fault: None, executions, detail: String::new() }
        }
    }
}

/// The first panic message in a child's standard error.
fn cause(stderr: &str) -> String {
    let mut lines = stderr.lines().map(str::trim).filter(|line| !line.is_empty());
    let first = lines.clone().find(|line| !line.starts_with(BROKEN_IN));
    let message = lines.by_ref().skip_while(|line| !line.contains("panicked at")).nth(1);
    let line = message.or(first).unwrap_or("it left no message");
    line.chars().take(160).collect()
}
