//! The interpreter: the loop and its slow paths.
//!
//! `run` is the loop, with every instruction's common case. `calls` has the calls that are not simple,
//! `slow_paths` and `arithmetic` the uncommon cases of other instructions, `continuations` what
//! captures and reinstates frames, `from_native` goes on where native code cannot, `resume` how a fiber gets into the loop.

pub(crate) mod arithmetic;
pub(crate) mod calls;
pub(crate) mod continuations;
mod exit;
mod from_native;
mod resume;
mod run;
mod slow_paths;
