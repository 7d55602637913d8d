//! Places in sources (spans, source map), problems (diagnostics with stable codes), and their
//! renderings (plain text, ANSI text, JSON).
//!
//! 1. A [`Span`] is a byte range of one registered file; lines and columns are computed only on
//!    demand.
//! 2. A [`Diagnostic`] is data: a [`Code`], a message, labelled spans, the calls in
//!    progress, causes, notes and one help line.
//! 3. Rendering never fails and never panics, whatever bytes the source holds and wherever a span
//!    points; what a terminal would interpret is escaped.
//!
//! Does not know the grammar, the terminal, or where the output goes.
#![forbid(unsafe_code)]

mod code;
mod diagnostic;
mod render;
mod source;
mod span;

pub use code::Code;
pub use diagnostic::{Call, Cause, Diagnostic, Label, Severity};
pub use render::{EXCERPT_CELLS_MAX, render_ansi, render_json, render_plain};
pub use source::{Position, SOURCE_BYTES_MAX, SourceFile, SourceMap};
pub use span::{FileId, Span};

#[cfg(test)]
mod tests;

#[cfg(test)]
fn main() -> std::process::ExitCode {
    valk_harness::main()
}
