//! The history file of the prompt.

use std::path::PathBuf;

/// Lines kept.
pub const HISTORY_LINES_MAX: usize = 10_000;

/// The history file: `VALK_HISTORY`, else `valk/history` in the user's state directory. An empty
/// `VALK_HISTORY` means none.
pub fn path() -> Option<PathBuf> {
    let variable = |name: &str| std::env::var_os(name).map(PathBuf::from);
    if let Some(path) = variable("VALK_HISTORY") {
        return Some(path).filter(|path| !path.as_os_str().is_empty());
    }
    let state = variable("XDG_STATE_HOME").or_else(|| Some(variable("HOME")?.join(".local/state")));
    Some(state?.join("valk").join("history"))
}

/// Makes the directory of the history file; failing that there is no history.
pub fn prepare() -> Option<PathBuf> {
    let path = path()?;
    std::fs::create_dir_all(path.parent()?).ok()?;
    Some(path)
}
