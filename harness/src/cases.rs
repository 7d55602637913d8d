//! Test cases: what a test is written with, and what it says about itself.
//!
//! 1. `authoring` holds the macros; each leaves a registration for `definition`, which makes the
//!    sorted list of all tests.
//! 2. `fixture`, `skip` and `context` are what a test body may call.
//! 3. `account` is the body's own report of how it ended, with the place that `panics` kept and the
//!    error that it `returned`.
//!    `debt` is who is to mend a skipped test, and until when that is accepted.
//! 4. `foreign_tests` finds tests written for another harness, which would vanish.
//!
//! Does not know how a test is run, nor whether its account is accepted.

pub mod account;
pub mod authoring;
pub mod context;
pub mod debt;
pub mod definition;
pub mod fixture;
pub mod foreign_tests;
pub mod panics;
pub mod returned;
pub mod skip;
