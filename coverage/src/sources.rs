//! The files that a report must have data of, found on disk instead of in the report.
//!
//! 1. Every `.rs` file below a source root counts, except test code (`tests.rs`, `*_tests.rs`, the
//!    directories `tests`, `examples`, `benches`), build products (`target`, hidden directories)
//!    and build scripts (`build.rs`), which run inside the compiler.
//! 2. A file needs no data when nothing in it can execute in this build: it holds no function
//!    with a body outside comments and text, or it opens with `#![cfg(…)]` naming `valk_loom` or
//!    `test` without `not`.
//! 3. Functions that only a macro writes (`fn $name`) belong to the files that call the macro.
//!
//! Knows file names and just enough of Rust's tokens to skip comments and literals. Does not know
//! the module tree: a file that no module declares has no data and is reported.

use std::collections::BTreeMap;
use std::path::Path;

use crate::error::Error;
use crate::language::Language;

/// What the gate needs of one source file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceFile {
    /// Its text, for showing missed lines.
    pub text: String,
    /// Whether a report without this file is incomplete.
    pub executable: bool,
}

/// Sources by path relative to the repository root, with `/`.
pub type Sources = BTreeMap<String, SourceFile>;

/// Directories whose content is test code or build products.
const SKIPPED_DIRECTORIES: [&str; 4] = ["tests", "examples", "benches", "target"];

/// Reads every source file below `root/under` for each of `under`.
///
/// # Errors
/// An unreadable directory or file, or no source file at all.
pub fn read(root: &Path, under: &[String]) -> Result<Sources, Error> {
    let mut sources = Sources::new();
    for folder in under {
        let relative = normalised(folder);
        walk(&root.join(relative), relative, &mut sources)?;
    }
    if sources.is_empty() {
        return Err(Error::NoSources {
            roots: format!("{} ({})", root.display(), under.join(" ")),
        });
    }
    Ok(sources)
}

fn walk(directory: &Path, relative: &str, sources: &mut Sources) -> Result<(), Error> {
    let failed = |path: &Path, cause: &std::io::Error| Error::Read {
        path: path.display().to_string(),
        cause: cause.to_string(),
    };
    let entries = std::fs::read_dir(directory).map_err(|cause| failed(directory, &cause))?;
    for entry in entries.filter_map(Result::ok) {
        let name = entry.file_name().to_string_lossy().into_owned();
        let child = if relative.is_empty() { name.clone() } else { format!("{relative}/{name}") };
        let path = entry.path();
        if path.is_dir() {
            if is_entered(&name) {
                walk(&path, &child, sources)?;
            }
        } else if is_measured(&name) {
            let text = std::fs::read_to_string(&path).map_err(|cause| failed(&path, &cause))?;
            let executable = is_executable(&text);
            sources.insert(child, SourceFile { text, executable });
        }
    }
    Ok(())
}

/// Whether rule 1 counts the file at `path` (relative to the repository root) below `under`.
pub fn belongs(path: &str, under: &[String]) -> bool {
    let below = under.iter().map(|folder| normalised(folder)).any(|folder| {
        folder.is_empty() || path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
    });
    let mut parts = path.rsplit('/');
    let name = parts.next().unwrap_or_default();
    below && is_measured(name) && parts.all(is_entered)
}

/// A source root without its decoration; the repository root itself is empty.
fn normalised(folder: &str) -> &str {
    let folder = folder.trim_start_matches("./").trim_matches('/');
    if folder == "." { "" } else { folder }
}

fn is_entered(directory: &str) -> bool {
    !directory.starts_with('.') && !SKIPPED_DIRECTORIES.contains(&directory)
}

/// Rule 1 for a file name.
fn is_measured(name: &str) -> bool {
    Language::of(name) == Some(Language::Rust)
        && !matches!(name, "tests.rs" | "build.rs")
        && !name.ends_with("_tests.rs")
}

/// Rule 2.
pub fn is_executable(text: &str) -> bool {
    let code = without_literals(text);
    !is_other_build(&code) && has_function_body(&code)
}

fn is_other_build(code: &str) -> bool {
    code.split("#![cfg(").skip(1).any(|rest| {
        let condition = rest.split(']').next().unwrap_or_default();
        !condition.contains("not(")
            && condition
                .split(|c: char| !c.is_alphanumeric() && c != '_')
                .any(|word| word == "valk_loom" || word == "test")
    })
}

/// Whether `fn name …` is followed by `{` before any `;` outside brackets.
fn has_function_body(code: &str) -> bool {
    code.match_indices("fn ").any(|(at, _)| {
        let before = code[..at].chars().next_back();
        let after = code[at + 3..].trim_start();
        let is_item = before.is_none_or(|c| !c.is_alphanumeric() && c != '_')
            && after.starts_with(|c: char| c.is_alphabetic() || c == '_');
        is_item && opens_block(after)
    })
}

fn opens_block(signature: &str) -> bool {
    let mut depth = 0_usize;
    for c in signature.chars() {
        match c {
            '(' | '[' => depth += 1,
            ')' | ']' => depth = depth.saturating_sub(1),
            '{' if depth == 0 => return true,
            ';' if depth == 0 => return false,
            _ => {}
        }
    }
    false
}

/// The text with comments and the content of string and character literals removed.
fn without_literals(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let skipped = literal_or_comment(rest, code.chars().next_back());
        if skipped == 0 {
            code.push(if c.is_whitespace() { ' ' } else { c });
            rest = &rest[c.len_utf8()..];
        } else {
            code.push(' ');
            rest = &rest[skipped..];
        }
    }
    code
}

/// Length in bytes of the comment or literal `rest` begins with, 0 if neither.
fn literal_or_comment(rest: &str, before: Option<char>) -> usize {
    let until = |end: &str, from: usize| {
        rest[from..].find(end).map_or(rest.len(), |at| from + at + end.len())
    };
    if rest.starts_with("//") {
        return rest.find('\n').unwrap_or(rest.len());
    }
    if rest.starts_with("/*") {
        return block_comment(rest);
    }
    if rest.starts_with('"') {
        return quoted(rest);
    }
    // `r` opens a raw string only where no identifier ends with it.
    let in_word = before.is_some_and(|c| c.is_alphanumeric() && c != 'b');
    if !in_word && let Some(tail) = rest.strip_prefix('r') {
        let hashes = tail.len() - tail.trim_start_matches('#').len();
        if tail[hashes..].starts_with('"') {
            return until(&format!("\"{}", "#".repeat(hashes)), hashes + 2);
        }
    }
    character(rest)
}

/// Length of a possibly nested `/* … */`.
fn block_comment(rest: &str) -> usize {
    let bytes = rest.as_bytes();
    let (mut at, mut depth) = (0, 0_usize);
    while at < bytes.len() {
        let step = match &bytes[at..bytes.len().min(at + 2)] {
            b"/*" => {
                depth += 1;
                2
            }
            b"*/" => {
                depth -= 1;
                2
            }
            _ => 1,
        };
        at += step;
        if depth == 0 {
            return at;
        }
    }
    rest.len()
}

/// Length of a `"…"` with escapes.
fn quoted(rest: &str) -> usize {
    let mut escaped = true; // the opening quote does not close
    for (at, byte) in rest.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

/// Length of `'x'` or `'\n'`; a lifetime is neither.
fn character(rest: &str) -> usize {
    let Some(tail) = rest.strip_prefix('\'') else { return 0 };
    if tail.starts_with('\\') {
        return tail.get(2..).and_then(|t| t.find('\'')).map_or(0, |at| at + 4);
    }
    let Some(c) = tail.chars().next() else { return 0 };
    if tail[c.len_utf8()..].starts_with('\'') { c.len_utf8() + 2 } else { 0 }
}
