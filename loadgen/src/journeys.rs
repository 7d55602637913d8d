//! Journeys: requests that follow each other, each with what the answers before it gave.
//!
//! 1. A `file` describes journeys. All of it is checked before the first connection; an error names
//!    the file, the line and, for a misspelt word, the nearest right one (`spelling`).
//! 2. A `journey` is data that all threads share: steps, their requests and checks.
//! 3. A `text` has places for values. They come from `variables` (lists, columns of CSV files by
//!    `csv`), drawn once for each journey, or by a `capture` from the answer of an earlier step.
//! 4. `dry_run` shows what would be sent.
//!
//! Does not know when requests leave: that is the engine's.

pub mod capture;
mod csv;
pub mod dry_run;

pub mod file;
pub mod journey;
mod section;
pub mod spelling;
pub mod text;
pub mod variables;
