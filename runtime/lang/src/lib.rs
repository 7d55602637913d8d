//! The language: compiler, core builtins, printing, and the embedding API.
//!
//! Knows the machine and the reader; does not know sockets, threads or the command line.
#![forbid(unsafe_code)]

pub mod builtins;
mod calls;
mod compile;
mod output;
mod print;
pub mod reference;
mod runtime;
mod source;

pub use compile::elements;
pub use output::Output;
pub use print::{Style, display, print, repr};
pub use runtime::{Driver, Language, NoWaiting, Ran, Runtime, SharedVm};

#[cfg(test)]
mod tests;

#[cfg(test)]
fn main() -> std::process::ExitCode {
    valk_harness::main()
}
