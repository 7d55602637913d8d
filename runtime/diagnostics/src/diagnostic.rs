//! A problem as data: code, severity, message, labelled spans, calls, causes, notes, help.

use crate::{Code, Span};

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Nothing is wrong; worth knowing.
    Info,
    /// The program goes on; the author should look.
    Warning,
    /// What was asked for was not done.
    Error,
}

impl Severity {
    /// The word in rendered output: `info`, `warning`, `error`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// A span and what is to be said about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// The marked source.
    pub span: Span,
    /// Shown at the marks; may be empty.
    pub text: String,
    /// A primary label is where the problem is; the others explain it.
    pub primary: bool,
}

/// A call that was in progress when the problem came up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// The function, in words of the language.
    pub name: String,
    /// What in it had not returned.
    pub span: Option<Span>,
}

/// An earlier problem that led to this one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    /// Kind of problem.
    pub code: Code,
    /// What happened.
    pub message: String,
    /// Where.
    pub span: Option<Span>,
}

/// One reportable problem. Messages start in lower case, carry no final stop, and name what was
/// found and what was expected; `help` says what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// Kind of problem.
    pub code: Code,
    /// How bad it is.
    pub severity: Severity,
    /// One line for the headline; further lines are shown indented below it.
    pub message: String,
    /// Places, in the order they were added. The first primary one gives the diagnostic its line.
    pub labels: Vec<Label>,
    /// The calls in progress, innermost first.
    pub calls: Vec<Call>,
    /// What led to it, latest first.
    pub causes: Vec<Cause>,
    /// Facts that belong to no place.
    pub notes: Vec<String>,
    /// What to do.
    pub help: Option<String>,
}

impl Diagnostic {
    /// A diagnostic without places.
    pub fn new(severity: Severity, code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            severity,
            message: message.into(),
            labels: Vec::new(),
            calls: Vec::new(),
            causes: Vec::new(),
            notes: Vec::new(),
            help: None,
        }
    }

    /// An error without places.
    pub fn error(code: Code, message: impl Into<String>) -> Self {
        Self::new(Severity::Error, code, message)
    }

    /// A warning without places.
    pub fn warning(code: Code, message: impl Into<String>) -> Self {
        Self::new(Severity::Warning, code, message)
    }

    /// Adds the place where the problem is.
    #[must_use]
    pub fn primary(mut self, span: Span, text: impl Into<String>) -> Self {
        self.labels.push(Label { span, text: text.into(), primary: true });
        self
    }

    /// Adds a place that explains the problem.
    #[must_use]
    pub fn secondary(mut self, span: Span, text: impl Into<String>) -> Self {
        self.labels.push(Label { span, text: text.into(), primary: false });
        self
    }

    /// Adds a fact that belongs to no place.
    #[must_use]
    pub fn note(mut self, text: impl Into<String>) -> Self {
        self.notes.push(text.into());
        self
    }

    /// Says what to do; a later call replaces an earlier one.
    #[must_use]
    pub fn help(mut self, text: impl Into<String>) -> Self {
        self.help = Some(text.into());
        self
    }

    /// The label that gives the diagnostic its line: the first primary one, else the first one.
    pub fn main_label(&self) -> Option<&Label> {
        self.labels.iter().find(|label| label.primary).or_else(|| self.labels.first())
    }
}
