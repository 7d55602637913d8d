//! Waivers: named exceptions from the gate, each with a reason, an owner and an end.
//!
//! The file is a small part of TOML: comments, `[[waiver]]` and `key = "text"` lines.
//!
//! ```toml
//! [[waiver]]
//! path = "runtime/vm/src/stack.rs"
//! lines = "120-126"                 # left out: the whole file
//! category = "out-of-memory"
//! reason = "mmap refusal cannot be provoked below the hard limit"
//! owner = "vm"
//! expires = "2027-01-31"
//! ```
//!
//! 1. A file that does not parse stops the gate: a typing error must not become an exception.
//! 2. Whether a waiver is still valid and still needed is judged in [`crate::gate`].

use std::ops::RangeInclusive;
use std::path::Path;

use crate::error::Error;

/// Most waivers a file may hold; more is a red gate.
pub const WAIVERS_MAX: usize = 10;
/// Longest life of a waiver from today, in days; a farther date is a red gate.
pub const WAIVER_DAYS_MAX: i64 = 366;

/// Why a span cannot be covered, and what that means for a reader of the list.
pub const CATEGORIES: [(&str, &str); 6] = [
    ("platform", "code of a platform that this run is not on"),
    ("out-of-memory", "the system's refusal of memory or another resource cannot be provoked"),
    ("fork-frame", "the function around fork(), which continuous counters misreport"),
    ("other-build", "compiled in another build only (loom, Miri, bench)"),
    ("tool-limit", "the coverage tool reports executed code as missed"),
    ("invariant", "a branch that only a bug elsewhere can take"),
];

/// One exception.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Waiver {
    /// File, relative to the repository root, with `/`.
    pub path: String,
    /// Lines that it covers; `None` for the whole file.
    pub lines: Option<RangeInclusive<u32>>,
    /// One of [`CATEGORIES`].
    pub category: String,
    /// Why, in words.
    pub reason: String,
    /// Who answers for it.
    pub owner: String,
    /// Last valid day, `YYYY-MM-DD`.
    pub expires: String,
    /// Line of its `[[waiver]]`, for messages.
    pub at_line: usize,
}

impl Waiver {
    /// Whether `line` is among the waived ones.
    pub fn covers(&self, line: u32) -> bool {
        self.lines.as_ref().is_none_or(|lines| lines.contains(&line))
    }

    /// `path` or `path:from-to`.
    pub fn location(&self) -> String {
        match &self.lines {
            Some(lines) => format!("{}:{}-{}", self.path, lines.start(), lines.end()),
            None => self.path.clone(),
        }
    }
}

/// Reads a waiver file.
///
/// # Errors
/// The file cannot be read, or [`parse`] refuses it.
pub fn read(path: &Path) -> Result<Vec<Waiver>, Error> {
    let name = path.display().to_string();
    let text = std::fs::read_to_string(path)
        .map_err(|cause| Error::Read { path: name.clone(), cause: cause.to_string() })?;
    parse(&name, &text)
}

/// Reads waivers from text; `name` is used in messages only.
///
/// # Errors
/// A line that is none of the three allowed kinds, an unknown or repeated key, a bad line range.
pub fn parse(name: &str, text: &str) -> Result<Vec<Waiver>, Error> {
    let mut waivers: Vec<Waiver> = Vec::new();
    let mut seen: Vec<&str> = Vec::new();
    for (index, raw) in text.lines().enumerate() {
        let line = index + 1;
        let refuse = |detail| Error::WaiverSyntax { path: name.to_owned(), line, detail };
        let content = raw.trim();
        if content.is_empty() || content.starts_with('#') {
            continue;
        }
        if content == "[[waiver]]" {
            waivers.push(Waiver { at_line: line, ..Waiver::default() });
            seen.clear();
            continue;
        }
        let (key, value) = key_and_text(content).map_err(refuse)?;
        let Some(waiver) = waivers.last_mut() else {
            return Err(refuse(format!("`{key}` before the first [[waiver]]")));
        };
        if seen.contains(&key) {
            return Err(refuse(format!("`{key}` twice in one waiver")));
        }
        set(waiver, key, value).map_err(refuse)?;
        seen.push(key);
    }
    Ok(waivers)
}

/// Splits `key = "text"  # comment`.
fn key_and_text(content: &str) -> Result<(&str, &str), String> {
    let shape = || format!("expected [[waiver]], a comment or key = \"text\", found `{content}`");
    let (key, rest) = content.split_once('=').ok_or_else(shape)?;
    let (text, after) =
        rest.trim().strip_prefix('"').and_then(|rest| rest.split_once('"')).ok_or_else(shape)?;
    if text.contains('\\') {
        return Err(format!("no escapes in `{text}`: write it without backslashes"));
    }
    let after = after.trim();
    if after.is_empty() || after.starts_with('#') { Ok((key.trim(), text)) } else { Err(shape()) }
}

fn set(waiver: &mut Waiver, key: &str, value: &str) -> Result<(), String> {
    let entry = match key {
        "path" => &mut waiver.path,
        "category" => &mut waiver.category,
        "reason" => &mut waiver.reason,
        "owner" => &mut waiver.owner,
        "expires" => &mut waiver.expires,
        "lines" => {
            waiver.lines = Some(line_range(value)?);
            return Ok(());
        }
        _ => {
            return Err(format!(
                "unknown key `{key}`, expected path, lines, category, reason, owner or expires"
            ));
        }
    };
    value.trim().clone_into(entry);
    Ok(())
}

/// Reads `12` or `12-20`.
fn line_range(text: &str) -> Result<RangeInclusive<u32>, String> {
    let (from, to) = text.split_once('-').unwrap_or((text, text));
    match (from.trim().parse(), to.trim().parse()) {
        (Ok(from), Ok(to)) if 0 < from && from <= to => Ok(from..=to),
        _ => Err(format!("`{text}` is no line range, expected 12 or 12-20")),
    }
}
