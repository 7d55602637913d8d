//! Load generator for HTTP/2 servers: open-loop latency, slow readers, user journeys.
//!
//! The parts, in the order in which a run uses them:
//!
//! 1. `command_line` parses, `options` checks; `commands` is what the program does with them.
//! 2. `scenarios` makes the plan of a run; `schedule` says when requests are due.
//! 3. `run` executes the plan on `engines`, which use `connections` to the target.
//! 4. `recording` counts requests and their latencies; `thresholds` and `reports` judge and show.
//!
//! `attacks` are hostile clients with verdicts, beside all this. `requests` is what is asked and what the
//! answers must be; `journeys` are requests that follow each other; `server_metrics` is what
//! the server says of itself; `interrupt` ends a run early;
//! `limits` bounds all of it.
//!
//! Invariants: a target is on this machine unless named twice; every run is bounded in time and
//! count (`limits`); latency counts from the intended time; the same seed gives the same arrivals
//! and paths; requests go over HTTP/2 and to the target only, with their paths byte for byte.
//!
//! Knows HTTP/2 clients. Knows nothing of any particular server.
#![forbid(unsafe_code)]

pub mod attacks;
pub mod command_line;
pub mod commands;
pub mod connections;
pub mod engines;
pub mod error;
pub mod interrupt;
pub mod journeys;
pub mod limits;
pub mod options;
pub mod quantity;
pub mod recording;
pub mod reports;
pub mod requests;
pub mod run;
pub mod scenarios;
pub mod schedule;
pub mod server_metrics;
pub mod thresholds;

#[cfg(test)]
mod tests;

#[cfg(test)]
fn main() -> std::process::ExitCode {
    valk_harness::main()
}
