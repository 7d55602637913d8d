//! File numbers and byte ranges inside a file. Does not know the text.

/// Number of a file in a [`SourceMap`](crate::SourceMap).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileId(pub u32);

impl FileId {
    /// Stands for text that was never registered, such as the argument of `read`. Diagnostics that
    /// point here are rendered without an excerpt.
    pub const UNKNOWN: Self = Self(u32::MAX);
}

/// A half-open byte range `start..end` of one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// The file the range belongs to.
    pub file: FileId,
    /// First byte, counted from the start of the file.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

impl Span {
    /// The range `start..end` of `file`.
    pub const fn new(file: FileId, start: u32, end: u32) -> Self {
        Self { file, start, end }
    }

    /// The empty range before byte `at`.
    pub const fn point(file: FileId, at: u32) -> Self {
        Self { file, start: at, end: at }
    }

    /// Length in bytes; 0 for a range that ends before it starts.
    pub const fn len(self) -> u32 {
        self.end.saturating_sub(self.start)
    }

    /// Whether the range holds no byte.
    pub const fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// Whether `inner` lies in this range (same file, equal ends allowed).
    pub fn contains(self, inner: Self) -> bool {
        self.file == inner.file && self.start <= inner.start && inner.end <= self.end
    }

    /// The range from the start of `self` to the end of `last`; the file of `self`.
    #[must_use]
    pub const fn to(self, last: Self) -> Self {
        Self { file: self.file, start: self.start, end: last.end }
    }
}
