//! Shared parts of the cross-crate suites: running the `valk` program, talking HTTP/2 to it, the
//! reference evaluator, the fuzzers, and the server on a simulated network.

pub mod client;
pub mod fuzz;
pub mod program;
pub mod reference;
pub mod simulation;
