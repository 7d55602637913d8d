//! Async systems and handles, and the bridge to tokio.
//!
//! 1. Reactor and the program's own machine share one thread. The machine is borrowed while a fiber
//!    runs and never across a wait. Functions may run on workers, each with a machine of its own.
//! 2. A fiber waits for exactly one handle. Completing the handle resumes its fibers: those of the
//!    program's machine from the event loop only, those of workers on any worker.
//! 3. A handle becomes terminal once.
//!
//! Does not know HTTP.
#![forbid(unsafe_code)]

mod builtins;
mod clock;
mod config;
mod diagnostics;
mod executor;
mod futures;
mod handle;
mod interrupt;
mod mailbox;
mod metrics;
mod pools;
mod system;
mod workers;

/// The target of this crate's log lines.
const LOG_TARGET: &str = "valk::aio";

pub use builtins::{register, system_of};
pub use config::{START, SystemConfig};
pub use executor::{Continuation, Executor, drive};
pub use handle::{Handle, HandleState, complete, completed, failed, new_handle, settled};
pub use interrupt::Interrupts;
pub use metrics::{SystemMetrics, metrics};
pub use pools::{Pools, RECEIVE_BUFFER_BYTES, RECEIVE_RETAINED_BYTES};
pub use system::{System, machine, stop_all};
pub use workers::JOBS_WAITING_MAX;

#[cfg(test)]
mod tests;

#[cfg(test)]
fn main() -> std::process::ExitCode {
    valk_harness::main()
}
