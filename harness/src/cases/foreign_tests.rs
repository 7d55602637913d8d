//! Tests written for another harness in a target of this one, where they vanish: the compiler leaves
//! out a function with `#[test]` if it does not make the harness itself.
//!
//! 1. The sources of the binary are those that the compiler lists beside it, for cargo.
//! 2. An attribute or macro of another harness at the start of a line counts, outside comments and
//!    texts. `#[test]` is ours in a file that imports `test_fn` under this name.
//!
//! A binary without that list, for instance a copied one, is not checked.

use std::fs;
use std::path::{Path, PathBuf};

/// What other harnesses call a test, without white space.
const FOREIGN: [&str; 9] = [
    "#[test]",
    "#[tokio::test",
    "#[async_std::test",
    "#[rstest",
    "#[test_case",
    "#[quickcheck",
    "#[bench]",
    "#[wasm_bindgen_test",
    "proptest!{",
];
/// Makes `#[test]` one of ours.
const IMPORT: &str = "test_fnastest";

/// The places of foreign tests in the sources of this binary, `file:line: what`.
pub fn find() -> Vec<String> {
    let binary = std::env::current_exe().unwrap_or_default();
    let Ok(list) = fs::read_to_string(binary.with_extension("d")) else { return Vec::new() };
    let mut found = Vec::new();
    for source in sources(&list) {
        let Some(path) = locate(&source, &binary) else { continue };
        let text = fs::read_to_string(path).unwrap_or_default();
        found.extend(
            in_source(&text)
                .into_iter()
                .map(|(line, what)| format!("{}:{line}: {what}", source.display())),
        );
    }
    found
}

/// The Rust sources in a list of dependencies as `make` reads it: `target: source source`.
pub(crate) fn sources(list: &str) -> Vec<PathBuf> {
    let first = list.lines().find_map(|line| line.split_once(": ")).map_or("", |(_, all)| all);
    // A space in a name has a backslash before it.
    let names = first.replace("\\ ", "\0");
    let names = names.split(' ').map(|name| PathBuf::from(name.replace('\0', " ")));
    names.filter(|name| name.extension().is_some_and(|extension| extension == "rs")).collect()
}

/// A relative path is meant from the root of the workspace, above the package or the binary.
fn locate(source: &Path, binary: &Path) -> Option<PathBuf> {
    let package = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    let above = |path: &Path| path.ancestors().map(Path::to_path_buf).collect::<Vec<_>>();
    let mut roots = package.as_deref().map(above).unwrap_or_default();
    roots.extend(std::env::current_dir().ok());
    roots.extend(above(binary));
    roots.into_iter().map(|root| root.join(source)).find(|path| path.is_file())
}

/// Line and text of each foreign test in a source.
pub(crate) fn in_source(text: &str) -> Vec<(usize, &'static str)> {
    let code = code_of(text);
    let is_ours = code.replace(char::is_whitespace, "").contains(IMPORT);
    let mut found = Vec::new();
    for (at, line) in code.lines().enumerate() {
        let line = line.replace(char::is_whitespace, "");
        let foreign = FOREIGN.into_iter().find(|start| line.starts_with(start));
        found.extend(
            foreign.filter(|what| !(is_ours && *what == "#[test]")).map(|what| (at + 1, what)),
        );
    }
    found
}

/// The source with comments and texts blanked out, line for line.
fn code_of(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let skipped = literal_or_comment(rest, code.chars().next_back());
        if skipped == 0 {
            code.push(first);
            rest = &rest[first.len_utf8()..];
        } else {
            code.push('_');
            code.extend(rest[..skipped].chars().filter(|c| *c == '\n'));
            rest = &rest[skipped..];
        }
    }
    code
}

/// Bytes of the comment or text that `rest` begins with, 0 if neither.
fn literal_or_comment(rest: &str, before: Option<char>) -> usize {
    let until = |end: &str, from: usize| {
        rest[from..].find(end).map_or(rest.len(), |at| from + at + end.len())
    };
    if rest.starts_with("//") {
        return rest.find('\n').unwrap_or(rest.len());
    }
    if rest.starts_with("/*") {
        return until("*/", 2);
    }
    if rest.starts_with('"') {
        let mut escaped = true; // the opening quote does not close
        let end = rest.bytes().position(|byte| {
            let closes = byte == b'"' && !escaped;
            escaped = byte == b'\\' && !escaped;
            closes
        });
        return end.map_or(rest.len(), |at| at + 1);
    }
    let is_word = before.is_some_and(|c| c.is_alphanumeric() || c == '_');
    if let Some(tail) = rest.strip_prefix('r').filter(|_| !is_word) {
        let hashes = tail.len() - tail.trim_start_matches('#').len();
        if tail[hashes..].starts_with('"') {
            return until(&format!("\"{}", "#".repeat(hashes)), hashes + 2);
        }
    }
    // The character `"` opens no text.
    ["'\"'", "'\\\"'"].into_iter().find(|one| rest.starts_with(one)).map_or(0, str::len)
}
