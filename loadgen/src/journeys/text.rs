//! Text with places for values: `/cart/{{item}}`.

use std::fmt::Write;
use std::sync::Arc;

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Literal(String),
    /// Number of the value that stands here.
    Value(usize),
}

/// A text with places for values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Text(Vec<Piece>);

impl Text {
    /// Parses a text; `number_of` gives the number of the value with a name.
    ///
    /// # Errors
    /// A place that does not end, or what `number_of` says about a name.
    pub fn parse(
        text: &str,
        mut number_of: impl FnMut(&str) -> Result<usize, String>,
    ) -> Result<Text, String> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some((literal, behind)) = rest.split_once("{{") {
            let (name, behind) = behind
                .split_once("}}")
                .ok_or_else(|| format!("`{{{{` without `}}}}` behind it in `{text}`"))?;
            if !literal.is_empty() {
                pieces.push(Piece::Literal(literal.to_string()));
            }
            pieces.push(Piece::Value(number_of(name.trim())?));
            rest = behind;
        }
        if !rest.is_empty() {
            pieces.push(Piece::Literal(rest.to_string()));
        }
        Ok(Text(pieces))
    }

    /// Whether it is always the empty text.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The text with these values, as they are.
    pub fn render(&self, values: &[Arc<str>]) -> String {
        self.render_with(values, |value, out| out.push_str(value))
    }

    /// The text with these values percent-encoded (RFC 3986 section 2.1), so that each is one part of
    /// a path or of a query, whatever is in it.
    pub fn render_path(&self, values: &[Arc<str>]) -> String {
        self.render_with(values, |value, out| {
            for byte in value.bytes() {
                if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                    out.push(byte as char);
                } else {
                    write!(out, "%{byte:02X}").expect("writing to a string cannot fail");
                }
            }
        })
    }

    fn render_with(&self, values: &[Arc<str>], put: impl Fn(&str, &mut String)) -> String {
        let mut out = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Literal(literal) => out.push_str(literal),
                Piece::Value(number) => put(&values[*number], &mut out),
            }
        }
        out
    }
}
