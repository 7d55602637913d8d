//! The reference: the meaning of every name that is bound when a program starts, and of the special
//! forms.
//!
//! 1. The texts are the files `stdlib/reference/FAMILY.txt`, embedded when the crate is built and
//!    parsed once per process. An empty line separates entries.
//! 2. An entry is one line per way to call it, each beginning with the name; then, indented by two
//!    spaces, its text; then its examples, `(expression) => display form`.
//! 3. Names are unique across the families; entries keep the order of the files.
//!
//! Does not know which names a runtime binds: tests compare the two.

use crate::nearest::{NEAREST_MAX, nearest};
use std::fmt;
use std::sync::OnceLock;

/// A family's name and the text of its file.
type FamilyText = (&'static str, &'static str);

/// Embeds the files of these families.
macro_rules! embedded {
    ($($family:literal)*) => {
        &[$(($family, include_str!(concat!("../../../stdlib/reference/", $family, ".txt")))),*]
    };
}

/// The families in the order in which they are listed.
const FAMILIES: &[FamilyText] = embedded![
    "control"
    "functions"
    "macros"
    "types"
    "arithmetic"
    "comparison"
    "lists"
    "plists"
    "maps"
    "vectors"
    "strings"
    "text"
    "regex"
    "json"
    "errors"
    "output"
    "files"
    "process"
    "time"
    "random"
    "memory"
    "continuations"
    "context"
    "boxes"
    "futures"
    "aio"
    "handles"
    "combinators"
    "async"
    "http2"
    "http_api"
    "sse"
    "metrics"
    "debug"
    "test"
];

/// Most names that [`suggest`] gives.
pub const SUGGESTIONS_MAX: usize = NEAREST_MAX;
/// Columns of [`contents`].
const COLUMNS_MAX: usize = 100;

/// An expression and what `print` shows for its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Example {
    /// The expression.
    pub code: &'static str,
    /// Display form of its value.
    pub value: &'static str,
    /// Line in the family's file, counted from 1.
    pub line: usize,
}

/// What the reference says about a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The name as programs write it.
    pub name: &'static str,
    /// How it is called, one line per way.
    pub signature: String,
    /// What it means, lines of at most 100 columns.
    pub text: String,
    /// Expressions with their values.
    pub examples: Vec<Example>,
    /// The family, which is also the name of the file.
    pub family: &'static str,
}

impl Entry {
    /// The entry as plain text: signature, then text and examples indented by two spaces. Ends with
    /// a newline.
    pub fn render(&self) -> String {
        let mut lines: Vec<String> = self.signature.lines().map(str::to_owned).collect();
        lines.extend(self.text.lines().map(|line| format!("  {line}")));
        lines.extend(self.examples.iter().map(|e| format!("  {} => {}", e.code, e.value)));
        lines.join("\n") + "\n"
    }
}

/// A text that is no reference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Malformed {
    /// The family.
    pub family: &'static str,
    /// Line in its file, counted from 1.
    pub line: usize,
    /// What is wrong there.
    pub problem: &'static str,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "stdlib/reference/{}.txt:{}: {}", self.family, self.line, self.problem)
    }
}

/// Parses the text of a family.
///
/// # Errors
/// The first line that breaks the form described above.
pub fn parse(family: &'static str, text: &'static str) -> Result<Vec<Entry>, Malformed> {
    let mut entries: Vec<Entry> = Vec::new();
    let mut open = false;
    let mut last = 0;
    for (index, line) in text.lines().enumerate() {
        let number = index + 1;
        last = number;
        let added = if line.is_empty() {
            let complete = !open || entries.last().is_some_and(|entry| !entry.text.is_empty());
            open = false;
            if complete { Ok(()) } else { Err(NO_TEXT) }
        } else if let Some(body) = line.strip_prefix("  ") {
            match entries.last_mut().filter(|_| open) {
                Some(entry) => add_body(entry, body, number),
                None => Err("an entry begins with a line that names it"),
            }
        } else if open {
            entries.last_mut().map_or(Ok(()), |entry| add_signature(entry, line))
        } else {
            open = true;
            let name = line.split(' ').next().unwrap_or_default();
            let (signature, text, examples) = (line.to_owned(), String::new(), Vec::new());
            entries.push(Entry { name, signature, text, examples, family });
            Ok(())
        };
        added.map_err(|problem| Malformed { family, line: number, problem })?;
    }
    if entries.last().is_some_and(|entry| entry.text.is_empty()) {
        return Err(Malformed { family, line: last, problem: NO_TEXT });
    }
    Ok(entries)
}

const NO_TEXT: &str = "an entry says what its name means";

fn add_signature(entry: &mut Entry, line: &'static str) -> Result<(), &'static str> {
    if !entry.text.is_empty() || !entry.examples.is_empty() {
        return Err("an empty line separates entries");
    }
    if line.split(' ').next() != Some(entry.name) {
        return Err("every signature of an entry begins with its name");
    }
    entry.signature.push('\n');
    entry.signature.push_str(line);
    Ok(())
}

fn add_body(entry: &mut Entry, body: &'static str, line: usize) -> Result<(), &'static str> {
    if body.starts_with('(') {
        let (code, value) =
            body.rsplit_once(" => ").ok_or("an example is `(expression) => display form`")?;
        entry.examples.push(Example { code, value, line });
        return Ok(());
    }
    if !entry.examples.is_empty() {
        return Err("the text comes before the examples");
    }
    if !entry.text.is_empty() {
        entry.text.push('\n');
    }
    entry.text.push_str(body);
    Ok(())
}

/// All entries, family by family.
///
/// # Panics
/// When an embedded text is malformed, which the tests exclude.
pub fn entries() -> &'static [Entry] {
    static ENTRIES: OnceLock<Vec<Entry>> = OnceLock::new();
    ENTRIES.get_or_init(|| {
        let parsed = FAMILIES.iter().map(|(family, text)| parse(family, text));
        parsed.flat_map(|family| family.unwrap_or_else(|problem| panic!("{problem}"))).collect()
    })
}

/// The families' names in the order in which they are listed.
pub fn families() -> impl Iterator<Item = &'static str> {
    FAMILIES.iter().map(|(family, _)| *family)
}

/// The entries of a family, none when there is no such family.
pub fn family(name: &str) -> impl Iterator<Item = &'static Entry> {
    entries().iter().filter(move |entry| entry.family == name)
}

/// The entry of a name.
pub fn lookup(name: &str) -> Option<&'static Entry> {
    entries().iter().find(|entry| entry.name == name)
}

/// Names that were perhaps meant by `name`, the likeliest first, at most
/// [`SUGGESTIONS_MAX`]: names of some family that end so (`upcase`: `str/upcase`), then those that
/// are spelt almost so.
pub fn suggest(name: &str) -> Vec<&'static str> {
    let names = || entries().iter().map(|entry| entry.name);
    let ends_so = |known: &&str| known.rsplit_once('/').is_some_and(|(_, end)| end == name);
    let mut found: Vec<&str> = names().filter(ends_so).collect();
    found.extend(nearest(name, names().filter(|known| !ends_so(known))));
    found.truncate(SUGGESTIONS_MAX);
    found
}

/// The families and their names as plain text, at most 100 columns wide.
pub fn contents() -> String {
    let mut text = String::new();
    for name in families() {
        text.push_str(name);
        text.push('\n');
        let mut line = String::from(" ");
        for entry in family(name) {
            if line.len() + 1 + entry.name.len() > COLUMNS_MAX {
                text.push_str(&line);
                text.push('\n');
                line = String::from(" ");
            }
            line.push(' ');
            line.push_str(entry.name);
        }
        text.push_str(&line);
        text.push('\n');
    }
    text
}
