//! Native code for x86-64.
//!
//! Registers while it runs, all of which a callee saves in the C convention:
//!
//! | register | holds |
//! |---|---|
//! | `rbx` | the frame's base |
//! | `rbp` | the [`Context`] |
//! | `r12` | the limit of the fiber's stack |
//! | `r13` | the global variables |
//! | `r14` | address of the next young cell |
//! | `r15` | calls of functions counted so far |
//!
//! The others are scratch within an instruction, but for `rax`: see `emitter`. The host's stack has nothing
//! of native code on it, and its pointer is at a multiple of 16.

mod branches;
mod builtins;
mod calls;
mod data;
mod elements;
mod emitter;
mod entry;
mod numbers;

#[cfg(test)]
pub(crate) use emitter::LEFT_TO_THE_INTERPRETER;
pub(super) use emitter::compile;
pub(in crate::jit) use entry::Memory;
pub(crate) use entry::run;
