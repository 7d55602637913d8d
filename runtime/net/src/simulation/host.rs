//! A simulated host as the [`Network`] of the program that runs on it.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};

use super::Simulation;
use super::handshake::connect;
use super::listener::SimulatedSocket;
use super::world::HostIndex;
use crate::network::{BoundSocket, Connecting, Network};

/// A host of a [`Simulation`].
#[derive(Clone)]
pub struct SimulatedHost {
    simulation: Simulation,
    index: HostIndex,
}

impl SimulatedHost {
    pub(super) fn new(simulation: Simulation, index: HostIndex) -> Self {
        Self { simulation, index }
    }

    /// The IPv4 address of the host.
    pub fn address(&self) -> IpAddr {
        self.simulation.with(|world| world.address_of(self.index))
    }
}

impl fmt::Debug for SimulatedHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SimulatedHost").field(&self.address()).finish()
    }
}

impl Network for SimulatedHost {
    fn bind(&self, address: SocketAddr) -> io::Result<Box<dyn BoundSocket>> {
        Ok(Box::new(SimulatedSocket::bind(&self.simulation, self.index, address)?))
    }

    fn connect(&self, host: &str, port: u16) -> Connecting {
        Box::pin(connect(self.simulation.clone(), self.index, host.to_owned(), port))
    }
}
