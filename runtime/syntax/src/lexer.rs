//! Tokens of a text, one at a time.
//!
//! 1. `at` only grows, and by at least one per token or problem, so every caller's loop ends.
//! 2. `steps` counts the bytes examined; it is linear in the text in whatever order tokens are requested.
//! 3. After a problem inside a string `at` is behind it and still inside the string;
//!    [`Lexer::string_rest`] continues there.
//!
//! Offsets are bytes from the start of the text. Does not know nesting.

use crate::error::ReadErrorKind;
use unicode_normalization::char::is_combining_mark;
use valk_decimal::Decimal;

/// Longest name, in bytes.
pub const SYMBOL_BYTES_MAX: usize = 200;

/// What some editors write at the start of a file.
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// A bracket of either kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bracket {
    Round,
    Curly,
}

impl Bracket {
    pub(crate) const fn closer(self) -> char {
        match self {
            Self::Round => ')',
            Self::Curly => '}',
        }
    }
}

/// What a prefix character does to the form after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Prefix {
    Quote,
    Quasiquote,
    Unquote,
    UnquoteSplicing,
}

impl Prefix {
    /// As written.
    pub(crate) const fn text(self) -> &'static str {
        match self {
            Self::Quote => "'",
            Self::Quasiquote => "`",
            Self::Unquote => ",",
            Self::UnquoteSplicing => ",@",
        }
    }

    /// The name it stands for; quote makes a quoted list instead.
    pub(crate) const fn name(self) -> Option<&'static str> {
        match self {
            Self::Quote => None,
            Self::Quasiquote => Some("quasiquote"),
            Self::Unquote => Some("unquote"),
            Self::UnquoteSplicing => Some("unquote-splicing"),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TokenKind {
    /// The `#!` line.
    Shebang,
    Comment,
    Open(Bracket),
    Close(Bracket),
    Prefix(Prefix),
    Integer(i64),
    Decimal(Decimal),
    Symbol,
    /// Contents are in [`Lexer::contents`] if they are kept.
    String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) kind: TokenKind,
    pub(crate) start: u32,
    pub(crate) end: u32,
}

/// A place where no token can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) kind: ReadErrorKind,
    pub(crate) start: u32,
    pub(crate) end: u32,
    /// Opening quote when the place is inside a string.
    pub(crate) string_start: Option<u32>,
}

/// Position in a text. The text must not be longer than `SOURCE_BYTES_MAX`.
#[derive(Debug)]
pub(crate) struct Lexer<'s> {
    source: &'s [u8],
    at: usize,
    /// Bytes examined so far.
    pub(crate) steps: u64,
    keep_contents: bool,
    /// No quote or backslash between `at` and here, as far as is known. Keeps a string with many
    /// undecodable bytes from being searched again after each of them.
    plain_until: usize,
    /// Contents of the last string with escapes resolved; empty unless they are kept.
    pub(crate) contents: String,
}

impl<'s> Lexer<'s> {
    pub(crate) const fn new(source: &'s [u8], keep_contents: bool) -> Self {
        Self { source, at: 0, steps: 0, keep_contents, plain_until: 0, contents: String::new() }
    }

    /// Offset of the next byte.
    pub(crate) const fn offset(&self) -> u32 {
        self.at as u32
    }

    /// Steps over a byte order mark. The first line if it begins with `#!`. Call before any token.
    pub(crate) fn shebang(&mut self) -> Option<Token> {
        if self.source.starts_with(BYTE_ORDER_MARK) {
            self.at = BYTE_ORDER_MARK.len();
        }
        let start = self.offset();
        self.source[self.at..].starts_with(b"#!").then(|| {
            self.skip_line();
            Token { kind: TokenKind::Shebang, start, end: self.offset() }
        })
    }

    /// The next token after whitespace, or why there is none; `None` at the end.
    pub(crate) fn next(&mut self) -> Option<Result<Token, Problem>> {
        self.skip_while(is_whitespace);
        let start = self.at;
        let first = *self.source.get(start)?;
        self.steps += 1;
        let kind = match first {
            b';' => {
                self.skip_line();
                Ok(TokenKind::Comment)
            }
            b'"' => {
                self.at += 1;
                self.contents.clear();
                self.string_rest(start as u32).map(|()| TokenKind::String)
            }
            _ if is_symbol_byte(first) || self.is_at_letter() => self.word(),
            _ => self.punctuation(first).ok_or_else(|| self.illegal()),
        };
        Some(kind.map(|kind| Token { kind, start: start as u32, end: self.offset() }))
    }

    /// Steps over a bracket or prefix.
    fn punctuation(&mut self, first: u8) -> Option<TokenKind> {
        let kind = match first {
            b'(' => TokenKind::Open(Bracket::Round),
            b'{' => TokenKind::Open(Bracket::Curly),
            b')' => TokenKind::Close(Bracket::Round),
            b'}' => TokenKind::Close(Bracket::Curly),
            b'\'' => TokenKind::Prefix(Prefix::Quote),
            b'`' => TokenKind::Prefix(Prefix::Quasiquote),
            b',' if self.source.get(self.at + 1) == Some(&b'@') => {
                self.at += 1;
                TokenKind::Prefix(Prefix::UnquoteSplicing)
            }
            b',' => TokenKind::Prefix(Prefix::Unquote),
            _ => return None,
        };
        self.at += 1;
        Some(kind)
    }

    fn skip_while(&mut self, accepts: impl Fn(u8) -> bool) {
        let rest = &self.source[self.at..];
        let length = rest.iter().position(|&byte| !accepts(byte)).unwrap_or(rest.len());
        self.steps += length as u64 + 1;
        self.at += length;
    }

    fn skip_line(&mut self) {
        self.skip_while(|byte| byte != b'\n');
    }

    /// Symbol or number: the longest run of symbol characters, and the digits after a point.
    fn word(&mut self) -> Result<TokenKind, Problem> {
        let start = self.at;
        loop {
            self.skip_while(is_symbol_byte);
            if !self.is_at_letter() {
                break;
            }
            // A letter is a character.
            let _ = self.character();
        }
        let word = &self.source[start..self.at];
        let digits = word.strip_prefix(b"-").unwrap_or(word);
        self.steps += word.len() as u64;
        if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
            let bytes = word.len();
            if bytes > SYMBOL_BYTES_MAX {
                return Err(self.problem(ReadErrorKind::SymbolTooLong { bytes }, start, None));
            }
            return Ok(TokenKind::Symbol);
        }
        if let [b'.', b'0'..=b'9', ..] = self.source[self.at..] {
            self.at += 1;
            return self.decimal(start);
        }
        // ASCII digits are text, so only the range can be wrong.
        let value = std::str::from_utf8(word).ok().and_then(|text| text.parse().ok());
        value.map(TokenKind::Integer).ok_or_else(|| {
            let kind = ReadErrorKind::IntegerRange { negative: digits.len() < word.len() };
            self.problem(kind, start, None)
        })
    }

    /// A decimal that begins at `start`; `at` is behind its point.
    fn decimal(&mut self, start: usize) -> Result<TokenKind, Problem> {
        self.skip_while(is_symbol_byte);
        self.steps += (self.at - start) as u64;
        // Symbol characters are text.
        let text = std::str::from_utf8(&self.source[start..self.at]).unwrap_or_default();
        valk_decimal::parse(text).map(TokenKind::Decimal).map_err(|problem| {
            let kind = match problem {
                valk_decimal::Problem::Malformed => ReadErrorKind::MalformedNumber,
                problem => ReadErrorKind::DecimalRange(problem),
            };
            self.problem(kind, start, None)
        })
    }

    /// Reads on inside a string up to its closing quote.
    pub(crate) fn string_rest(&mut self, string_start: u32) -> Result<(), Problem> {
        loop {
            let segment_start = self.at;
            if self.plain_until <= segment_start {
                self.skip_while(|byte| byte != b'"' && byte != b'\\');
                self.plain_until = self.at;
            }
            self.at = self.plain_until;
            self.segment(segment_start, string_start)?;
            match self.source.get(self.at) {
                None => {
                    let end = self.at;
                    return Err(self.problem(ReadErrorKind::EndInString, end, Some(string_start)));
                }
                Some(b'"') => {
                    self.at += 1;
                    return Ok(());
                }
                Some(_) => self.escape(string_start)?,
            }
        }
    }

    /// Takes `start..at` of a string as it stands. Quotes and backslashes are ASCII, so a sequence
    /// of UTF-8 never crosses them.
    fn segment(&mut self, start: usize, string_start: u32) -> Result<(), Problem> {
        let bytes = &self.source[start..self.at];
        match crate::check_utf8(bytes) {
            Ok(text) => {
                self.steps += bytes.len() as u64;
                if self.keep_contents {
                    self.contents.push_str(text);
                }
                Ok(())
            }
            Err(found) => {
                let place = start + found.offset;
                self.at = place + found.len;
                self.steps += (self.at - start) as u64;
                Err(self.problem(ReadErrorKind::InvalidUtf8(found.byte), place, Some(string_start)))
            }
        }
    }

    /// The escape at the backslash at `at`.
    fn escape(&mut self, string_start: u32) -> Result<(), Problem> {
        let backslash = self.at;
        self.at += 1;
        self.steps += 1;
        let Some(&byte) = self.source.get(self.at) else {
            let kind = ReadErrorKind::EndAfterBackslash;
            return Err(self.problem(kind, backslash, Some(string_start)));
        };
        if let Some(character) = unescape(byte) {
            self.at += 1;
            if self.keep_contents {
                self.contents.push(character);
            }
            return Ok(());
        }
        let (kind, place) = match self.character() {
            Ok(c) => (ReadErrorKind::BadEscape(c), backslash),
            Err(byte) => (ReadErrorKind::InvalidUtf8(byte), backslash + 1),
        };
        Err(self.problem(kind, place, Some(string_start)))
    }

    /// Whether a letter, digit or accent outside of ASCII comes next.
    fn is_at_letter(&self) -> bool {
        let four = &self.source[self.at..self.source.len().min(self.at + 4)];
        if four.first().is_none_or(u8::is_ascii) {
            return false;
        }
        let valid = four.utf8_chunks().next().map_or("", |chunk| chunk.valid());
        valid.chars().next().is_some_and(is_name_character)
    }

    fn illegal(&mut self) -> Problem {
        let start = self.at;
        let kind = match self.character() {
            Ok(c) => ReadErrorKind::IllegalCharacter(c),
            Err(byte) => ReadErrorKind::InvalidUtf8(byte),
        };
        self.problem(kind, start, None)
    }

    /// Steps over the code point at `at`, or over the byte there if it does not begin one.
    fn character(&mut self) -> Result<char, u8> {
        let start = self.at;
        let four = &self.source[start..self.source.len().min(start + 4)];
        let valid = four.utf8_chunks().next().map_or("", |chunk| chunk.valid());
        self.steps += 4;
        self.at += valid.chars().next().map_or(1, char::len_utf8);
        valid.chars().next().ok_or(self.source[start])
    }

    /// A problem from `start` to here.
    const fn problem(
        &self,
        kind: ReadErrorKind,
        start: usize,
        string_start: Option<u32>,
    ) -> Problem {
        Problem { kind, start: start as u32, end: self.at as u32, string_start }
    }
}

const fn is_whitespace(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | 0x0b | b'\r')
}

/// Whether names may contain this character.
pub fn is_name_character(c: char) -> bool {
    u8::try_from(c).is_ok_and(is_symbol_byte) && c.is_ascii()
        || !c.is_ascii() && (c.is_alphanumeric() || is_combining_mark(c))
}

const fn is_symbol_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'_' | b'+' | b'-' | b'*' | b'\\' | b'/' | b'=' | b'<' | b'>')
        || matches!(byte, b'!' | b'&' | b'?' | b':')
}

/// The character that an escape stands for.
const fn unescape(byte: u8) -> Option<char> {
    Some(match byte {
        b'a' => '\u{7}',
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        b'v' => '\u{b}',
        b'\\' => '\\',
        b'\'' => '\'',
        b'"' => '"',
        _ => return None,
    })
}
