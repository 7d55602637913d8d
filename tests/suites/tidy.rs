//! Rules about the tree itself; docs/architecture.md gives the reasons.

use std::path::{Path, PathBuf};
use valk_tests::program::root;

/// Lines a source file may have.
const FILE_LINES_MAX: usize = 600;

/// Files that are one table or one loop, and may be longer.
const LONG_FILES: &[&str] = &["runtime/vm/src/interpreter/run.rs"];

/// Crates that may contain unsafe code; elsewhere it is forbidden.
const UNSAFE_CRATES: &[&str] = &["runtime/sync", "runtime/heap", "runtime/vm", "harness"];

/// What each crate may name, from docs/architecture.md: itself and what stands below it.
const LAYERS: &[(&str, &[&str])] = &[
    ("runtime/sync", &[]),
    ("runtime/log", &[]),
    ("runtime/metrics", &[]),
    ("runtime/diagnostics", &[]),
    ("runtime/decimal", &[]),
    ("runtime/syntax", &["decimal", "diagnostics"]),
    ("runtime/heap", &["sync", "metrics"]),
    ("runtime/vm", &["decimal", "heap", "metrics"]),
    ("runtime/stdlib", &[]),
    (
        "runtime/lang",
        &["decimal", "log", "metrics", "diagnostics", "syntax", "heap", "vm", "stdlib"],
    ),
    ("runtime/aio", &["sync", "net", "log", "metrics", "heap", "vm", "lang"]),
    ("runtime/net", &[]),
    ("runtime/http2", &["net"]),
    ("runtime/web", &["heap", "vm", "lang", "aio", "http2"]),
    ("runtime/cli", &["log", "diagnostics", "syntax", "heap", "vm", "lang", "aio", "http2", "web"]),
    ("harness", &["harness-macros"]),
    ("harness/macros", &[]),
    ("loadgen", &[]),
    ("coverage", &[]),
];

/// Crates whose own business is to write to standard error: binaries and the test harness.
const PRINTING_CRATES: &[&str] = &["runtime/cli/", "harness/", "loadgen/", "coverage/"];

/// Names that say nothing.
const BANNED_FILE_NAMES: &[&str] = &["util", "utils", "helper", "helpers", "common", "misc"];

/// All files with this extension below a directory, but for build products.
fn files(directory: &Path, extension: &str, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).expect("a readable directory") {
        let path = entry.expect("a readable entry").path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() && !name.starts_with('.') && !name.starts_with("target") {
            files(&path, extension, found);
        } else if path.extension().is_some_and(|found| found == extension) {
            found.push(path);
        }
    }
}

/// Rust sources with their path from the root and text.
pub(crate) fn sources() -> Vec<(String, String)> {
    let root = root().canonicalize().expect("the repository");
    let mut found = Vec::new();
    files(&root, "rs", &mut found);
    let relative = |path: &PathBuf| {
        let path = path.strip_prefix(&root).expect("below the root");
        path.to_string_lossy().into_owned()
    };
    found
        .iter()
        .map(|path| (relative(path), std::fs::read_to_string(path).expect("UTF-8 source")))
        .collect()
}

/// Fails with everything that is wrong.
pub(crate) fn none(wrong: &[String]) {
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn is_test(path: &str) -> bool {
    path.contains("/tests") || path.starts_with("tests/") || path.contains("/examples/")
}

valk_harness::test! {
    fn files_are_short_and_say_what_they_own() {
        let mut wrong = Vec::new();
        for (path, text) in sources() {
            let lines = text.lines().count();
            if lines > FILE_LINES_MAX && !LONG_FILES.contains(&path.as_str()) && !is_test(&path) {
                wrong.push(format!("{path}: {lines} lines, at most {FILE_LINES_MAX}"));
            }
            if !is_test(&path) && !text.starts_with("//!") {
                wrong.push(format!("{path}:1: a file starts with //! and what it owns"));
            }
            let stem = Path::new(&path).file_stem().unwrap_or_default().to_string_lossy();
            if BANNED_FILE_NAMES.contains(&stem.as_ref()) {
                wrong.push(format!("{path}: a name that says what is in it"));
            }
        }
        none(&wrong);
    }
}

valk_harness::test! {
    fn unsafe_code_stays_in_its_crates_and_gives_its_rule() {
        let mut wrong = Vec::new();
        for (path, text) in sources() {
            let allowed = UNSAFE_CRATES.iter().any(|known| path.starts_with(known));
            if path.ends_with("src/lib.rs") && !allowed && !path.starts_with("tests/")
                && !text.contains("#![forbid(unsafe_code)]")
            {
                wrong.push(format!("{path}: #![forbid(unsafe_code)] is missing"));
            }
        }
        none(&wrong);
    }
}

valk_harness::test! {
    fn crates_name_only_crates_below_them() {
        let mut wrong = Vec::new();
        for (directory, below) in LAYERS {
            let manifest = root().join(directory).join("Cargo.toml");
            let text = std::fs::read_to_string(&manifest).expect("a manifest");
            // Tests may use the harness, which stands beside the layers.
            let sections = text.split("\n[").filter(|section| {
                let title = section.lines().next().unwrap_or_default();
                !title.contains("dev-dependencies")
            });
            for line in sections.flat_map(str::lines).filter(|line| line.starts_with("valk-")) {
                let name = line.split(['.', ' ', '=']).next().unwrap_or_default();
                let name = name.trim_start_matches("valk-");
                if !below.contains(&name) {
                    wrong.push(format!("{directory}/Cargo.toml names {name}, which is not below it"));
                }
            }
        }
        none(&wrong);
    }
}

valk_harness::test! {
    fn libraries_log_and_do_not_print() {
        let marks = [concat!("eprint", "ln!("), concat!("eprint", "!(")];
        let mut wrong = Vec::new();
        for (path, text) in sources() {
            let may_print = PRINTING_CRATES.iter().any(|known| path.starts_with(known))
                || is_test(&path)
                || path.contains("/benches/")
                || path.contains("/bin/");
            for (number, line) in text.lines().enumerate().filter(|_| !may_print) {
                if marks.iter().any(|mark| line.contains(mark)) {
                    wrong.push(format!("{path}:{}: a library logs with tracing", number + 1));
                }
            }
        }
        none(&wrong);
    }
}

valk_harness::test! {
    fn leftovers_do_not_land() {
        let marks = [concat!("dbg", "!("), concat!("todo", "!("), concat!("unimplemented", "!(")];
        let mut wrong = Vec::new();
        for (path, text) in sources() {
            for (number, line) in text.lines().enumerate() {
                for mark in marks.iter().filter(|mark| line.contains(**mark)) {
                    wrong.push(format!("{path}:{}: {mark}…)", number + 1));
                }
                if line.trim_start().starts_with("#[allow(") && !is_test(&path) {
                    wrong.push(format!("{path}:{}: #[expect(…, reason = …)] instead", number + 1));
                }
            }
        }
        none(&wrong);
    }
}

valk_harness::test! {
    fn links_between_documents_lead_somewhere() {
        let root = root().canonicalize().expect("the repository");
        let mut documents = Vec::new();
        files(&root, "md", &mut documents);
        assert!(documents.len() > 3, "README and docs are found");
        let mut wrong = Vec::new();
        for path in documents {
            let text = std::fs::read_to_string(&path).expect("UTF-8 text");
            let directory = path.parent().expect("a file has a directory");
            for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
                let file = target.split('#').next().unwrap_or_default();
                if !file.is_empty() && !file.contains(':') && !directory.join(file).exists() {
                    wrong.push(format!("{}: dead link to {target}", path.display()));
                }
            }
        }
        none(&wrong);
    }
}
