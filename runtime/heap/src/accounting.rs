//! Limits, usage and statistics.
//!
//! Does not know objects.

pub(crate) mod limits;
mod metrics;
pub(crate) mod statistics;
pub(crate) mod usage;
