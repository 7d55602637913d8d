//! Test harness: authoring macros, forked isolation, honest verdicts, skips with reasons,
//! snapshots, reports. docs/testing.md is its manual.
//!
//! How a run goes, in the order of the modules:
//!
//! 1. `authoring` registers tests; `definition` collects them into one sorted list.
//! 2. `runner` reads the command line (`options`), selects tests into a `plan` and, while the
//!    process has one thread, starts the `zygote`. libtest-mimic then drives the workers.
//! 3. The zygote builds session `fixture`s and forks a `slot` per worker. Over its `lane` a slot
//!    gets one order at a time and forks the test, which sets itself up in `child`, runs the body
//!    in its `context` (or by `exec` in a fresh process) and sends its account in a `token`.
//! 4. The slot captures output in a `spool`, sweeps leftover `processes`, and has `verdict` judge
//!    the evidence. The `result` goes to `ledger`, `junit` and terminal `report`; `merge` joins
//!    the ledgers of many binaries.
//!
//! Apart from all that stands `rounds`, for benchmarks.
//!
//! Knows nothing of the Valk runtime: `suite` only knows a program and its output lines.
//! Linux only: it relies on process descriptors and on adopting orphans.
#![cfg_attr(coverage_nightly, feature(coverage_attribute))]
#![deny(unsafe_code)]

mod authoring;
mod binary;
mod child;
mod context;
mod definition;
mod error;
mod exec;
#[expect(unsafe_code, reason = "the one file that forks and calls the C library")]
mod ffi;
mod fixture;
mod junit;
mod lane;
mod ledger;
pub mod merge;
mod options;
mod outcome;
mod plan;
mod processes;
mod random;
mod report;
mod result;
pub mod rounds;
mod runner;
mod skip;
mod slot;
pub mod snapshot;
mod spool;
mod suite;
mod token;
mod verdict;
mod zygote;

pub use context::{current_test, record_subtest, seed};
pub use definition::{Attributes, Body, Isolation, Registered, Registration, TestDefinition};
pub use error::Error;
#[doc(hidden)]
pub use ffi::fault;
pub use fixture::{Fixture, SessionFixture};
/// Re-export for the macros.
pub use inventory;
pub use outcome::{Subtest, SubtestState};
// Also the entry point of this crate's own unit tests.
pub use runner::main;
pub use skip::{SkipCode, StaticSkip, skip_broken, skip_expected};
pub use suite::{BINARY_VARIABLE, Suites, valk_suites};

#[cfg(test)]
mod tests;
