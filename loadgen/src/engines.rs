//! The engines: what puts load on a target.
//!
//! 1. `event_loop` sends requests over HTTP/2 streams when they are due, or as fast as they are
//!    answered; one thread, no task for a request.
//! 2. `slow_readers` hold their stream windows shut and read at a given moment.
//! 3. `goose_users` are users on a journey, driven by goose.
//!
//! Each records what happens to its requests. None knows the scenario that it is part of.

pub mod event_loop;
pub mod goose_users;
pub mod slow_readers;
