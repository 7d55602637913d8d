//! A value out of an answer.

use std::fmt;
use std::sync::Arc;

use regex::bytes::Regex;
use serde_json::Value;

/// Where in a body the value is.
#[derive(Clone, Debug)]
pub enum Capture {
    /// A JSON pointer (RFC 6901). A string gives its text, anything else its JSON.
    Json(String),
    /// The first group of a regular expression, or all that it matches if it has none.
    Regex(Regex),
}

impl Capture {
    /// A JSON pointer.
    ///
    /// # Errors
    /// If it is none.
    pub fn json(pointer: &str) -> Result<Capture, String> {
        if pointer.is_empty() || pointer.starts_with('/') {
            return Ok(Capture::Json(pointer.to_string()));
        }
        Err(format!(
            "`{pointer}` is not a JSON pointer; write it as `/{}`",
            pointer.replace('.', "/")
        ))
    }

    /// A regular expression.
    ///
    /// # Errors
    /// If it is none.
    pub fn regex(pattern: &str) -> Result<Capture, String> {
        let regex = Regex::new(pattern).map_err(|error| error.to_string())?;
        if regex.captures_len() > 2 {
            return Err(format!("`{pattern}` has several groups; write `(?:...)` for all but one"));
        }
        Ok(Capture::Regex(regex))
    }

    /// The value in a body, if it is there and is text.
    pub fn find(&self, body: &[u8]) -> Option<Arc<str>> {
        match self {
            Capture::Json(pointer) => {
                let document: Value = serde_json::from_slice(body).ok()?;
                Some(match document.pointer(pointer)? {
                    Value::String(text) => Arc::from(text.as_str()),
                    other => Arc::from(other.to_string()),
                })
            }
            Capture::Regex(regex) => {
                let groups = regex.captures(body)?;
                let found = groups.get(regex.captures_len() - 1)?;
                std::str::from_utf8(found.as_bytes()).ok().map(Arc::from)
            }
        }
    }
}

impl fmt::Display for Capture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Capture::Json(pointer) => write!(f, "JSON `{pointer}`"),
            Capture::Regex(regex) => write!(f, "regular expression `{regex}`"),
        }
    }
}
