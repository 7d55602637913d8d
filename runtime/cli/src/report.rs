//! Diagnostics on standard error.

use clap::ValueEnum;
use valk_diagnostics::{Code, Diagnostic, SourceMap, render_ansi, render_json, render_plain};

/// How diagnostics are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    Text,
    /// One JSON object per line.
    Json,
}

/// Writes diagnostics.
#[derive(Debug, Clone)]
pub struct Reporter {
    /// Text or JSON.
    pub format: Format,
    /// Colours in text.
    pub colour: bool,
}

impl Reporter {
    /// A diagnostic as text, ending with a newline.
    pub fn render(&self, diagnostic: &Diagnostic, sources: &SourceMap) -> String {
        let text = match (self.format, self.colour) {
            (Format::Json, _) => render_json(diagnostic, sources),
            (Format::Text, true) => render_ansi(diagnostic, sources),
            (Format::Text, false) => render_plain(diagnostic, sources),
        };
        format!("{}\n", text.trim_end())
    }

    /// Reports a failure that concerns no source text.
    pub fn failure(&self, text: &str) {
        let diagnostic = Diagnostic::error(Code::RuntimeError, text);
        write_error(&self.render(&diagnostic, &SourceMap::new()));
    }
}

/// Writes to standard error; when that is closed the message is lost.
pub fn write_error(text: &str) {
    valk_log::write_error(text.as_bytes());
}
