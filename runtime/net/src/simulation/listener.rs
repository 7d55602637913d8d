//! Listening sockets of simulated hosts.
//!
//! Sockets that were made by `try_clone` share one queue. When the last of them is dropped the port
//! is free, and the connections that nobody has accepted are reset.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::task::{Context, Poll, Waker};

use super::Simulation;
use super::stream::SimulatedStream;
use super::world::{ConnectionId, HostIndex, ListenQueue, World};
use crate::network::{BoundSocket, Listener, Stream};

/// A listening socket, watched or not.
#[derive(Debug)]
pub(super) struct SimulatedSocket {
    simulation: Simulation,
    host: HostIndex,
    address: SocketAddr,
}

impl SimulatedSocket {
    /// Binds `address` at `host`.
    pub(super) fn bind(
        simulation: &Simulation,
        host: HostIndex,
        address: SocketAddr,
    ) -> io::Result<Self> {
        let address = simulation.with(|world| world.bind(host, address))?;
        Ok(Self { simulation: simulation.clone(), host, address })
    }
}

impl BoundSocket for SimulatedSocket {
    fn local_addr(&self) -> SocketAddr {
        self.address
    }

    fn try_clone(&self) -> io::Result<Box<dyn BoundSocket>> {
        let Self { simulation, host, address } = self;
        simulation.with(|world| world.queue(*host, *address).sockets += 1);
        let simulation = simulation.clone();
        Ok(Box::new(Self { simulation, host: *host, address: *address }))
    }

    fn listen(self: Box<Self>) -> io::Result<Box<dyn Listener>> {
        Ok(self)
    }
}

impl Listener for SimulatedSocket {
    fn local_addr(&self) -> SocketAddr {
        self.address
    }

    fn poll_accept(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<(Box<dyn Stream>, SocketAddr)>> {
        let (host, address) = (self.host, self.address);
        let accepted = self.simulation.with(|world| world.accept(host, address, cx.waker()));
        let Some((id, addresses)) = accepted else { return Poll::Pending };
        let stream = SimulatedStream::new(self.simulation.clone(), id, 1, addresses);
        Poll::Ready(Ok((Box::new(stream), addresses[0])))
    }
}

impl Drop for SimulatedSocket {
    fn drop(&mut self) {
        self.simulation.with(|world| world.drop_socket(self.host, self.address));
    }
}

impl World {
    fn queue(&mut self, host: HostIndex, address: SocketAddr) -> &mut ListenQueue {
        let queue = self.listeners.get_mut(&(host, address));
        queue.expect("a listening socket keeps its queue")
    }

    fn bind(&mut self, host: HostIndex, mut address: SocketAddr) -> io::Result<SocketAddr> {
        if !self.has_address(host, address.ip()) {
            return Err(ErrorKind::AddrNotAvailable.into());
        }
        if address.port() == 0 {
            address.set_port(self.free_port(host));
        }
        let is_taken = self.listeners.keys().any(|(at, bound)| {
            let either = bound.ip().is_unspecified() || address.ip().is_unspecified();
            let same_family = bound.is_ipv4() == address.is_ipv4();
            let overlaps = bound.ip() == address.ip() || (either && same_family);
            *at == host && bound.port() == address.port() && overlaps
        });
        if is_taken {
            return Err(ErrorKind::AddrInUse.into());
        }
        self.listeners.entry((host, address)).or_default().sockets = 1;
        self.trace.record("bind", host as u64, u64::from(address.port()));
        Ok(address)
    }

    fn accept(
        &mut self,
        host: HostIndex,
        address: SocketAddr,
        waker: &Waker,
    ) -> Option<(ConnectionId, [SocketAddr; 2])> {
        let queue = self.queue(host, address);
        let Some(id) = queue.backlog.pop_front() else {
            queue.wakers.push(waker.clone());
            return None;
        };
        self.trace.record("accept", id, u64::from(address.port()));
        Some((id, self.connections[&id].addresses))
    }

    fn drop_socket(&mut self, host: HostIndex, address: SocketAddr) {
        let queue = self.queue(host, address);
        queue.sockets -= 1;
        if queue.sockets > 0 {
            return;
        }
        let backlog = std::mem::take(&mut queue.backlog);
        self.listeners.remove(&(host, address));
        for id in backlog {
            self.reset_end(id, 1);
        }
    }

    /// The queue that takes connections to `target` at `host`.
    pub(super) fn queue_for(
        &self,
        host: HostIndex,
        target: SocketAddr,
    ) -> Option<(HostIndex, SocketAddr)> {
        let any: IpAddr = match target {
            SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        let candidates = [target, SocketAddr::new(any, target.port())];
        let mut keys = candidates.into_iter().map(|address| (host, address));
        keys.find(|key| self.listeners.contains_key(key))
    }
}
