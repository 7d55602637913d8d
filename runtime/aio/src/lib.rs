//! Async systems and handles, and the bridge to tokio.
//!
//! 1. Reactor and machine share one thread. The machine is borrowed while a fiber runs and never
//!    across a wait.
//! 2. A fiber waits for exactly one handle. Completing the handle resumes its fibers, from the
//!    event loop only: builtins queue what they complete.
//! 3. A handle becomes terminal once.
//!
//! Does not know HTTP.
#![forbid(unsafe_code)]

mod builtins;
mod diagnostics;
mod executor;
mod handle;
mod interrupt;
mod metrics;
mod pools;
mod system;

pub use builtins::{config, register, system_of};
pub use executor::{Continuation, Executor, drive};
pub use handle::{Handle, HandleState, complete, completed, failed, new_handle, settled};
pub use interrupt::Interrupts;
pub use metrics::metrics;
pub use pools::{Pools, RECEIVE_BUFFER_BYTES, RECEIVE_BUFFERS, RECEIVE_RETAINED_BYTES};
pub use system::{System, machine, stop_all};

#[cfg(test)]
mod tests;

#[cfg(test)]
fn main() -> std::process::ExitCode {
    valk_harness::main()
}
