//! Shared fixtures of the cross-crate suites: running the `valk` program, talking HTTP/2 to it.

pub mod client;
pub mod program;
