//! Shared fixtures of the cross-crate suites.
