//! Metrics: a registry of counters, gauges and histograms, and their exposition.
//!
//! 1. A registry is a value; a process may have many. There is no global state.
//! 2. Recording is one or a few relaxed atomic operations on a handle that the recorder keeps. It
//!    takes no lock and finds nothing by name.
//! 3. A series is a kind, a name and a set of labels. Asking for it again gives the same one. The
//!    number of series of each kind is bounded: unused ones make room, a further one is refused.
//! 4. What counts for itself (heap, VM, event loop) implements [`Reporter`] and is asked when
//!    somebody reads the metrics. Each number is listed once and gives JSON and Prometheus text.
//! 5. Reading changes nothing. A [`Baseline`] belongs to one reader of differences.
//!
//! Knows no clock: the reader says how long the registry has existed. Does not know what is counted.
#![forbid(unsafe_code)]

mod baseline;
mod cells;
mod exposition;
mod json;
mod registry;
mod report;

pub use baseline::{Baseline, Delta};
pub use cells::{Counter, Gauge, Histogram};
pub use registry::{
    COUNTERS_MAX, GAUGES_MAX, HISTOGRAM_BOUNDS_MAX, HISTOGRAMS_MAX, LABELS_MAX, Lifetime,
    OVERFLOW_LABEL, Refusal, Registry, UNUSED_US, Usage,
};
pub use report::{Kind, Number, Report, Reporter, Sample};

#[cfg(test)]
mod tests;

#[cfg(test)]
fn main() -> std::process::ExitCode {
    valk_harness::main()
}
