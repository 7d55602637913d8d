//! What is known about an uncaught error before its help line is looked for.

use super::written::Written;
use valk_diagnostics::{Call, Code, Span};
use valk_heap::Value;

/// An error value that ended a program, with its parts.
pub struct UncaughtError {
    /// The error value.
    pub error: Value,
    /// The code of its message's family.
    pub code: Code,
    /// Its message.
    pub message: String,
    /// Where it was made.
    pub span: Option<Span>,
    /// The top-level form that was running.
    pub running: Option<Span>,
    /// The form at `span` as it was written.
    pub form: Option<Written>,
    /// The calls in progress, innermost first.
    pub calls: Vec<Call>,
}
