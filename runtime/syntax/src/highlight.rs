//! Classes of ranges for colouring. Continues after errors, to the end of the text.

use crate::error::ReadErrorKind;
use crate::lexer::{Lexer, Problem, TokenKind};
use std::ops::Range;
use valk_diagnostics::SOURCE_BYTES_MAX;

/// What a range of text is, as far as one can tell without evaluating.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TokenClass {
    /// `;` to the end of line, and the `#!` line.
    Comment,
    /// A string literal, also one that is not closed.
    String,
    /// An integer or a decimal.
    Number,
    /// A symbol that begins with `:`.
    Keyword,
    /// The symbol right after `(`: what is called.
    Callee,
    /// Any other symbol.
    Symbol,
    /// A bracket.
    Bracket,
    /// `'`, `` ` ``, `,` or `,@`.
    Prefix,
    /// What the reader would refuse: illegal characters, bad escapes, numbers out of range. Brackets
    /// are not checked against each other.
    Invalid,
}

/// Classes of the text, as ranges of bytes in ascending order that do not overlap. Blanks have none.
/// A text that the reader would refuse for its length has no classes.
pub fn highlight(source: &[u8]) -> Vec<(Range<usize>, TokenClass)> {
    let mut ranges = Vec::new();
    if source.len() > SOURCE_BYTES_MAX {
        return ranges;
    }
    let mut lexer = Lexer::new(source, false);
    if let Some(line) = lexer.shebang() {
        ranges.push((0..line.end as usize, TokenClass::Comment));
    }
    let mut after_open = false;
    while let Some(token) = lexer.next() {
        let token = match token {
            Ok(token) => token,
            Err(problem) => {
                after_open = false;
                push_problem(&mut lexer, problem, &mut ranges);
                continue;
            }
        };
        let range = token.start as usize..token.end as usize;
        let class = match token.kind {
            TokenKind::Shebang | TokenKind::Comment => TokenClass::Comment,
            TokenKind::Open(_) | TokenKind::Close(_) => TokenClass::Bracket,
            TokenKind::Prefix(_) => TokenClass::Prefix,
            TokenKind::Integer(_) | TokenKind::Decimal(_) => TokenClass::Number,
            TokenKind::String => TokenClass::String,
            TokenKind::Symbol if source[range.start] == b':' => TokenClass::Keyword,
            TokenKind::Symbol if after_open => TokenClass::Callee,
            TokenKind::Symbol => TokenClass::Symbol,
        };
        after_open = source[range.start] == b'(' || after_open && class == TokenClass::Comment;
        ranges.push((range, class));
    }
    ranges
}

/// Adds the range of a problem; when it is inside a string, the rest of the string too.
fn push_problem(
    lexer: &mut Lexer,
    mut problem: Problem,
    ranges: &mut Vec<(Range<usize>, TokenClass)>,
) {
    let Some(string_start) = problem.string_start else {
        ranges.push((problem.start as usize..problem.end as usize, TokenClass::Invalid));
        return;
    };
    let mut from = string_start;
    let mut push = |start: u32, end: u32, class| {
        if start < end {
            ranges.push((start as usize..end as usize, class));
        }
    };
    loop {
        if problem.kind == ReadErrorKind::EndInString {
            return push(from, problem.end, TokenClass::String);
        }
        push(from, problem.start, TokenClass::String);
        push(problem.start, problem.end, TokenClass::Invalid);
        from = problem.end;
        match lexer.string_rest(string_start) {
            Ok(()) => return push(from, lexer.offset(), TokenClass::String),
            Err(next) => problem = next,
        }
    }
}
