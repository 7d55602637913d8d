//! Reports: a line a second while the run lasts, then a judged report as table or JSON.

pub mod progress;
pub mod report;
pub mod table;
