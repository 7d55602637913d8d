//! The registry: series by kind, name and labels.
//!
//! 1. A lock guards the tables of series. It is taken to register and to read, never to record.
//! 2. Labels are a set: they are kept in the order of their names, and of equal names the last counts.
//! 3. Series stay in the order of their registration, so that what is read is deterministic.
//! 4. A name has a bounded number of label sets; what is asked for beyond that is one series with the
//!    label [`OVERFLOW_LABEL`].
//! 5. When there is no room, series that have not changed for [`UNUSED_US`] are evicted, but for
//!    permanent ones. The handles of an evicted series record what nobody reads; a series of the same
//!    name made later is another one, with another serial number.
//! 6. Sources are called before each read, without the lock, to set what is counted elsewhere.

use crate::baseline::Baseline;
use crate::cells::{Cell, Counter, Gauge, Histogram};
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
/// The label of the series that stands for all label sets of a name beyond their number.
pub const OVERFLOW_LABEL: (&str, &str) = ("overflow", "true");
/// The part of a kind's series that one name may have.
const NAME_SHARE: usize = 4;
/// How long a series is kept that does not change, when there is no room for another.
pub const UNUSED_US: u64 = 300_000_000;

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

/// How long a series is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lifetime {
    /// As long as the registry.
    Permanent,
    /// Until room is needed and it has not changed for long; with the time of asking for it.
    WhileUsed {
        /// Monotonic time in microseconds.
        now_us: u64,
    },
}

/// What names a series.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Identity {
    pub(crate) name: String,
    pub(crate) labels: Vec<(String, String)>,
}

impl Identity {
    fn new(name: &str, labels: &[(&str, &str)]) -> Result<Identity, Refusal> {
        if labels.len() > LABELS_MAX {
            return Err(Refusal::TooManyLabels(labels.len()));
        }
        let mut set: Vec<(String, String)> = Vec::with_capacity(labels.len());
        for (key, value) in labels {
            match set.binary_search_by(|(known, _)| known.as_str().cmp(key)) {
                Ok(at) => set[at].1 = (*value).to_string(),
                Err(at) => set.insert(at, ((*key).to_string(), (*value).to_string())),
            }
        }
        Ok(Identity { name: name.to_string(), labels: set })
    }

    /// The series that stands for the label sets of this name that have no series.
    fn overflow(&self) -> Identity {
        let (key, value) = OVERFLOW_LABEL;
        Identity { name: self.name.clone(), labels: vec![(key.to_string(), value.to_string())] }
    }
}

/// A series.
#[derive(Debug, Clone)]
pub(crate) struct Series<T> {
    pub(crate) identity: Identity,
    pub(crate) help: String,
    pub(crate) cell: T,
    /// Its own number in this registry, which no later series gets again.
    pub(crate) serial: u64,
    is_permanent: bool,
    /// The state of the cell when it was looked at last, and when it was first seen in it.
    seen: u64,
    seen_since_us: u64,
}

/// All series of a kind.
struct Family<T> {
    kind: &'static str,
    max: usize,
    by_identity: HashMap<Identity, usize>,
    slots: Vec<Option<Series<T>>>,
    free: Vec<usize>,
    label_sets: HashMap<String, usize>,
    evicted: u64,
}

/// How much of a kind is in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// Series there are.
    pub active: usize,
    /// Most series there were at one time.
    pub high_water: usize,
    /// Series there may be.
    pub capacity: usize,
    /// Places of evicted series that no other has taken.
    pub free: usize,
    /// Series that were evicted.
    pub evicted: u64,
}

impl<T: Cell> Family<T> {
    fn new(kind: &'static str, max: usize) -> Family<T> {
        Family {
            kind,
            max,
            by_identity: HashMap::new(),
            slots: Vec::new(),
            free: Vec::new(),
            label_sets: HashMap::new(),
            evicted: 0,
        }
    }

    fn find(&self, identity: &Identity) -> Option<T> {
        let at = *self.by_identity.get(identity)?;
        self.slots[at].as_ref().map(|series| series.cell.clone())
    }

    fn has_room(&self) -> bool {
        !self.free.is_empty() || self.slots.len() < self.max
    }

    /// A name that has as many label sets as it may have.
    fn is_name_full(&self, identity: &Identity) -> bool {
        self.label_sets.get(&identity.name).is_some_and(|sets| *sets >= self.max / NAME_SHARE)
    }

    fn add(&mut self, series: Series<T>) {
        *self.label_sets.entry(series.identity.name.clone()).or_default() += 1;
        let at = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            self.slots.len() - 1
        });
        self.by_identity.insert(series.identity.clone(), at);
        self.slots[at] = Some(series);
    }

    /// Removes what has not changed for [`UNUSED_US`].
    fn evict(&mut self, now_us: u64) {
        for at in 0..self.slots.len() {
            let Some(series) = &mut self.slots[at] else { continue };
            series.look(now_us);
            if series.is_permanent || now_us.saturating_sub(series.seen_since_us) <= UNUSED_US {
                continue;
            }
            let Some(series) = self.slots[at].take() else { continue };
            self.by_identity.remove(&series.identity);
            if let Some(sets) = self.label_sets.get_mut(&series.identity.name) {
                *sets -= 1;
            }
            self.free.push(at);
            self.evicted += 1;
        }
    }

    fn series(&self) -> Vec<Series<T>> {
        self.slots.iter().flatten().cloned().collect()
    }

    fn usage(&self) -> Usage {
        Usage {
            active: self.by_identity.len(),
            high_water: self.slots.len(),
            capacity: self.max,
            free: self.free.len(),
            evicted: self.evicted,
        }
    }
}

impl<T: Cell> Series<T> {
    /// Notices a change since the last look.
    fn look(&mut self, now_us: u64) {
        let state = self.cell.state();
        if state != self.seen {
            (self.seen, self.seen_since_us) = (state, now_us);
        }
    }
}

/// Sets series of what is counted elsewhere; false when there is nothing to set any more.
type Source = Arc<dyn Fn() -> bool + Send + Sync>;

/// Counters, gauges and histograms; clones are handles of the same.
#[derive(Clone)]
pub struct Registry {
    families: Arc<Mutex<Families>>,
    sources: Arc<Mutex<Vec<Source>>>,
    /// Where the differences begin that readers share who have no baseline of their own.
    pub(crate) global: Arc<Mutex<Baseline>>,
}

struct Families {
    counters: Family<Counter>,
    gauges: Family<Gauge>,
    histograms: Family<Histogram>,
    serials: u64,
}

impl Families {
    /// Makes room in all kinds.
    fn evict(&mut self, now_us: u64) {
        self.counters.evict(now_us);
        self.gauges.evict(now_us);
        self.histograms.evict(now_us);
    }

    /// The series of an identity, made if there is none.
    fn get_or_add<T: Cell>(
        &mut self,
        family: fn(&mut Families) -> &mut Family<T>,
        (mut identity, help): (Identity, &str),
        lifetime: Lifetime,
        new: impl FnOnce() -> T,
    ) -> Result<T, Refusal> {
        let known = family(self);
        if let Some(cell) = known.find(&identity) {
            return Ok(cell);
        }
        if known.is_name_full(&identity) {
            identity = identity.overflow();
            if let Some(cell) = known.find(&identity) {
                return Ok(cell);
            }
        }
        if let Lifetime::WhileUsed { now_us } = lifetime
            && !known.has_room()
        {
            self.evict(now_us);
        }
        self.serials += 1;
        let serial = self.serials;
        let known = family(self);
        if !known.has_room() {
            return Err(Refusal::Full { kind: known.kind, max: known.max });
        }
        let cell = new();
        let (is_permanent, seen_since_us) = match lifetime {
            Lifetime::Permanent => (true, 0),
            Lifetime::WhileUsed { now_us } => (false, now_us),
        };
        known.add(Series {
            identity,
            help: help.to_string(),
            cell: cell.clone(),
            serial,
            is_permanent,
            seen: cell.state(),
            seen_since_us,
        });
        Ok(cell)
    }
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
            serials: 0,
        };
        let global = Arc::new(Mutex::new(Baseline::of_nothing()));
        Registry { families: Arc::new(Mutex::new(families)), sources: Arc::default(), global }
    }

    fn families(&self) -> MutexGuard<'_, Families> {
        self.families.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The permanent counter with this name and these labels, made if there is none.
    ///
    /// # Errors
    /// When the registry is full, or there are too many labels.
    pub fn counter(
        &self,
        name: &str,
        help: &str,
        labels: &[(&str, &str)],
    ) -> Result<Counter, Refusal> {
        self.counter_for(Lifetime::Permanent, name, help, labels)
    }

    /// The same with a lifetime, which counts when it is made.
    ///
    /// # Errors
    /// As [`Registry::counter`].
    pub fn counter_for(
        &self,
        lifetime: Lifetime,
        name: &str,
        help: &str,
        labels: &[(&str, &str)],
    ) -> Result<Counter, Refusal> {
        let identity = Identity::new(name, labels)?;
        let mut families = self.families();
        families.get_or_add(|all| &mut all.counters, (identity, help), lifetime, Counter::default)
    }

    /// The permanent gauge with this name and these labels, made if there is none.
    ///
    /// # Errors
    /// When the registry is full, or there are too many labels.
    pub fn gauge(&self, name: &str, help: &str, labels: &[(&str, &str)]) -> Result<Gauge, Refusal> {
        self.gauge_for(Lifetime::Permanent, name, help, labels)
    }

    /// The same with a lifetime, which counts when it is made.
    ///
    /// # Errors
    /// As [`Registry::gauge`].
    pub fn gauge_for(
        &self,
        lifetime: Lifetime,
        name: &str,
        help: &str,
        labels: &[(&str, &str)],
    ) -> Result<Gauge, Refusal> {
        let identity = Identity::new(name, labels)?;
        let mut families = self.families();
        families.get_or_add(|all| &mut all.gauges, (identity, help), lifetime, Gauge::default)
    }

    /// The permanent histogram with this name and these labels, made with these bounds if there is
    /// none.
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
        self.histogram_for(Lifetime::Permanent, name, help, labels, bounds_us)
    }

    /// The same with a lifetime, which counts when it is made.
    ///
    /// # Errors
    /// As [`Registry::histogram`].
    pub fn histogram_for(
        &self,
        lifetime: Lifetime,
        name: &str,
        help: &str,
        labels: &[(&str, &str)],
        bounds_us: &[u64],
    ) -> Result<Histogram, Refusal> {
        let identity = Identity::new(name, labels)?;
        if bounds_us.len() > HISTOGRAM_BOUNDS_MAX {
            return Err(Refusal::TooManyBounds(bounds_us.len()));
        }
        let new = || Histogram::new(bounds_us);
        self.families().get_or_add(|all| &mut all.histograms, (identity, help), lifetime, new)
    }

    /// Has `source` called before each read, until it gives false.
    pub fn add_source(&self, source: impl Fn() -> bool + Send + Sync + 'static) {
        self.sources.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::new(source));
    }

    fn ask_sources(&self) {
        let asked = self.sources.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let done: Vec<Source> = asked.into_iter().filter(|source| !source()).collect();
        let mut sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        sources.retain(|source| !done.iter().any(|ended| Arc::ptr_eq(ended, source)));
    }

    /// All series, in the order of their registration.
    pub(crate) fn registered(&self) -> Registered {
        self.ask_sources();
        let families = self.families();
        Registered {
            counters: families.counters.series(),
            gauges: families.gauges.series(),
            histograms: families.histograms.series(),
        }
    }

    /// How much of each kind is in use: counters, gauges, histograms.
    pub fn usage(&self) -> [Usage; 3] {
        let families = self.families();
        [families.counters.usage(), families.gauges.usage(), families.histograms.usage()]
    }
}
