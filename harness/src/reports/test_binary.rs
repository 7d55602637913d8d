//! The test binary itself: its name, where its reports go, and the command that runs it again.

use std::path::{Path, PathBuf};

use crate::options::Options;

/// Ledgers to write: by flag, and in the directory shared by all binaries.
pub fn ledger_paths(options: &Options) -> Vec<PathBuf> {
    report_paths(options.ledger.as_deref(), "VALK_TEST_LEDGER_DIR", "jsonl")
}

/// `JUnit` reports to write.
pub fn junit_paths(options: &Options) -> Vec<PathBuf> {
    report_paths(options.junit.as_deref(), "VALK_TEST_JUNIT_DIR", "xml")
}

/// The file asked for by flag, and one of its own in the directory asked for by environment.
fn report_paths(flag: Option<&Path>, variable: &str, extension: &str) -> Vec<PathBuf> {
    let directory = std::env::var_os(variable).filter(|directory| !directory.is_empty());
    let shared = directory.map(|directory| {
        let file = format!("{}-{}.{extension}", name(), std::process::id());
        Path::new(&directory).join(file)
    });
    flag.map(Path::to_path_buf).into_iter().chain(shared).collect()
}

/// File name of this binary without cargo's hash: `valk_heap`.
pub fn name() -> String {
    let path = std::env::current_exe().unwrap_or_default();
    let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    without_hash(&stem).to_string()
}

pub(crate) fn without_hash(stem: &str) -> &str {
    match stem.rsplit_once('-') {
        Some((name, hash))
            if hash.len() == 16 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()) =>
        {
            name
        }
        _ => stem,
    }
}

/// The command that runs one test of this binary again; `{}` stands for the quoted name.
pub fn rerun_template() -> String {
    let program = std::env::args().next().unwrap_or_default();
    rerun_command(std::env::var("CARGO_PKG_NAME").ok().as_deref(), &name(), &program)
}

pub(crate) fn rerun_command(package: Option<&str>, binary: &str, program: &str) -> String {
    match package {
        None => format!("{program} --exact {{}}"),
        Some(package) if package.replace('-', "_") == binary => {
            format!("cargo test -p {package} --lib -- --exact {{}}")
        }
        Some(package) => format!("cargo test -p {package} --test {binary} -- --exact {{}}"),
    }
}
