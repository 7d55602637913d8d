//! Which files are suites.

use std::path::{Path, PathBuf};

/// Directories that are searched when nothing is named.
const DIRECTORIES: [&str; 2] = ["test", "tests"];

/// What the text of a suite contains: the call of a runner.
const RUNNERS: &str = "(test/run";

/// The suites that these paths stand for, in the order of their names, each once.
///
/// # Errors
/// A line that says which path is none, or that nothing was found.
pub fn suites(paths: &[PathBuf]) -> Result<Vec<PathBuf>, String> {
    let mut found = Vec::new();
    if paths.is_empty() {
        let known = DIRECTORIES.iter().map(PathBuf::from).filter(|path| path.is_dir());
        for directory in known {
            search(&directory, &mut found)?;
        }
    }
    for path in paths {
        if path.is_dir() {
            search(path, &mut found)?;
        } else if path.is_file() {
            found.push(path.clone());
        } else {
            return Err(format!("{} is no file and no directory", path.display()));
        }
    }
    found.sort();
    found.dedup();
    if found.is_empty() {
        return Err("found no *.valk file that calls test/run; name files or directories".into());
    }
    Ok(found)
}

fn search(directory: &Path, found: &mut Vec<PathBuf>) -> Result<(), String> {
    let problem = |error: std::io::Error| format!("cannot read {}: {error}", directory.display());
    for entry in std::fs::read_dir(directory).map_err(problem)? {
        let entry = entry.map_err(problem)?;
        let (path, kind) = (entry.path(), entry.file_type().map_err(problem)?);
        // A link may lead back.
        if kind.is_dir() {
            search(&path, found)?;
        } else if path.extension().is_some_and(|extension| extension == "valk")
            && calls_a_runner(&path)?
        {
            found.push(path);
        }
    }
    Ok(())
}

fn calls_a_runner(path: &Path) -> Result<bool, String> {
    let text = std::fs::read(path);
    let text = text.map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    Ok(text.windows(RUNNERS.len()).any(|window| window == RUNNERS.as_bytes()))
}
