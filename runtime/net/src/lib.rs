//! The edge to the outside world: time, randomness, transport, and the bytes held for peers.
//!
//! 1. A program that takes time from [`Clock`], randomness from [`Entropy`] and connections from a
//!    [`Network`] runs unchanged on the system or inside a [`Simulation`].
//! 2. A simulated program is a function of its seed: it runs on one thread whose clock jumps to the
//!    next timer, and the order of its events is recorded in a [`Trace`].
//! 3. Bytes held for a peer are counted in a [`ByteBudget`] for as long as they are held, and what may
//!    be in progress only so many times in [`Places`].
//!
//! Does not know HTTP or the language.

#![forbid(unsafe_code)]

mod budget;
mod clock;
mod entropy;
mod network;
mod places;
mod simulation;
mod timer;
mod tokio_network;

pub use budget::{ByteBudget, Reservation};
pub use clock::Clock;
pub use entropy::Entropy;
pub use network::{BoundSocket, ConnectError, Connecting, Listener, Network, Stream, accept};
pub use places::{Place, Places};
pub use simulation::{SimulatedHost, Simulation, SimulationConfig, Trace, TraceEvent, simulate};
pub use timer::Timer;
pub use tokio_network::TokioNetwork;

#[cfg(test)]
mod tests;

#[cfg(test)]
fn main() -> std::process::ExitCode {
    valk_harness::main()
}
