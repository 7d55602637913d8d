//! Registered source texts and the translation of byte offsets into lines and columns.
//!
//! 1. Texts are bytes; they need not be UTF-8.
//! 2. Every `\n` ends a line, also inside a string literal.
//! 3. Lines and columns count from 1; columns count code points, and each maximal run of bytes that
//!    cannot be decoded counts as one.
//! 4. Offsets past the end mean the end.

use crate::{FileId, Span};
use std::sync::Arc;

/// Longest source text that spans can address, in bytes. Half of `u32`, so that a reader may make
/// two tree nodes per byte and still number them in 32 bits.
pub const SOURCE_BYTES_MAX: usize = (u32::MAX / 2) as usize;

/// A place as a person counts: line and column from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// Line, from 1.
    pub line: u32,
    /// Column in code points, from 1.
    pub column: u32,
}

/// One registered text with its line index.
#[derive(Debug, Clone)]
pub struct SourceFile {
    name: String,
    text: Arc<[u8]>,
    /// Byte offset of the first byte of each line; never empty, starts with 0.
    line_starts: Vec<u32>,
}

impl SourceFile {
    fn new(name: String, text: Arc<[u8]>) -> Self {
        let after_newlines = text.iter().enumerate().filter(|&(_, &byte)| byte == b'\n');
        let line_starts =
            std::iter::once(0).chain(after_newlines.map(|(at, _)| at as u32 + 1)).collect();
        Self { name, text, line_starts }
    }

    /// Name as shown to people, usually the path as the user gave it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The text.
    pub fn text(&self) -> &Arc<[u8]> {
        &self.text
    }

    /// Number of lines; a text that ends in a newline has an empty last line.
    pub fn line_count(&self) -> u32 {
        self.line_starts.len() as u32
    }

    /// Line (from 1) of the byte at `offset`. Costs one binary search.
    pub fn line(&self, offset: u32) -> u32 {
        self.line_starts.partition_point(|&start| start <= offset) as u32
    }

    /// Line and column of the byte at `offset`. Costs one pass over the line up to there.
    pub fn position(&self, offset: u32) -> Position {
        let offset = offset.min(self.text.len() as u32);
        let line = self.line(offset);
        let start = self.line_starts[line as usize - 1];
        Position { line, column: 1 + code_points(&self.text[start as usize..offset as usize]) }
    }

    /// Byte range of a line (from 1) without its newline; empty at the end for lines that do not
    /// exist.
    pub fn line_range(&self, line: u32) -> std::ops::Range<u32> {
        let end_of_text = self.text.len() as u32;
        let index = line.saturating_sub(1) as usize;
        let start = self.line_starts.get(index).copied().unwrap_or(end_of_text);
        let end = self.line_starts.get(index + 1).map_or(end_of_text, |next| next - 1);
        start..end
    }
}

/// Code points in `bytes`; an undecodable run counts as one.
fn code_points(bytes: &[u8]) -> u32 {
    let count = |chunk: std::str::Utf8Chunk| {
        chunk.valid().chars().count() + usize::from(!chunk.invalid().is_empty())
    };
    bytes.utf8_chunks().map(count).sum::<usize>() as u32
}

/// All registered texts of one runtime or one command. Texts stay until the map is dropped, so
/// short-lived input (the argument of `read`) uses [`FileId::UNKNOWN`] instead.
#[derive(Debug, Clone, Default)]
pub struct SourceMap {
    files: Vec<SourceFile>,
}

impl SourceMap {
    /// An empty map.
    pub fn new() -> Self {
        Self::default()
    }

    /// Registers a text under a name and returns its number. The same name may be registered again
    /// (a reloaded file, the lines of a REPL session); each text keeps its own number.
    ///
    /// # Panics
    ///
    /// When the text is longer than [`SOURCE_BYTES_MAX`].
    pub fn add<T>(&mut self, name: impl Into<String>, text: T) -> FileId
    where
        T: AsRef<[u8]> + Into<Arc<[u8]>>,
    {
        let (name, bytes) = (name.into(), text.as_ref().len());
        assert!(
            bytes <= SOURCE_BYTES_MAX,
            "`{name}` has {bytes} bytes; callers must refuse more than {SOURCE_BYTES_MAX}"
        );
        let id = FileId(self.files.len() as u32);
        assert!(id != FileId::UNKNOWN, "fewer than 2^32-1 texts fit in memory");
        self.files.push(SourceFile::new(name, text.into()));
        id
    }

    /// The text with this number; `None` for [`FileId::UNKNOWN`] and numbers of other maps.
    pub fn file(&self, id: FileId) -> Option<&SourceFile> {
        self.files.get(id.0 as usize)
    }

    /// The newest text registered under `name`.
    pub fn find(&self, name: &str) -> Option<FileId> {
        self.files.iter().rposition(|file| file.name == name).map(|index| FileId(index as u32))
    }

    /// First and one-past-last position of a span.
    pub fn positions(&self, span: Span) -> Option<(Position, Position)> {
        let file = self.file(span.file)?;
        Some((file.position(span.start), file.position(span.end.max(span.start))))
    }

    /// `file:line:column` of the start of a span, for logs and error texts.
    pub fn location(&self, span: Span) -> Option<String> {
        let file = self.file(span.file)?;
        let Position { line, column } = file.position(span.start);
        Some(format!("{}:{line}:{column}", file.name))
    }
}
