//! Builtins that reach outside of the program: files, time, memory, output, the process.

mod files;
mod help;
pub(super) mod memory;
mod output;
pub(super) mod process;
mod random;
mod standard_input;
pub(crate) mod time;

use crate::builtins::row::Row;

/// The tables of these builtins.
pub(super) const TABLES: &[&[Row]] = &[
    files::TABLE,
    help::TABLE,
    memory::TABLE,
    output::TABLE,
    process::TABLE,
    random::TABLE,
    time::TABLE,
];
