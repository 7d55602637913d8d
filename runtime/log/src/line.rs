//! The text of a log line.
//!
//! 1. A line contains no control character but the line feed that ends it: control characters,
//!    line separators and marks that change the direction of text are written as escapes.
//! 2. A line has at most [`LINE_BYTES_MAX`] bytes and a few more for the mark that it was cut.

use std::fmt::{self, Write};
use tracing::field::{Field, Visit};
use tracing::{Event, Metadata};

use crate::level::Level;

/// Bytes of a line that are written; what follows is replaced by a mark.
pub const LINE_BYTES_MAX: usize = 16 << 10;

/// Collects a text with escapes up to a length.
#[derive(Default)]
struct EscapedText {
    text: String,
    /// Bytes that did not fit.
    cut_bytes: usize,
}

impl EscapedText {
    fn push(&mut self, character: char) {
        if self.cut_bytes > 0 || self.text.len() >= LINE_BYTES_MAX {
            self.cut_bytes += character.len_utf8();
        } else if is_escaped(character) {
            self.text.extend(character.escape_default());
        } else {
            self.text.push(character);
        }
    }
}

impl Write for EscapedText {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        text.chars().for_each(|character| self.push(character));
        Ok(())
    }
}

/// Whether a character could break the line, move the cursor or change the order of what is read.
fn is_escaped(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{2028}' | '\u{2029}' | '\u{200e}' | '\u{200f}' | '\u{061c}')
        || matches!(character, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The message of an event and its other fields.
#[derive(Default)]
struct EventText {
    message: EscapedText,
    fields: EscapedText,
}

impl EventText {
    fn field(&mut self, name: &str, value: &str) {
        let bare = |character: char| !character.is_whitespace() && !matches!(character, '"' | '=');
        // Writing to memory does not fail.
        let _ = if !value.is_empty() && value.chars().all(bare) {
            write!(self.fields, " {name}={value}")
        } else {
            write!(self.fields, " {name}=\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))
        };
    }
}

impl Visit for EventText {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            let _ = write!(self.message, "{value:?}");
        } else {
            let mut text = EscapedText::default();
            let _ = write!(text, "{value:?}");
            self.field(field.name(), &text.text);
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            let _ = self.message.write_str(value);
        } else {
            self.field(field.name(), value);
        }
    }
}

/// The line of an event, with its line feed.
pub(crate) fn of_event(event: &Event<'_>) -> String {
    let mut text = EventText::default();
    event.record(&mut text);
    let EventText { message, fields } = text;
    let cut_bytes = message.cut_bytes + fields.cut_bytes;
    let mut line = start(event.metadata());
    line.push_str(&message.text);
    line.push_str(&fields.text);
    if cut_bytes > 0 {
        let _ = write!(line, " … ({cut_bytes} bytes more)");
    }
    line.push('\n');
    line
}

/// What a line begins with, up to its text.
fn start(metadata: &Metadata<'_>) -> String {
    let level = Level::of(*metadata.level()).name();
    let module = metadata.module_path().unwrap_or(metadata.target());
    let file = metadata.file().unwrap_or("?");
    format!("[{level}] {file}:{}:{module} | ", metadata.line().unwrap_or(0))
}

/// A line that this crate itself has to say, with its line feed.
pub(crate) fn of_drops(dropped: u64) -> String {
    let (file, line, module) = (file!(), line!(), module_path!());
    format!("[WARN] {file}:{line}:{module} | log lines were dropped lines={dropped}\n")
}
