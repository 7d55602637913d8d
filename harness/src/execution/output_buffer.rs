//! Bounded capture of a test's output: the first and the last bytes are kept, the middle counted.
//!
//! The text is valid UTF-8 without control characters, so that it can damage neither a terminal nor
//! a report.

use std::collections::VecDeque;
use std::fmt::Write;

/// Bytes kept from the start of each stream.
pub const HEAD_BYTES: usize = 32 << 10;
/// Bytes kept from the end of each stream.
pub const TAIL_BYTES: usize = 32 << 10;

/// One captured stream.
#[derive(Default)]
pub struct OutputBuffer {
    head: Vec<u8>,
    tail: VecDeque<u8>,
    dropped: u64,
}

impl OutputBuffer {
    /// Appends the next bytes of the stream.
    pub fn push(&mut self, bytes: &[u8]) {
        let (first, rest) = bytes.split_at(bytes.len().min(HEAD_BYTES - self.head.len()));
        self.head.extend_from_slice(first);
        self.tail.extend(rest);
        let excess = self.tail.len().saturating_sub(TAIL_BYTES);
        self.tail.drain(..excess);
        self.dropped += excess as u64;
    }

    /// The stream as text, with a line that says how many bytes are missing.
    pub fn into_text(self) -> String {
        let tail: Vec<u8> = self.tail.into();
        if self.dropped == 0 {
            return printable(&[self.head, tail].concat());
        }
        format!(
            "{}\n[… {} bytes left out …]\n{}",
            printable(&self.head),
            self.dropped,
            printable(&tail)
        )
    }
}

/// Valid UTF-8; control characters except line feed and tab as `\x1b` escapes.
pub fn printable(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for character in String::from_utf8_lossy(bytes).chars() {
        if character.is_control() && character != '\n' && character != '\t' {
            let _ = write!(text, "\\x{:02x}", character as u32);
        } else {
            text.push(character);
        }
    }
    text
}
