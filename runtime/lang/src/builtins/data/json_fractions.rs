//! The numbers of a JSON text that its parser gives as binary fractions, as they were written.
//!
//! 1. The parser gives a number as a binary fraction if it has a fraction or an exponent, if it is
//!    `-0`, and if it is an integer that neither a signed nor an unsigned word of 64 bits holds.
//! 2. It gives them in the order of the text, and so does [`Fractions`]: each call of
//!    [`Fractions::following`] belongs to one of the parser's.

/// Walks through a text that the parser accepts up to where it has got.
pub(super) struct Fractions<'t> {
    text: &'t [u8],
    at: usize,
}

impl<'t> Fractions<'t> {
    pub fn new(text: &'t [u8]) -> Fractions<'t> {
        Fractions { text, at: 0 }
    }

    /// The next number of rule 1; empty if there is none.
    pub fn following(&mut self) -> &'t str {
        while let Some(byte) = self.text.get(self.at) {
            match byte {
                b'"' => self.skip_string(),
                b'-' | b'0'..=b'9' => {
                    let number = self.number();
                    if is_fraction(number) {
                        return number;
                    }
                }
                _ => self.at += 1,
            }
        }
        ""
    }

    /// Goes behind a string, at whose opening quote this is.
    fn skip_string(&mut self) {
        self.at += 1;
        while let Some(length) = memchr::memchr2(b'"', b'\\', &self.text[self.at..]) {
            self.at += length;
            if self.text[self.at] == b'"' {
                self.at += 1;
                return;
            }
            self.at = (self.at + 2).min(self.text.len());
        }
        self.at = self.text.len();
    }

    fn number(&mut self) -> &'t str {
        let rest = &self.text[self.at..];
        let is_part = |byte: &u8| byte.is_ascii_digit() || b"+-.eE".contains(byte);
        let length = rest.iter().position(|byte| !is_part(byte)).unwrap_or(rest.len());
        self.at += length;
        std::str::from_utf8(&rest[..length]).expect("digits and signs are text")
    }
}

/// Rule 1.
fn is_fraction(number: &str) -> bool {
    number.contains(['.', 'e', 'E'])
        || number == "-0"
        || (number.parse::<i64>().is_err() && number.parse::<u64>().is_err())
}
