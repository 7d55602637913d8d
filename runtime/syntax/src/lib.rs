//! Tokens and the reader: bytes to forms with spans.
//!
//! 1. Reading never fails, it reports: every input gives a tree, and at most one error that says
//!    where reading stopped.
//! 2. Every loop is over the input or over an explicit stack, so nesting depth and token length are
//!    bounded by memory only, and work is linear in the input.
//! 3. Spans nest: the span of a form lies in the span of the list around it.
//!
//! ```text
//! lexer ──▶ reader ──▶ Tree, ReadError
//!   ├─────▶ balance    is this input complete? (REPL)
//!   └─────▶ highlight  classes of ranges (REPL, editors)
//! ```
//!
//! Does not know what any form means, nor where text comes from.
#![forbid(unsafe_code)]

mod balance;
mod error;
mod highlight;
mod lexer;
mod reader;
mod tree;
mod utf8;

pub use balance::{Balance, balance};
pub use error::{ReadError, ReadErrorKind};
pub use highlight::{TokenClass, highlight};
pub use lexer::{SYMBOL_BYTES_MAX, is_name_character};
pub use reader::{Reading, read_all, read_one};
pub use tree::{Children, Node, NodeKind, SymbolId, Tree};
pub use utf8::{Utf8Problem, check_utf8};

#[cfg(test)]
mod tests;

#[cfg(test)]
fn main() -> std::process::ExitCode {
    valk_harness::main()
}
