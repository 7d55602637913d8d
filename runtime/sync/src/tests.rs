//! Tests of the structures on `std`; the models under `tests/models` cover the interleavings.

mod coordinator;
mod deque;
mod executor;
mod shim;
