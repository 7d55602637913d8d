//! Shared parts of the cross-crate suites: running the `valk` program, talking HTTP/2 to it, the
//! reference evaluator and the fuzzers.

pub mod client;
pub mod fuzz;
pub mod program;
pub mod reference;
