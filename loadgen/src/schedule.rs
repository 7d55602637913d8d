//! When requests are due and which paths they have.
//!
//! 1. A `profile` is the rate over time; `arrivals` are the moments that follow from it and a seed.
//! 2. A `timeline` divides the run into phases.

pub mod arrivals;
pub mod profile;
pub mod timeline;
