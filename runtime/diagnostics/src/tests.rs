//! Tests of this crate, by subject.

mod code;
mod hostile;
mod json;
mod source;
mod text;

use crate::{Code, Diagnostic, FileId, SourceMap, Span};

/// A map with one file, `t.valk`.
fn one_file(text: &[u8]) -> (SourceMap, FileId) {
    let mut sources = SourceMap::new();
    let file = sources.add("t.valk", text);
    (sources, file)
}

/// Renders an error with one primary label over `start..end` of `text`.
fn rendered(text: &[u8], start: u32, end: u32, label: &str) -> String {
    let (sources, file) = one_file(text);
    let diagnostic = Diagnostic::error(Code::IllegalCharacter, "headline")
        .primary(Span::new(file, start, end), label);
    crate::render_plain(&diagnostic, &sources)
}

/// Joins lines, each ended by a newline.
fn lines(lines: &[&str]) -> String {
    lines.iter().flat_map(|line| [line, "\n"]).collect()
}
