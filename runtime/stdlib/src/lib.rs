//! The Valk standard library, embedded into the binary.
//!
//! 1. A [`Module`] is a text with a name. Modules other than the prelude are run when a program
//!    loads them or first mentions a name that one of them defines.
//! 2. A module is found by its name and by the load paths of older programs. A file of that path in
//!    the working directory wins, which is the caller's rule.
//! 3. No two modules define the same name.
//!
//! Does not know how a module is run.
#![forbid(unsafe_code)]

mod definitions;
mod modules;

pub use definitions::{defining, definitions};
pub use modules::{ASSETS, MODULES, Module, PATHS, PRELUDE, TEST, asset, find, is_embedded};

#[cfg(test)]
mod tests;

#[cfg(test)]
fn main() -> std::process::ExitCode {
    valk_harness::main()
}
