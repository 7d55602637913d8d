//! Attacks on an HTTP/2 server, each bounded and with a verdict.
//!
//! 1. `frames` are bytes of HTTP/2 that no library would send; an attack of the `catalog` is a list
//!    of steps made of them, and what a good server does about it.
//! 2. A `driver` runs one attack on its own connections and sees what comes back. Beside it a
//!    `witness`, a well-behaved client, measures what the attack does to others.
//! 3. The `verdict` compares both with what is expected.
//!
//! An attack goes to this machine only, unless its owner names the host. It sends at most the bytes of
//! its steps and ends within [`crate::limits::ATTACK_TIME`].

pub mod catalog;
pub mod driver;
pub mod frames;
mod malformed;
pub mod verdict;
pub mod witness;
