//! The processes that run tests.
//!
//! 1. The runner starts one `zygote` while it has one thread. The zygote builds the session
//!    fixtures and forks a `supervisor` for each worker thread of the runner.
//! 2. A worker sends the identity of a test over its `channel`; the supervisor forks the test, reads
//!    its output into an `output_buffer`, ends the `processes` it left behind and replies.
//! 3. The forked `child` runs the body, or has a `fresh_process` run it, and sends its account.
//!
//! `plan` is what all these processes know from before the first fork. What the account and the
//! exit status are worth is decided in `verdicts`.

pub mod channel;
pub mod child;
pub mod fresh_process;
pub mod output_buffer;
pub mod plan;
pub mod processes;
pub mod supervisor;
pub mod zygote;
