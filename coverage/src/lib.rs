//! Coverage gate: every source file has enough lines and branches executed, or a waiver that says
//! why not.
//!
//! [`llvm`] reads exports into the [`model`], [`sources`] finds the files that need data,
//! [`waivers`] reads the exceptions, [`gate`] judges, [`render`] reports, [`cli`] connects them.
//!
//! Knows nothing of how tests are built or run; that is `ci/coverage`.
#![forbid(unsafe_code)]

pub mod cli;
pub mod date;
pub mod error;
pub mod gate;
mod heads;
pub mod language;
pub mod llvm;
pub mod model;
pub mod render;
pub mod sources;
pub mod waivers;

#[cfg(test)]
mod tests;

#[cfg(test)]
fn main() -> std::process::ExitCode {
    valk_harness::main()
}
