//! What happened to the requests of a run.
//!
//! 1. The `clock` of a run counts from one origin.
//! 2. A `recorder` counts the requests of a group; `counts` are its numbers by phase and
//!    `error_kind`, `seconds` those of every second.
//! 3. `cpu_time` is what the whole process used.

pub mod clock;
pub mod counts;
pub mod cpu_time;
pub mod error_kind;
pub mod recorder;
pub mod seconds;
