//! The processes that run tests.
//!
//! 1. The runner starts one `zygote` while it has one thread. It is the `host` of the tests without
//!    fixtures; for each of the other `groups` of tests a host builds the fixtures. Hosts fork
//!    supervisors and other hosts as the runner asks them over their `control` sockets.
//! 2. A worker sends the identity of a test over its `channel`; the `supervisor` forks the test, reads
//!    its output into an `output_buffer`, ends the `processes` that it left behind and replies.
//! 3. The forked `child` does its `job`: it runs the `body`, or starts a `fresh_process` that runs
//!    it, and sends the account.
//!
//! `plan` is what all these processes know from before the first fork. `verdicts` decides what
//! account and exit status mean.

pub mod body;
pub mod channel;
pub mod child;
pub mod control;
pub mod fresh_process;
pub mod groups;
pub mod host;
pub mod job;
pub mod output_buffer;
pub mod plan;
pub mod processes;
pub mod supervisor;
pub mod zygote;
