//! Why reading stopped: the text that programs see, and the diagnostic that users see.
//!
//! Programs compare the texts of `legacy`, so those never change. Diagnostics may
//! get better at any time.

use crate::lexer::SYMBOL_BYTES_MAX;
use valk_diagnostics::{Code, Diagnostic, SOURCE_BYTES_MAX, Span};

/// What the reader met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadErrorKind {
    /// Nothing left where an expression must come; with the prefix that waits for it.
    EndOfInput {
        /// `'`, `` ` ``, `,` or `,@`.
        prefix: Option<&'static str>,
    },
    /// The input ended inside a list.
    EndInList {
        /// The bracket that would close it.
        closer: char,
    },
    /// The input ended inside a string.
    EndInString,
    /// The input ended after a backslash in a string.
    EndAfterBackslash,
    /// A backslash before this character in a string.
    BadEscape(char),
    /// A character that no token may contain.
    IllegalCharacter(char),
    /// A byte outside comments that is not part of valid UTF-8.
    InvalidUtf8(u8),
    /// A closing bracket where no list is open.
    StrayCloser(char),
    /// A list closed by the other bracket.
    MismatchedCloser {
        /// The bracket in the text.
        found: char,
        /// The bracket that closes the list.
        expected: char,
    },
    /// A closing bracket right after a prefix.
    PrefixBeforeCloser {
        /// `'`, `` ` ``, `,` or `,@`.
        prefix: &'static str,
        /// The bracket.
        closer: char,
    },
    /// An integer that does not fit in 64 bits.
    IntegerRange {
        /// Below the smallest, as opposed to above the largest.
        negative: bool,
    },
    /// A decimal that is outside the range or has too many digits after the point.
    DecimalRange(valk_decimal::Problem),
    /// A number with something in it that no number contains.
    MalformedNumber,
    /// A name longer than [`SYMBOL_BYTES_MAX`].
    SymbolTooLong {
        /// Its length.
        bytes: usize,
    },
    /// The text is longer than [`SOURCE_BYTES_MAX`].
    SourceTooLarge {
        /// Its length.
        bytes: usize,
    },
}

/// The first error of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadError {
    /// The message of the error value that programs see.
    pub legacy: String,
    /// What was met.
    pub kind: ReadErrorKind,
    /// Where; empty at the end of the input when something is missing there.
    pub span: Span,
    /// What is still open: bracket of the innermost list, quote of the string, or prefix.
    pub opener: Option<Span>,
    /// Bracket of the list around everything that is open, when that is another one.
    pub outermost: Option<Span>,
    /// First list that begins in the first column although another one is still open. Usually the
    /// missing bracket belongs before it.
    pub suspect: Option<Span>,
}

/// Longest token that a message quotes in full, in characters.
const TOKEN_CHARS_SHOWN: usize = 40;

impl ReadError {
    pub(crate) fn new(kind: ReadErrorKind, span: Span, source: &[u8]) -> Self {
        let legacy = legacy_text(kind, span, source);
        Self { legacy, kind, span, opener: None, outermost: None, suspect: None }
    }

    /// The code of the diagnostic.
    pub const fn code(&self) -> Code {
        match self.kind {
            ReadErrorKind::EndOfInput { .. } => Code::EndOfInput,
            ReadErrorKind::EndInList { .. } => Code::EndInList,
            ReadErrorKind::EndInString | ReadErrorKind::EndAfterBackslash => Code::EndInString,
            ReadErrorKind::BadEscape(_) => Code::BadEscape,
            ReadErrorKind::IllegalCharacter(_) => Code::IllegalCharacter,
            ReadErrorKind::InvalidUtf8(_) => Code::NotUtf8,
            ReadErrorKind::StrayCloser(_) => Code::StrayCloser,
            ReadErrorKind::MismatchedCloser { .. } => Code::MismatchedCloser,
            ReadErrorKind::PrefixBeforeCloser { .. } => Code::PrefixWithoutDatum,
            ReadErrorKind::IntegerRange { .. } => Code::IntegerRange,
            ReadErrorKind::DecimalRange(_) => Code::DecimalRange,
            ReadErrorKind::MalformedNumber => Code::MalformedNumber,
            ReadErrorKind::SymbolTooLong { .. } => Code::SymbolTooLong,
            ReadErrorKind::SourceTooLarge { .. } => Code::SourceTooLarge,
        }
    }

    /// The same error for people: message, labels at the place and at what is open, help.
    pub fn diagnostic(&self) -> Diagnostic {
        let diagnostic = self.unlabelled();
        let diagnostic = self.label_place(diagnostic);
        self.label_openers(diagnostic)
    }

    /// Message and help.
    fn unlabelled(&self) -> Diagnostic {
        let error = |message: String| Diagnostic::error(self.code(), message);
        match self.kind {
            ReadErrorKind::EndOfInput { prefix: None } => {
                error("expected an expression, found the end of the input".into())
            }
            ReadErrorKind::EndOfInput { prefix: Some(prefix) } => error(format!(
                "expected an expression after `{prefix}`, found the end of the input"
            )),
            ReadErrorKind::EndInList { closer } => {
                error(format!("expected `{closer}`, found the end of the input"))
                    .help(format!("add the missing `{closer}`"))
            }
            ReadErrorKind::EndInString | ReadErrorKind::EndAfterBackslash => {
                error("expected `\"` at the end of a string, found the end of the input".into())
                    .help("add the missing `\"`; write `\\\"` for a quote inside the string")
            }
            ReadErrorKind::BadEscape(c) => {
                error(format!("`\\{}` is not an escape", shown(c))).help(escape_help(c))
            }
            ReadErrorKind::IllegalCharacter(c) => {
                error(format!("unexpected character {}", named(c))).help(character_help(c))
            }
            ReadErrorKind::InvalidUtf8(byte) => {
                let offset = self.span.start;
                error(format!("byte 0x{byte:02X} at offset {offset} is not valid UTF-8"))
                    .help("save the text in the UTF-8 encoding")
            }
            ReadErrorKind::StrayCloser(closer) => error(format!("`{closer}` closes nothing"))
                .help(format!("remove this `{closer}`, or add the bracket that it should close")),
            ReadErrorKind::MismatchedCloser { found, expected } => error(format!(
                "expected `{expected}`, found `{found}`"
            ))
            .help(format!("write `{expected}` here, or open the list with the other bracket")),
            ReadErrorKind::PrefixBeforeCloser { prefix, closer } => {
                error(format!("expected an expression after `{prefix}`, found `{closer}`"))
                    .help(format!("remove the `{prefix}`, or write what it applies to"))
            }
            ReadErrorKind::IntegerRange { negative } => {
                let side = if negative { "below the smallest" } else { "above the largest" };
                error(format!("integer `{}` does not fit in 64 bits", self.token())).note(format!(
                    "it is {side} integer; the range is {} to {}",
                    i64::MIN,
                    i64::MAX
                ))
            }
            ReadErrorKind::DecimalRange(problem) => {
                error(format!("decimal `{}` cannot be represented", self.token()))
                    .note(format!("it {problem}"))
            }
            ReadErrorKind::MalformedNumber => error(format!("`{}` is no number", self.token()))
                .help("decimals are digits, a point and digits; there are no exponents and no suffixes"),
            ReadErrorKind::SymbolTooLong { bytes } => {
                error(format!("a name of {bytes} bytes; names have at most {SYMBOL_BYTES_MAX}"))
                    .help("choose a shorter name, or write the text as a string")
            }
            ReadErrorKind::SourceTooLarge { bytes } => {
                error(format!("{bytes} bytes of source; the reader takes {SOURCE_BYTES_MAX}"))
                    .help("split the source into several files")
            }
        }
    }

    fn label_place(&self, diagnostic: Diagnostic) -> Diagnostic {
        let text = match self.kind {
            ReadErrorKind::EndInString | ReadErrorKind::EndAfterBackslash => {
                // The end says little about a string; its quote carries the primary label.
                return diagnostic;
            }
            ReadErrorKind::SourceTooLarge { .. } => return diagnostic,
            ReadErrorKind::EndOfInput { .. } | ReadErrorKind::EndInList { .. } => {
                "the input ends here"
            }
            ReadErrorKind::BadEscape(_) => "not an escape",
            ReadErrorKind::IllegalCharacter(_) => "not allowed here",
            ReadErrorKind::InvalidUtf8(_) => "cannot be decoded",
            ReadErrorKind::StrayCloser(_) => "no list is open here",
            ReadErrorKind::MismatchedCloser { .. } => "wrong bracket",
            ReadErrorKind::PrefixBeforeCloser { .. } => "expected an expression",
            ReadErrorKind::IntegerRange { .. } | ReadErrorKind::DecimalRange(_) => "out of range",
            ReadErrorKind::MalformedNumber => "not a number",
            ReadErrorKind::SymbolTooLong { .. } => "too long",
        };
        diagnostic.primary(self.span, text)
    }

    fn label_openers(&self, mut diagnostic: Diagnostic) -> Diagnostic {
        if let Some(opener) = self.opener {
            diagnostic = match self.kind {
                ReadErrorKind::EndInString | ReadErrorKind::EndAfterBackslash => {
                    diagnostic.primary(opener, "this string is not closed")
                }
                ReadErrorKind::BadEscape(_) | ReadErrorKind::InvalidUtf8(_) => {
                    diagnostic.secondary(opener, "in this string")
                }
                ReadErrorKind::EndOfInput { .. } | ReadErrorKind::PrefixBeforeCloser { .. } => {
                    diagnostic.secondary(opener, "this prefix needs an expression")
                }
                ReadErrorKind::MismatchedCloser { .. } => {
                    diagnostic.secondary(opener, "the list begins here")
                }
                _ => diagnostic.secondary(opener, "this list is not closed"),
            };
        }
        if let Some(outermost) = self.outermost {
            diagnostic = diagnostic.secondary(outermost, "the outermost open list");
        }
        if let Some(suspect) = self.suspect {
            let text = "begins in the first column, but a list before it is still open";
            diagnostic = diagnostic.secondary(suspect, text);
        }
        diagnostic
    }

    /// The token of an integer error, shortened.
    fn token(&self) -> String {
        let token = self.legacy.strip_prefix(INVALID_NUMBER).unwrap_or_default();
        if token.len() <= TOKEN_CHARS_SHOWN {
            return token.into();
        }
        format!("{}…", &token[..TOKEN_CHARS_SHOWN])
    }
}

impl std::fmt::Display for ReadError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.legacy)
    }
}

impl std::error::Error for ReadError {}

const INVALID_NUMBER: &str = "Invalid number format ";

/// The texts that programs know, and two in their manner for what the earlier runtime accepted.
fn legacy_text(kind: ReadErrorKind, span: Span, source: &[u8]) -> String {
    let offset = span.start;
    match kind {
        ReadErrorKind::EndOfInput { .. } => "Unexpected  end of input".into(),
        ReadErrorKind::EndInList { closer } => format!(
            "[offset: {offset}] Unexpected end of input reading expr, while looking for `{closer}`"
        ),
        ReadErrorKind::EndInString => "Unexpected  end of input at string literal".into(),
        ReadErrorKind::EndAfterBackslash => "Unexpected end of input after escape character".into(),
        ReadErrorKind::BadEscape(c) => format!("Invalid escape character \\{c}"),
        ReadErrorKind::IllegalCharacter(c)
        | ReadErrorKind::StrayCloser(c)
        | ReadErrorKind::MismatchedCloser { found: c, .. }
        | ReadErrorKind::PrefixBeforeCloser { closer: c, .. } => {
            format!("[offset: {offset}] Unexpected character {c}")
        }
        ReadErrorKind::InvalidUtf8(byte) => {
            format!("[offset: {offset}] Byte 0x{byte:02X} is not valid UTF-8")
        }
        ReadErrorKind::IntegerRange { .. }
        | ReadErrorKind::DecimalRange(_)
        | ReadErrorKind::MalformedNumber => {
            let token = &source[span.start as usize..span.end as usize];
            format!("{INVALID_NUMBER}{}", String::from_utf8_lossy(token))
        }
        ReadErrorKind::SymbolTooLong { bytes } => {
            format!("[offset: {offset}] Name of {bytes} bytes is longer than {SYMBOL_BYTES_MAX}")
        }
        ReadErrorKind::SourceTooLarge { bytes } => {
            format!("Source of {bytes} bytes is longer than {SOURCE_BYTES_MAX}")
        }
    }
}

/// The character, escaped when it has no glyph of its own.
fn shown(c: char) -> String {
    if c.is_control() { c.escape_default().to_string() } else { c.to_string() }
}

/// The character with its code point when the glyph alone may mislead.
fn named(c: char) -> String {
    match c {
        '\0' => "NUL (U+0000)".into(),
        ' '..='~' => format!("`{c}`"),
        _ => format!("`{}` (U+{:04X})", shown(c), c as u32),
    }
}

fn escape_help(c: char) -> &'static str {
    match c {
        ' ' | '(' | '{' | '&' | ')' => {
            "write `\\\\` for a backslash; a lambda in a string is `(\\\\ {x} {x})`"
        }
        'x' | 'u' | '0'..='9' => {
            "there are no numeric escapes; write the character itself, strings are UTF-8"
        }
        _ => {
            "the escapes are \\a \\b \\f \\n \\r \\t \\v \\\\ \\' \\\"; write `\\\\` for a backslash"
        }
    }
}

/// Hints for characters that people bring from other languages and editors.
const CHARACTER_HELP: &[(&str, &str)] = &[
    ("\0", "the text contains a NUL byte; is it a text file?"),
    ("#", "comments begin with `;`; `#!` is read only at the start of a file"),
    ("[", "lists are written `(…)` or `{…}`"),
    ("]", "lists are written `(…)` or `{…}`"),
    (".", "decimals have digits on both sides of the point, as in 0.5; names have no points"),
    ("@", "`@` is read only right after a comma: `,@x`"),
    ("\u{201c}\u{201d}\u{201e}", "write strings with straight quotes: \"…\""),
    ("\u{2018}\u{2019}", "write a straight quote: '"),
    ("\u{a0}\u{c}\u{3000}", "use an ordinary space"),
    ("\u{feff}", "remove the byte order mark"),
    ("\u{2212}\u{2013}\u{2014}", "write a minus sign: -"),
];

fn character_help(c: char) -> &'static str {
    let hint = CHARACTER_HELP.iter().find(|(characters, _)| characters.contains(c));
    hint.map_or("names consist of letters, digits and _ + - * \\ / = < > ! & ? :", |hint| hint.1)
}
