//! The check that a source file is UTF-8, made before reading so that comments are covered too.

use valk_diagnostics::{Code, Diagnostic, FileId, Span};

/// Where a text stops being UTF-8.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Utf8Problem {
    /// Byte offset of the first byte that cannot be decoded.
    pub offset: usize,
    /// That byte.
    pub byte: u8,
    /// Bytes of the sequence that cannot be decoded, 1 to 3.
    pub len: usize,
}

impl Utf8Problem {
    /// The same facts for people.
    pub fn diagnostic(self, file: FileId) -> Diagnostic {
        let span = Span::new(file, self.offset as u32, (self.offset + self.len) as u32);
        let message =
            format!("byte 0x{:02X} at offset {} is not valid UTF-8", self.byte, self.offset);
        Diagnostic::error(Code::NotUtf8, message)
            .primary(span, "cannot be decoded")
            .help("save the file in the UTF-8 encoding")
    }
}

impl std::fmt::Display for Utf8Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "[offset: {}] Byte 0x{:02X} is not valid UTF-8", self.offset, self.byte)
    }
}

impl std::error::Error for Utf8Problem {}

/// The bytes as text, or the first place that is not UTF-8.
///
/// # Errors
///
/// A [`Utf8Problem`] when the bytes are not UTF-8.
pub fn check_utf8(bytes: &[u8]) -> Result<&str, Utf8Problem> {
    std::str::from_utf8(bytes).map_err(|error| {
        let offset = error.valid_up_to();
        // No length means that the text ends inside a sequence.
        let len = error.error_len().unwrap_or(bytes.len() - offset);
        Utf8Problem { offset, byte: bytes[offset], len }
    })
}
