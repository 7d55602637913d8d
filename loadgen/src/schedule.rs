//! When requests are due: `arrivals` from a seed, and the `timeline` of phases that they fall into.
//!
//! Pure arithmetic; no clock.

pub mod arrivals;
pub mod timeline;
