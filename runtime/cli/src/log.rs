//! What the command says about its own work, on standard error: the level the program set with
//! `sys/log/set-level`, else `VALK_LOG`, is the most detailed one that is shown.

/// Levels by name; the position is the level.
const LEVELS: [&str; 5] = ["error", "warn", "info", "debug", "trace"];

/// Shown without `VALK_LOG`, or when it names no level.
const DEFAULT: Level = Level::Warn;

/// How much a message matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Something will not work as asked.
    Warn = 1,
    /// Once per run.
    Info = 2,
    /// Once per text that runs.
    Debug = 3,
}

/// Writes a message if its level is shown; `set` is the level the program chose.
pub fn log(level: Level, set: Option<&str>, message: &str) {
    let variable = std::env::var("VALK_LOG").ok();
    if level as usize <= shown(set.or(variable.as_deref())) {
        let name = LEVELS[level as usize].to_ascii_uppercase();
        crate::report::write_error(&format!("[{name}] {message}\n"));
    }
}

/// The most detailed level shown.
fn shown(wanted: Option<&str>) -> usize {
    let wanted = wanted.unwrap_or_default().to_ascii_lowercase();
    let wanted = if wanted == "warning" { "warn" } else { &wanted };
    LEVELS.iter().position(|name| *name == wanted).unwrap_or(DEFAULT as usize)
}
