//! The test binary itself: its name, where its reports go, and the command that runs it again.

use std::fs;
use std::path::{Path, PathBuf};

use super::invocation::Invocation;
use super::report_file::ReportFile;
use crate::cases::definition::BuildTarget;
use crate::options::Options;

/// Ledgers to write: by flag, and in the directory shared by all binaries.
pub fn ledger_files(options: &Options, invocation: &Invocation, nonce: u64) -> Vec<ReportFile> {
    report_files(options.ledger.as_deref(), "VALK_TEST_LEDGER_DIR", "jsonl", invocation, nonce)
}

/// `JUnit` reports to write.
pub fn junit_files(options: &Options, invocation: &Invocation, nonce: u64) -> Vec<ReportFile> {
    report_files(options.junit.as_deref(), "VALK_TEST_JUNIT_DIR", "xml", invocation, nonce)
}

/// The file asked for by flag, which all binaries of a run share, and one of this run of this binary
/// in the directory asked for by environment.
fn report_files(
    flag: Option<&Path>,
    variable: &str,
    extension: &str,
    invocation: &Invocation,
    nonce: u64,
) -> Vec<ReportFile> {
    let directory = std::env::var_os(variable).filter(|directory| !directory.is_empty());
    let own = directory.map(|directory| {
        // Process numbers are used again, and are equal in two containers.
        let file = format!("{}-{}-{nonce:016x}.{extension}", name(), std::process::id());
        ReportFile::Own(Path::new(&directory).join(file))
    });
    flag.map(|path| ReportFile::Shared(invocation.resolve(path))).into_iter().chain(own).collect()
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

/// What decides how this binary is run again.
#[derive(Debug, Clone, Default)]
pub struct Rerun {
    /// Name of the package, if cargo or a script like it started this binary.
    pub package: Option<String>,
    /// Directory of the package.
    pub manifest_directory: Option<PathBuf>,
    /// Name of the binary.
    pub binary: String,
    /// Its path.
    pub path: PathBuf,
    /// What it was compiled as.
    pub target: BuildTarget,
    /// Flags of the build that cargo was given.
    pub flags: Vec<String>,
}

impl Rerun {
    /// Of this process.
    pub fn of_this(invocation: &Invocation, target: BuildTarget) -> Self {
        let path = std::env::current_exe().unwrap_or_default();
        let flags = invocation.build_flags.clone().unwrap_or_else(|| profile_flags(&path));
        Self {
            package: std::env::var("CARGO_PKG_NAME").ok(),
            manifest_directory: std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from),
            binary: name(),
            path,
            target,
            flags,
        }
    }

    /// The command that runs one test of this binary again; `{}` stands for the quoted name.
    ///
    /// Cargo's where the target is certain, else the binary itself, in the directory of its package.
    pub fn template(&self) -> String {
        if let (Some(package), Some(target)) = (&self.package, self.cargo_target()) {
            let flags: String =
                self.flags.iter().flat_map(|flag| [" ".to_string(), quoted(flag)]).collect();
            return format!("cargo test -p {package}{flags} {target} -- --exact {{}}");
        }
        let path = quoted(&self.path.display().to_string());
        match (&self.package, &self.manifest_directory) {
            (Some(package), Some(directory)) => {
                let directory = quoted(&directory.display().to_string());
                format!(
                    "(cd {directory} && CARGO_PKG_NAME={package} CARGO_MANIFEST_DIR={directory} \
                     {path} --exact {{}})"
                )
            }
            _ => format!("{path} --exact {{}}"),
        }
    }

    fn cargo_target(&self) -> Option<String> {
        if let Some(program) = self.target.binary {
            let directory = self.path.parent()?.file_name()?;
            let kind = if directory == "examples" { "--example" } else { "--bin" };
            return Some(format!("{kind} {}", quoted(program)));
        }
        if self.target.temporary_directory.is_none() {
            return Some("--lib".into());
        }
        let name = self.test_target()?;
        Some(format!("--test {}", quoted(&name)))
    }

    /// The name that Cargo.toml or the directory `tests` gives to the target of this binary, whose own
    /// name has no `-`.
    fn test_target(&self) -> Option<String> {
        let directory = self.manifest_directory.as_deref()?;
        let manifest = fs::read_to_string(directory.join("Cargo.toml")).unwrap_or_default();
        let mut names = targets_in_manifest(&manifest);
        for entry in fs::read_dir(directory.join("tests")).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.extension().is_some_and(|extension| extension == "rs")
                || path.join("main.rs").is_file()
            {
                names.extend(path.file_stem().map(|stem| stem.to_string_lossy().into_owned()));
            }
        }
        names.into_iter().find(|name| name.replace('-', "_") == self.binary)
    }
}

/// Names of the `[[test]]` sections of a manifest.
pub(crate) fn targets_in_manifest(manifest: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut is_test = false;
    for line in manifest.lines().map(str::trim) {
        if line.starts_with('[') {
            is_test = line.replace(' ', "") == "[[test]]";
        } else if is_test
            && let Some((key, value)) = line.split_once('=')
            && key.trim() == "name"
        {
            names.push(value.split('#').next().unwrap_or_default().trim().trim_matches('"').into());
        }
    }
    names
}

/// The profile of a build, by the directory that holds it: `target/PROFILE/deps/binary`.
pub(crate) fn profile_flags(path: &Path) -> Vec<String> {
    let profile = path.ancestors().nth(2).and_then(Path::file_name);
    match profile.map(|name| name.to_string_lossy().into_owned()).as_deref() {
        None | Some("debug" | "deps") => Vec::new(),
        Some("release") => vec!["--release".into()],
        Some(other) => vec!["--profile".into(), other.into()],
    }
}

/// A word as a shell reads it.
pub fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./=+:,@".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        word.into()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}
