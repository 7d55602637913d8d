//! Lock-free structures of the runtime, each checked by loom models beside its tests.
//!
//! 1. Atomics, fences, tracked cells and thread primitives are named in [`shim`] only, so that the
//!    same source is compiled against `std`, under `cfg(valk_loom)` against loom and under
//!    `cfg(valk_shuttle)` against shuttle.
//! 2. Every ordering that is stronger than `Relaxed` creates one documented edge, and a model fails
//!    when it is weakened (`ci/loom-mutants`, table in `docs/concurrency.md`).
//! 3. Every structure has a bound; the bounds are in [`limits`].
//!
//! Knows `std`, loom and shuttle. Does not know values, tasks, heaps or reactors.

mod cache_padded;
pub mod cell;
pub mod coordinator;
pub mod deque;
pub mod executor;
pub mod inbox;
pub mod limits;
pub mod queue;
pub mod reentrant_lock;
pub mod shim;
pub mod slab;
pub mod termination;

#[cfg(test)]
mod tests;

#[cfg(test)]
fn main() -> std::process::ExitCode {
    valk_harness::main()
}
