//! The language: compiler, core builtins, printing, and the embedding API.
//!
//! Knows the VM and the reader; does not know sockets, threads or the command line.
#![forbid(unsafe_code)]

pub mod builtins;
mod calls;
mod check;
mod compile;
mod diagnose;
mod imports;
mod library;
mod loader;
mod modules;
mod nearest;
mod output;
mod print;
pub mod property_list;
pub mod reference;
mod reports;
mod runtime;
mod source;
mod time_and_seeds;

pub use builtins::{
    RequestContext, STRING_BYTES_MAX, collector_report, current_trace, remaining_deadline,
};

/// The target of this crate's log lines.
const LOG_TARGET: &str = "valk::lang";

pub use compile::{Rewrite, elements};
pub use nearest::nearest;
pub use output::Output;
pub use print::{ERROR_TEXT_BYTES_MAX, Style, display, print, repr};
pub use runtime::{Driver, Language, NoWaiting, Ran, Runtime, SharedVm, register_rewrite};
pub use source::place_of_error;
pub use time_and_seeds::{HostClock, Seeds, TimeSource};

/// Whether older programs name a part of the library by this path.
pub fn is_library_path(path: &str) -> bool {
    valk_stdlib::find(path).is_some()
}

#[cfg(test)]
mod tests;

#[cfg(test)]
fn main() -> std::process::ExitCode {
    valk_harness::main()
}
