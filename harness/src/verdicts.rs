//! Verdicts: from what a test's process left behind to a result.
//!
//! 1. A `token` proves that the body of one particular test ended.
//! 2. `verdict` judges token, exit status, time limit and leaked processes; it is a pure function.
//! 3. A `result` is the verdict with output and times: the record that crosses processes.

pub mod result;
pub mod token;
pub mod verdict;
