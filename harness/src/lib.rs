//! Test harness: authoring macros, forked isolation, honest verdicts, skips with reasons,
//! snapshots, reports. docs/testing.md is its manual.
//!
//! The parts, in the order in which a run uses them:
//!
//! 1. `cases`: what tests are written with, and the sorted list of all tests of the binary.
//! 2. `options` reads the command line; `runner` selects tests, has them run and ends the run.
//! 3. `execution`: the processes that run a test, from the zygote to the forked child.
//! 4. `verdicts`: the verdict on a test, from the evidence that its process left.
//! 5. `reports`: ledger, `JUnit` file, terminal summary, and the merging of many ledgers.
//!
//! Beside them stand `snapshot` and `valk_suites`, which tests use, and `benchmark`, which is for
//! targets that are no tests.
//!
//! Knows nothing of the Valk runtime: `valk_suites` only knows a program and its output lines.
//! Linux only: the harness relies on process descriptors and on adopting orphans.
#![cfg_attr(coverage_nightly, feature(coverage_attribute))]
#![deny(unsafe_code)]

pub mod benchmark;
mod cases;
mod error;
mod execution;
#[expect(unsafe_code, reason = "the one folder that forks and calls the C library")]
mod ffi;
mod options;
mod random;
mod reports;
mod runner;
pub mod snapshot;
mod valk_suites;
mod verdicts;

pub use cases::account::{Subtest, SubtestState};
pub use cases::context::{current_test, record_subtest, seed};
pub use cases::definition::{
    Attributes, Body, BuildTarget, Isolation, Registered, Registration, TestDefinition,
};
pub use cases::fixture::{Fixture, FixtureFailure, FixtureScope, SessionFixture};
#[doc(hidden)]
pub use cases::returned;
pub use cases::skip::{SkipCode, StaticSkip, skip_broken, skip_expected};
pub use error::Error;
#[doc(hidden)]
pub use ffi::exit_guard::expect_main as __expect_main;
/// Declares that this process does not run its registered tests, and may end without `main`.
pub use ffi::exit_guard::main_was_called as run_no_tests;
#[doc(hidden)]
pub use ffi::fault;
/// Re-export for the macros.
pub use inventory;
pub use reports::merge;
#[doc(hidden)]
pub use valk_harness_macros::line_of;
pub use valk_harness_macros::test_fn;
// Also the entry point of this crate's own unit tests.
pub use runner::main;
pub use runner::setup::Setup;
pub use valk_suites::{BINARY_VARIABLE, Suites, valk_suites};

#[cfg(test)]
#[expect(unsafe_code, reason = "a registration runs code before `main`, in other crates unseen")]
mod tests;
