//! Fuzzing with seeds: programs against the reference evaluator, bytes against the reader.
//!
//! 1. Everything follows from one number, the seed; a failure names it.
//! 2. What fails is made smaller before it is shown.
//! 3. A watchdog turns a run that does not end into a failure with its seed.

pub mod bytes;
pub mod differential;
pub mod generate;
pub mod random;
pub mod shrink;
pub mod source;
pub mod watchdog;
