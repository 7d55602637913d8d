//! The engines: what puts load on a target.
//!
//! 1. `open_loop` sends requests when they are due, whatever the target does.
//! 2. `slow_readers` hold their stream windows shut and read at a given moment.
//! 3. `goose_users` are users on a journey, driven by goose.
//!
//! Each records what happens to its requests. None knows the scenario that it is part of.

pub mod goose_users;
pub mod open_loop;
pub mod slow_readers;
