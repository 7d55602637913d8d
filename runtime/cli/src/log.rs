//! What the command says about its own work, on standard error: `VALK_LOG` is the most detailed
//! level that is shown.

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

/// Writes a message if its level is shown.
pub fn log(level: Level, message: &str) {
    if level as usize <= shown(std::env::var("VALK_LOG").ok().as_deref()) {
        let name = LEVELS[level as usize].to_ascii_uppercase();
        crate::report::write_error(&format!("[{name}] {message}\n"));
    }
}

/// The most detailed level shown.
fn shown(variable: Option<&str>) -> usize {
    let wanted = variable.unwrap_or_default().to_ascii_lowercase();
    let wanted = if wanted == "warning" { "warn" } else { &wanted };
    LEVELS.iter().position(|name| *name == wanted).unwrap_or(DEFAULT as usize)
}
