//! Log levels and the threshold that decides which lines are shown.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use tracing::level_filters::LevelFilter;

/// How much a line matters, the most important first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Level {
    /// Something does not work.
    Error,
    /// Something is not as it should be, and the program goes on.
    Warn,
    /// Once per run or service.
    Info,
    /// Once per program or connection.
    Debug,
    /// Everything else.
    Trace,
}

impl Level {
    /// All levels, the most important first.
    pub const ALL: [Level; 5] =
        [Level::Error, Level::Warn, Level::Info, Level::Debug, Level::Trace];

    /// The level that applies when nothing or nothing known is asked for.
    pub const DEFAULT: Level = Level::Warn;

    /// The name in log lines.
    pub fn name(self) -> &'static str {
        match self {
            Level::Error => "ERROR",
            Level::Warn => "WARN",
            Level::Info => "INFO",
            Level::Debug => "DEBUG",
            Level::Trace => "TRACE",
        }
    }

    /// The level with this name, in upper or lower case. `warning` is an alias of `warn`; any other
    /// text means the default.
    pub fn from_name(name: &str) -> Level {
        let named = |level: &Level| level.name().eq_ignore_ascii_case(name);
        Level::ALL.into_iter().find(named).unwrap_or(Level::DEFAULT)
    }

    /// The same level of the logging facade.
    pub(crate) fn of(level: tracing::Level) -> Level {
        match level {
            tracing::Level::ERROR => Level::Error,
            tracing::Level::WARN => Level::Warn,
            tracing::Level::INFO => Level::Info,
            tracing::Level::DEBUG => Level::Debug,
            tracing::Level::TRACE => Level::Trace,
        }
    }

    /// Lets this level and the more important ones pass.
    pub(crate) fn filter(self) -> LevelFilter {
        match self {
            Level::Error => LevelFilter::ERROR,
            Level::Warn => LevelFilter::WARN,
            Level::Info => LevelFilter::INFO,
            Level::Debug => LevelFilter::DEBUG,
            Level::Trace => LevelFilter::TRACE,
        }
    }
}

/// The least important level that is shown; clones are handles of the same threshold.
#[derive(Debug, Clone)]
pub struct Threshold(Arc<AtomicU8>);

impl Default for Threshold {
    fn default() -> Threshold {
        Threshold::new(Level::DEFAULT)
    }
}

impl Threshold {
    /// A threshold at this level.
    pub fn new(level: Level) -> Threshold {
        Threshold(Arc::new(AtomicU8::new(level as u8)))
    }

    /// The level.
    pub fn level(&self) -> Level {
        Level::ALL[usize::from(self.0.load(Ordering::Relaxed))]
    }

    /// Changes the level, for every line logged from now on.
    pub fn set(&self, level: Level) {
        if self.0.swap(level as u8, Ordering::Relaxed) != level as u8 {
            // Call sites remember whether they are shown: they ask again now.
            tracing::callsite::rebuild_interest_cache();
        }
    }

    /// Whether lines of this level are shown.
    pub fn shows(&self, level: Level) -> bool {
        level as u8 <= self.0.load(Ordering::Relaxed)
    }
}
