//! The collector: minor and full collections, serial, parallel or local to one thread.
//!
//! `leader` decides and leads a stop-the-world collection, `gc_workers` traces in parallel,
//! `local_collection` collects one nursery while other mutators run, and `tracer` follows
//! references for all of them.

pub(crate) mod collection;
pub(crate) mod gc_workers;
pub(crate) mod leader;
pub(crate) mod local_collection;
pub(crate) mod schedule;
pub(crate) mod stress;
pub(crate) mod tracer;
pub(crate) mod verify;
