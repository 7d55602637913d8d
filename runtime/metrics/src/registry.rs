//! The registry: series by kind, name and labels.
//!
//! 1. A lock guards the lists of series. It is taken to register and to read, never to record.
//! 2. Series stay in the order of their registration, so that what is read is deterministic.

use crate::cells::{Counter, Gauge, Histogram};
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Series of counters that a registry holds.
pub const COUNTERS_MAX: usize = 1024;
/// Series of gauges that a registry holds.
pub const GAUGES_MAX: usize = 512;
/// Histograms that a registry holds.
pub const HISTOGRAMS_MAX: usize = 128;
/// Bounds of a histogram.
pub const HISTOGRAM_BOUNDS_MAX: usize = 32;
/// Labels of a series.
pub const LABELS_MAX: usize = 8;

/// Why a series cannot be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The registry has as many of this kind as it holds.
    Full {
        /// What there are too many of.
        kind: &'static str,
        /// How many it holds.
        max: usize,
    },
    /// A series has more labels than it may have.
    TooManyLabels(usize),
    /// A histogram has more bounds than it may have.
    TooManyBounds(usize),
}

impl fmt::Display for Refusal {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::Full { kind, max } => write!(out, "registry full: it holds {max} {kind}"),
            Refusal::TooManyLabels(count) => {
                write!(out, "a series has at most {LABELS_MAX} labels, got {count}")
            }
            Refusal::TooManyBounds(count) => {
                write!(out, "a histogram has at most {HISTOGRAM_BOUNDS_MAX} bounds, got {count}")
            }
        }
    }
}

impl std::error::Error for Refusal {}

/// What names a series.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Identity {
    pub(crate) name: String,
    pub(crate) labels: Vec<(String, String)>,
}

/// A series.
#[derive(Debug, Clone)]
pub(crate) struct Series<T> {
    pub(crate) identity: Identity,
    pub(crate) help: String,
    pub(crate) cell: T,
}

/// All series of a kind.
struct Family<T> {
    kind: &'static str,
    max: usize,
    by_identity: HashMap<Identity, usize>,
    list: Vec<Series<T>>,
}

impl<T: Clone> Family<T> {
    fn new(kind: &'static str, max: usize) -> Family<T> {
        Family { kind, max, by_identity: HashMap::new(), list: Vec::new() }
    }

    fn get_or_add(
        &mut self,
        identity: Identity,
        help: &str,
        new: impl FnOnce() -> T,
    ) -> Result<T, Refusal> {
        if let Some(at) = self.by_identity.get(&identity) {
            return Ok(self.list[*at].cell.clone());
        }
        if self.list.len() >= self.max {
            return Err(Refusal::Full { kind: self.kind, max: self.max });
        }
        let cell = new();
        self.by_identity.insert(identity.clone(), self.list.len());
        self.list.push(Series { identity, help: help.to_string(), cell: cell.clone() });
        Ok(cell)
    }
}

/// Counters, gauges and histograms; clones are handles of the same registry.
#[derive(Clone)]
pub struct Registry {
    families: Arc<Mutex<Families>>,
}

struct Families {
    counters: Family<Counter>,
    gauges: Family<Gauge>,
    histograms: Family<Histogram>,
}

/// Everything that is registered at one moment.
pub(crate) struct Registered {
    pub(crate) counters: Vec<Series<Counter>>,
    pub(crate) gauges: Vec<Series<Gauge>>,
    pub(crate) histograms: Vec<Series<Histogram>>,
}

impl Default for Registry {
    fn default() -> Registry {
        Registry::new()
    }
}

impl Registry {
    /// An empty registry.
    pub fn new() -> Registry {
        let families = Families {
            counters: Family::new("counters", COUNTERS_MAX),
            gauges: Family::new("gauges", GAUGES_MAX),
            histograms: Family::new("histograms", HISTOGRAMS_MAX),
        };
        Registry { families: Arc::new(Mutex::new(families)) }
    }

    fn families(&self) -> MutexGuard<'_, Families> {
        self.families.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The counter with this name and these labels, made if there is none.
    ///
    /// # Errors
    /// When the registry is full, or there are too many labels.
    pub fn counter(
        &self,
        name: &str,
        help: &str,
        labels: &[(&str, &str)],
    ) -> Result<Counter, Refusal> {
        let identity = identity(name, labels)?;
        self.families().counters.get_or_add(identity, help, Counter::default)
    }

    /// The gauge with this name and these labels, made if there is none.
    ///
    /// # Errors
    /// When the registry is full, or there are too many labels.
    pub fn gauge(&self, name: &str, help: &str, labels: &[(&str, &str)]) -> Result<Gauge, Refusal> {
        let identity = identity(name, labels)?;
        self.families().gauges.get_or_add(identity, help, Gauge::default)
    }

    /// The histogram with this name and these labels, made with these bounds if there is none.
    ///
    /// # Errors
    /// When the registry is full, or there are too many labels or bounds.
    pub fn histogram(
        &self,
        name: &str,
        help: &str,
        labels: &[(&str, &str)],
        bounds_us: &[u64],
    ) -> Result<Histogram, Refusal> {
        let identity = identity(name, labels)?;
        if bounds_us.len() > HISTOGRAM_BOUNDS_MAX {
            return Err(Refusal::TooManyBounds(bounds_us.len()));
        }
        let new = || Histogram::new(bounds_us);
        self.families().histograms.get_or_add(identity, help, new)
    }

    /// All series, in the order of their registration.
    pub(crate) fn registered(&self) -> Registered {
        let families = self.families();
        Registered {
            counters: families.counters.list.clone(),
            gauges: families.gauges.list.clone(),
            histograms: families.histograms.list.clone(),
        }
    }
}

fn identity(name: &str, labels: &[(&str, &str)]) -> Result<Identity, Refusal> {
    if labels.len() > LABELS_MAX {
        return Err(Refusal::TooManyLabels(labels.len()));
    }
    let labels = labels.iter().map(|(key, value)| ((*key).to_string(), (*value).to_string()));
    Ok(Identity { name: name.to_string(), labels: labels.collect() })
}
