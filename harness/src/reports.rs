//! Reports of a run: ledger, `JUnit` file, terminal summary.
//!
//! 1. The `ledger` is the record that everything else can be made from; `merge` joins the ledgers
//!    of many test binaries into one report and one exit status.
//! 2. `summary` is the text on the terminal, `junit` the file for other tools, `skips` the list of
//!    skips and their budget.
//! 3. `test_binary` names the binary, its report files and the command that runs one test again;
//!    `invocation` is the command that started it, `report_file` how files are begun and shared.

pub mod invocation;
pub mod junit;
pub mod ledger;
pub mod merge;
pub mod report_file;
pub mod skips;
pub mod summary;
pub mod test_binary;
