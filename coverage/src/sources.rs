//! The files that a report must have data of, found on disk instead of in the report.
//!
//! 1. Every `.rs` file below a source root counts, except test code (`tests.rs`, the directories
//!    `tests`, `examples`, `benches`), build products (`target`, hidden directories) and build
//!    scripts (`build.rs`), which run inside the compiler.
//! 2. A file needs no data when nothing in it can execute in this build: it holds no function
//!    with a body and no closure outside comments and text, or it opens with a `#![cfg(…)]` that
//!    cannot hold without `valk_loom`, `valk_shuttle` or `test`.
//! 3. Functions that only a macro writes (`fn $name`) belong to the files that call the macro; the
//!    lines of macros that the compiler does not count are counted here.
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
    Language::of(name) == Some(Language::Rust) && !matches!(name, "tests.rs" | "build.rs")
}

/// Rule 2.
pub fn is_executable(text: &str) -> bool {
    let code = without_literals(text);
    let outside = without_macros(&code);
    !is_other_build(&code) && (has_function_body(&outside) || has_closure(&outside))
}

/// Whether an attribute that the file opens with leaves it out of this build.
fn is_other_build(code: &str) -> bool {
    let mut rest = code.trim_start();
    while let Some(attribute) = rest.strip_prefix("#![") {
        let length = balanced(attribute, '[', ']');
        let condition = attribute[..length].trim().strip_prefix("cfg(");
        if condition.is_some_and(|condition| !may_hold(condition)) {
            return true;
        }
        rest = attribute[length..].trim_start_matches(']').trim_start();
    }
    false
}

/// Bytes until the bracket that closes what `text` stands in; all of it without one.
fn balanced(text: &str, opening: char, closing: char) -> usize {
    let mut depth = 0_usize;
    for (at, c) in text.char_indices() {
        if c == closing && depth == 0 {
            return at;
        }
        depth = (depth + usize::from(c == opening)) - usize::from(c == closing);
    }
    text.len()
}

/// Whether a condition can hold in this build, where the names of other builds are false and any
/// other may be true.
fn may_hold(condition: &str) -> bool {
    let condition = condition.trim();
    let (name, rest) = condition.split_at(
        condition.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(condition.len()),
    );
    let Some(inside) = rest.trim_start().strip_prefix('(') else {
        return !matches!(name, "valk_loom" | "valk_shuttle" | "test");
    };
    let mut parts = parts_of(&inside[..balanced(inside, '(', ')')]).into_iter();
    match name {
        "all" => parts.all(may_hold),
        "any" => parts.any(may_hold),
        // What may be true may be false as well, but for a name of another build.
        _ => true,
    }
}

/// What stands between the commas that are in no brackets.
fn parts_of(list: &str) -> Vec<&str> {
    let (mut parts, mut start, mut depth) = (Vec::new(), 0, 0_usize);
    for (at, c) in list.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                parts.push(&list[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&list[start..]);
    parts.retain(|part| !part.trim().is_empty());
    parts
}

/// The bodies of `macro_rules!`, from behind the opening brace to the closing one.
fn macro_bodies(code: &str) -> Vec<std::ops::Range<usize>> {
    let mut bodies = Vec::new();
    for (at, _) in code.match_indices("macro_rules!") {
        if let Some(brace) = code[at..].find('{') {
            let start = at + brace + 1;
            bodies.push(start..start + balanced(&code[start..], '{', '}'));
        }
    }
    bodies
}

fn without_macros(code: &str) -> String {
    let mut outside = String::new();
    let mut from = 0;
    for body in macro_bodies(code) {
        if body.start >= from {
            outside.push_str(&code[from..body.start]);
            from = body.end;
        }
    }
    outside + &code[from..]
}

/// Lines of macro bodies that hold code.
pub fn macro_lines(text: &str) -> Vec<u32> {
    let code = without_literals(text);
    let mut lines = Vec::new();
    for body in macro_bodies(&code) {
        let first = code[..body.start].matches('\n').count();
        for (at, line) in code[body].lines().enumerate().skip(1) {
            if line.contains(|c: char| c.is_alphanumeric()) {
                lines.push((first + at + 1) as u32);
            }
        }
    }
    lines.sort_unstable();
    lines.dedup();
    lines
}

/// Whether a closure stands where an expression may: behind a bracket, a comma, `=` or `move`.
fn has_closure(code: &str) -> bool {
    code.match_indices('|').any(|(at, _)| {
        let before = code[..at].trim_end();
        before.ends_with(['(', ',', '=', '{']) || before.ends_with(" move")
    })
}

/// Whether `fn name …` is followed by `{` before any `;` outside brackets.
fn has_function_body(code: &str) -> bool {
    let code = code.replace('\n', " ");
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

/// The text with comments and the content of string and character literals removed, line for line.
fn without_literals(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let skipped = literal_or_comment(rest, code.chars().next_back());
        if skipped == 0 {
            code.push(if c.is_whitespace() && c != '\n' { ' ' } else { c });
            rest = &rest[c.len_utf8()..];
        } else {
            code.push(' ');
            code.extend(rest[..skipped].chars().filter(|c| *c == '\n'));
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
