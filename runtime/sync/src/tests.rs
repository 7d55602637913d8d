//! Tests of the structures on `std`; the models under `tests/models` cover the interleavings.

mod completion;
mod coordinator;
mod deque;
mod executor;
mod queue;
mod reentrant_lock;
mod shim;
mod slab;
mod termination;
