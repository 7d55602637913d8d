//! Tests of the structures on `std`; the models under `tests/models` cover the interleavings.

mod cell;
mod coordinator;
mod deque;
mod executor;
mod executor_load;
mod handle;
mod hosted;
mod inbox;
mod queue;
mod reentrant_lock;
mod shim;
mod slab;
mod termination;
