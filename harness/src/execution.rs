//! The processes that run tests.
//!
//! 1. The runner starts one `zygote` while it has one thread. The zygote builds the session
//!    fixtures and forks a `supervisor` for each worker thread of the runner.
//! 2. A worker sends the identity of a test over its `channel`; the supervisor forks the test, reads
//!    its output into an `output_buffer`, ends the `processes` that it left behind and replies.
//! 3. The forked `child` does its `job`: it runs the `body`, or starts a `fresh_process` that runs
//!    it, and sends the account.
//!
//! `plan` is what all these processes know from before the first fork. `verdicts` decides what
//! account and exit status mean.

pub mod body;
pub mod channel;
pub mod child;
pub mod fresh_process;
pub mod job;
pub mod output_buffer;
pub mod plan;
pub mod processes;
pub mod supervisor;
pub mod zygote;
