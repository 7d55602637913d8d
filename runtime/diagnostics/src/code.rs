//! The table of diagnostic codes: number, name and one sentence each, defined once.
//!
//! 1. A number is never given to a second meaning; a retired one stays unused.
//! 2. Reference page, `explain` command and tests read this table.
//!
//! 1–19 reader, 20–29 files, 30–39 running programs, 40–49 command line.

macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $variant:ident = $number:literal, $name:literal;)+) => {
        /// What kind of problem a diagnostic reports.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u16)]
        pub enum Code {
            $($(#[doc = $doc])+ $variant = $number,)+
        }

        impl Code {
            /// Every code, in ascending order.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// Short name in words joined by `-`, for lists and searches.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// What the code means, in one sentence.
            pub fn explain(self) -> &'static str {
                match self { $(Self::$variant => concat!($($doc),+).trim_ascii(),)+ }
            }
        }
    };
}

codes! {
    /// The input ended inside a list: a closing `)` or `}` is missing.
    EndInList = 1, "end-in-list";
    /// The input ended inside a string: the closing `"` is missing.
    EndInString = 2, "end-in-string";
    /// A backslash in a string is followed by a character that names no escape.
    BadEscape = 3, "bad-escape";
    /// A character appears outside strings and comments that no token may contain.
    IllegalCharacter = 4, "illegal-character";
    /// A closing bracket appears where no list is open.
    StrayCloser = 5, "stray-closer";
    /// A list is closed by the bracket of the other kind.
    MismatchedCloser = 6, "mismatched-closer";
    /// An integer literal does not fit in 64 bits.
    IntegerRange = 7, "integer-range";
    /// An expression was expected, but the input ended before one began.
    EndOfInput = 8, "end-of-input";
    /// A quote prefix stands before a closing bracket instead of an expression.
    PrefixWithoutDatum = 9, "prefix-without-datum";
    /// Source text is not valid UTF-8.
    NotUtf8 = 10, "not-utf-8";
    /// A source text is longer than the reader accepts.
    SourceTooLarge = 11, "source-too-large";
    /// A decimal literal is outside the range, or has more than 18 digits after the point.
    DecimalRange = 12, "decimal-range";
    /// Something that begins as a number goes on with what no number contains.
    MalformedNumber = 13, "malformed-number";
    /// A name is longer than names may be.
    SymbolTooLong = 14, "symbol-too-long";
    /// A file that should be read does not exist.
    FileNotFound = 20, "file-not-found";
    /// A file exists but cannot be read.
    FileUnreadable = 21, "file-unreadable";
    /// The program evaluated to an error value that nothing handled.
    RuntimeError = 30, "runtime-error";
    /// A configuration key is not one that the called function knows.
    UnknownKey = 31, "unknown-key";
    /// A symbol was evaluated that is bound to nothing.
    UnboundSymbol = 32, "unbound-symbol";
    /// An operation was given a value of a type that it does not take.
    WrongType = 33, "wrong-type";
    /// A function was called with a number of arguments that it does not take.
    ArgumentCount = 34, "argument-count";
    /// Something that is not a function was called.
    NotAFunction = 35, "not-a-function";
    /// A number was divided by zero.
    DivisionByZero = 36, "division-by-zero";
    /// The program needs more memory than its limit allows.
    OutOfMemory = 37, "out-of-memory";
    /// A special form does not have the parts that it needs.
    MalformedForm = 38, "malformed-form";
    /// The evaluation was interrupted from outside.
    Interrupted = 39, "interrupted";
    /// The command line names an option or argument that the command does not take.
    Usage = 40, "usage";
}

impl Code {
    /// The number in the table.
    pub const fn number(self) -> u16 {
        self as u16
    }

    /// The stable identifier, `E` and four digits.
    pub fn id(self) -> String {
        format!("E{:04}", self.number())
    }

    /// The code with this identifier (`E0003`, case ignored) or name (`bad-escape`).
    pub fn find(text: &str) -> Option<Self> {
        let wanted = text.to_ascii_uppercase();
        Self::ALL.iter().copied().find(|code| code.id() == wanted || code.name() == text)
    }
}
