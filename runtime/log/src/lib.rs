//! The log of the command on standard error: levels, line format, a bounded writer.
//!
//! Libraries log through `tracing`; [`install`] makes this crate the one subscriber of a process.
//!
//! 1. A line is `[LEVEL] file:line:module | text key=value`, one line whatever its text contains.
//! 2. Logging never blocks and never panics. Lines go to a queue of bounded size that one thread
//!    writes; a line that does not fit or cannot be written is dropped and counted.
//! 3. [`flush`] waits a bounded time. Direct output to standard error calls it first, and so does
//!    every way the process ends, so that lines keep their place and are not lost.
//! 4. The threshold is an atomic that the subscriber and the program's runtime share. A change
//!    takes effect for every later line.
//!
//! Does not know the language, nor what is logged.
#![forbid(unsafe_code)]

mod level;
mod line;
mod process;
mod queue;
mod subscriber;

pub use level::{Level, Threshold};
pub use line::LINE_BYTES_MAX;
pub use process::{FLUSH_MS_MAX, dropped, exit, flush, install, write_error};
pub use queue::{LogQueue, QUEUE_BYTES_MAX, QUEUE_LINES_MAX};
pub use subscriber::LogSubscriber;

#[cfg(test)]
mod tests;

#[cfg(test)]
fn main() -> std::process::ExitCode {
    valk_harness::main()
}
