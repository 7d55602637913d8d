//! Output text with optional ANSI colour.

use crate::Severity;
use std::borrow::Cow;

/// What a piece of output is; decides its colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    Text,
    Strong,
    Gutter,
    Severity(Severity),
    Secondary,
    Help,
}

impl Style {
    /// SGR parameters of ANSI X3.64; empty for the terminal's own colour.
    const fn parameters(self) -> &'static str {
        match self {
            Self::Text => "",
            Self::Strong => "1",
            Self::Gutter | Self::Secondary => "1;34",
            Self::Severity(Severity::Error) => "1;31",
            Self::Severity(Severity::Warning) => "1;33",
            Self::Severity(Severity::Info) | Self::Help => "1;36",
        }
    }
}

/// Collects output; knows whether to colour it.
#[derive(Debug)]
pub(super) struct Ink {
    pub(super) out: String,
    coloured: bool,
}

impl Ink {
    pub(super) const fn new(coloured: bool) -> Self {
        Self { out: String::new(), coloured }
    }

    /// Appends `text` in `style`; `text` must be harmless to a terminal already.
    pub(super) fn put(&mut self, style: Style, text: &str) {
        let parameters = style.parameters();
        if !self.coloured || parameters.is_empty() || text.is_empty() {
            self.out.push_str(text);
            return;
        }
        for piece in ["\x1b[", parameters, "m", text, "\x1b[0m"] {
            self.out.push_str(piece);
        }
    }

    /// Appends text from outside on one line, escaping what a terminal would interpret.
    pub(super) fn put_foreign(&mut self, style: Style, text: &str) {
        self.put(style, &harmless(text));
    }

    /// Ends the line, dropping blanks before its end.
    pub(super) fn newline(&mut self) {
        self.out.truncate(self.out.trim_end_matches(' ').len());
        self.out.push('\n');
    }
}

/// Whether showing `c` raw would move the cursor, hide or reorder text: C0 and C1 controls, line
/// separators, and the bidirectional controls with which source can be made to look different from
/// what it is.
pub(super) const fn is_unprintable(c: char) -> bool {
    matches!(c, '\u{0}'..='\u{1f}' | '\u{7f}'..='\u{9f}')
        || matches!(c, '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}')
        || matches!(c, '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// `text` with unprintable characters written as escapes.
pub(super) fn harmless(text: &str) -> Cow<'_, str> {
    if !text.contains(is_unprintable) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if is_unprintable(c) { safe.extend(c.escape_default()) } else { safe.push(c) }
    }
    Cow::Owned(safe)
}
