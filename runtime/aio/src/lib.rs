//! Async systems, handles and combinators, and the executors that run the language.
//!
//! ```text
//! builtins ─▶ combinators ─▶ handle ─▶ executor ─▶ VM
//!                 timers ─────┘
//! ```
//!
//! 1. A handle stands for an operation; it ends once, and any number of fibers, Rust tasks and
//!    combinators wait for it ([`handle`](crate::new_handle)).
//! 2. Each executor is a thread with a reactor and a VM. Executor 0 is the program's own thread.
//! 3. A value is kept from one turn to the next by a root, by an object of the heap that collections
//!    look into, or by the stack of a fiber; never by a plain variable of the host.
//!
//! Does not know HTTP.
#![forbid(unsafe_code)]

mod builtins;
mod combinators;
mod config;
mod diagnostics;
mod event;
mod executor;
mod futures;
mod handle;
mod interrupt;
mod lost_failures;
mod metrics;
mod output;
mod pools;
mod program_metrics;
mod signals;
mod system;
mod system_metrics;
mod task;
mod time;
mod timers;

/// The target of this crate's log lines.
const LOG_TARGET: &str = "valk::aio";

pub use builtins::{register, register_with};
pub use combinators::operation::{Abandoned, new_event, new_operation};
pub use config::{START, SystemConfig};
pub use executor::{
    EXECUTORS_MAX, Executor, JOBS_WAITING_MAX, Runnable, current_executor, executors, spawn_on,
};
pub use handle::{
    awaited, cancel, completed, end, failed, is_handle, new_handle, settle, settled, status,
};
pub use interrupt::Interrupts;
pub use metrics::metrics;
pub use pools::{Backpressure, Pools, RECEIVE_BUFFER_BYTES, RECEIVE_RETAINED_BYTES};
pub use system::{System, shared_vm, spawn_task, stop_all, system_of};
pub use system_metrics::{Counted, ServerCounts, SystemMetrics};
pub use task::{Started, await_handle, start};
pub use valk_sync::cell::{End, Status};

#[cfg(test)]
mod tests;

#[cfg(test)]
fn main() -> std::process::ExitCode {
    valk_harness::main()
}
