//! Load generator for HTTP/2 servers: open-loop latency, slow readers, user journeys.
//!
//! The way of a run: `cli` parses, `options` checks, `scenario` plans, `run` executes the plan
//! with `engine` (open loop), `slow` (held windows) or `browse` (goose), `recorder` counts,
//! `report` judges, `table` and JSON show.
//!
//! Invariants: a target is on this machine unless named twice; every run is bounded in time and
//! count (`limits`); latency counts from the intended time; the same seed gives the same arrivals
//! and paths; what is not proven HTTP/2 is not a valid measurement.
//!
//! Knows HTTP/2 clients. Knows nothing of any particular server.
#![forbid(unsafe_code)]

pub mod browse;
pub mod cli;
pub mod command;
pub mod dial;
pub mod engine;
pub mod error;
pub mod exchange;
pub mod limits;
pub mod link;
pub mod options;
pub mod outcome;
pub mod process;
pub mod progress;
pub mod quantity;
pub mod recorder;
pub mod report;
pub mod run;
pub mod scenario;
pub mod schedule;
pub mod slow;
pub mod table;
pub mod target;
pub mod threshold;
pub mod tls;

#[cfg(test)]
mod tests;

#[cfg(test)]
fn main() -> std::process::ExitCode {
    valk_harness::main()
}
