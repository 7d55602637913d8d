//! The state of a simulated network: hosts, links, listening sockets, connections.
//!
//! 1. All of it is behind one lock. What has to be woken is collected in `woken` and woken after the
//!    lock is free.
//! 2. A connection lives until both its streams are dropped.
//! 3. A [`Gate`] decides what arrives: nothing during a partition, and after it nothing before
//!    `not_before`. What was on its way when the partition began is held as well.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::task::Waker;
use std::time::Duration;

use tokio::time::Instant;

use super::SimulationConfig;
use super::pipe::Pipe;
use super::trace::Trace;
use crate::entropy::Entropy;

/// First port that is given to clients and to port 0, as RFC 6335 reserves them.
const EPHEMERAL_PORT_MIN: u16 = 49152;

pub(super) type HostIndex = usize;
pub(super) type ConnectionId = u64;

/// The end of a connection: 0 for the client's, 1 for the server's.
pub(super) type Side = usize;

#[derive(Debug)]
pub(super) struct World {
    pub(super) config: SimulationConfig,
    pub(super) entropy: Entropy,
    pub(super) trace: Trace,
    pub(super) woken: Vec<Waker>,
    hosts: Vec<Host>,
    unresolvable: BTreeSet<String>,
    links: BTreeMap<(HostIndex, HostIndex), Link>,
    pub(super) listeners: BTreeMap<(HostIndex, SocketAddr), ListenQueue>,
    pub(super) connections: BTreeMap<ConnectionId, Connection>,
    next_connection: ConnectionId,
}

#[derive(Debug)]
struct Host {
    name: String,
    v4: Ipv4Addr,
    v6: Ipv6Addr,
    next_port: u16,
}

/// What lies between two hosts.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) latency: RangeInclusive<Duration>,
    pub(super) gate: Gate,
    /// Connection attempts that wait for the end of a partition.
    attempts: Vec<Waker>,
}

/// What a link lets through.
#[derive(Clone, Copy, Debug)]
pub(super) struct Gate {
    is_partitioned: bool,
    not_before: Instant,
}

/// A listening socket and the connections that wait to be accepted.
#[derive(Debug, Default)]
pub(super) struct ListenQueue {
    /// Sockets that share the queue.
    pub(super) sockets: usize,
    pub(super) backlog: VecDeque<ConnectionId>,
    pub(super) wakers: Vec<Waker>,
}

#[derive(Debug)]
pub(super) struct Connection {
    pub(super) hosts: [HostIndex; 2],
    pub(super) addresses: [SocketAddr; 2],
    /// By the side that writes.
    pub(super) pipes: [Pipe; 2],
    /// Time from which the side sees that the connection was reset.
    pub(super) reset_at: [Option<Instant>; 2],
    pub(super) is_dropped: [bool; 2],
}

impl World {
    pub(super) fn new(seed: u64, config: SimulationConfig) -> Self {
        Self {
            config,
            entropy: Entropy::from_seed(seed),
            trace: Trace::new(seed),
            woken: Vec::new(),
            hosts: Vec::new(),
            unresolvable: BTreeSet::new(),
            links: BTreeMap::new(),
            listeners: BTreeMap::new(),
            connections: BTreeMap::new(),
            next_connection: 0,
        }
    }

    pub(super) fn host(&mut self, name: &str) -> HostIndex {
        if let Some(index) = self.hosts.iter().position(|host| host.name == name) {
            return index;
        }
        let number = u16::try_from(self.hosts.len() + 1).expect("fewer than 65,535 hosts");
        let [high, low] = number.to_be_bytes();
        self.hosts.push(Host {
            name: name.to_owned(),
            v4: Ipv4Addr::new(10, 0, high, low),
            v6: Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, number),
            next_port: EPHEMERAL_PORT_MIN,
        });
        self.hosts.len() - 1
    }

    pub(super) fn link(&mut self, a: &str, b: &str) -> &mut Link {
        let (a, b) = (self.host(a), self.host(b));
        self.link_of(a, b)
    }

    /// The link between two hosts; that of a host with itself has no delay.
    pub(super) fn link_of(&mut self, a: HostIndex, b: HostIndex) -> &mut Link {
        let latency = &self.config.latency;
        self.links.entry((a.min(b), a.max(b))).or_insert_with(|| Link {
            latency: if a == b { Duration::ZERO..=Duration::ZERO } else { latency.clone() },
            gate: Gate { is_partitioned: false, not_before: Instant::now() },
            attempts: Vec::new(),
        })
    }

    /// A delay for one delivery between two hosts.
    pub(super) fn draw_latency(&mut self, a: HostIndex, b: HostIndex) -> Duration {
        let latency = self.link_of(a, b).latency.clone();
        let spread_us = latency.end().saturating_sub(*latency.start()).as_micros() as u64;
        *latency.start() + Duration::from_micros(self.entropy.below(spread_us + 1))
    }

    pub(super) fn partition(&mut self, a: &str, b: &str) {
        let (a, b) = (self.host(a), self.host(b));
        let (gate, now) = (self.link_of(a, b).gate, Instant::now());
        for connection in self.connections.values_mut().filter(|each| each.is_between(a, b)) {
            // What came before the partition has arrived, whether it was looked at or not.
            for pipe in &mut connection.pipes {
                pipe.arrive(|at| gate.has_passed(at, now));
            }
        }
        self.link_of(a, b).gate.is_partitioned = true;
        self.trace.record("partition", a as u64, b as u64);
    }

    pub(super) fn heal(&mut self, a: &str, b: &str) {
        let (a, b) = (self.host(a), self.host(b));
        let latency = self.draw_latency(a, b);
        let link = self.link_of(a, b);
        link.gate = Gate { is_partitioned: false, not_before: Instant::now() + latency };
        let attempts = std::mem::take(&mut link.attempts);
        self.woken.extend(attempts);
        self.trace.record("heal", a as u64, b as u64);
        self.wake_connections(a, b);
    }

    pub(super) fn break_connections(&mut self, a: &str, b: &str) {
        let (a, b) = (self.host(a), self.host(b));
        self.trace.record("break", a as u64, b as u64);
        for connection in self.connections.values_mut().filter(|each| each.is_between(a, b)) {
            connection.reset_at = [Some(Instant::now()); 2];
        }
        self.wake_connections(a, b);
    }

    fn wake_connections(&mut self, a: HostIndex, b: HostIndex) {
        for connection in self.connections.values_mut().filter(|each| each.is_between(a, b)) {
            for pipe in &mut connection.pipes {
                self.woken.extend(pipe.reader.take().into_iter().chain(pipe.writer.take()));
            }
        }
    }

    pub(super) fn set_resolvable(&mut self, name: &str, resolvable: bool) {
        if resolvable {
            self.unresolvable.remove(name);
        } else {
            self.unresolvable.insert(name.to_owned());
        }
    }

    /// The addresses of a name as `host` sees it.
    pub(super) fn resolve(&self, name: &str) -> Vec<IpAddr> {
        if let Ok(address) = name.parse() {
            return vec![address];
        }
        if self.unresolvable.contains(name) {
            return Vec::new();
        }
        if name == "localhost" {
            return vec![Ipv6Addr::LOCALHOST.into(), Ipv4Addr::LOCALHOST.into()];
        }
        let host = self.hosts.iter().find(|host| host.name == name);
        host.map_or_else(Vec::new, |host| vec![host.v4.into(), host.v6.into()])
    }

    /// The host that has `address`, seen from host `from`.
    pub(super) fn host_at(&self, from: HostIndex, address: IpAddr) -> Option<HostIndex> {
        if address.is_loopback() {
            return Some(from);
        }
        self.hosts.iter().position(|host| host.v4 == address || host.v6 == address)
    }

    /// The address from which `from` talks to `address`.
    pub(super) fn source_address(&self, from: HostIndex, address: IpAddr) -> IpAddr {
        match address {
            _ if address.is_loopback() => address,
            IpAddr::V4(_) => self.hosts[from].v4.into(),
            IpAddr::V6(_) => self.hosts[from].v6.into(),
        }
    }

    /// The IPv4 address of a host.
    pub(super) fn address_of(&self, host: HostIndex) -> IpAddr {
        self.hosts[host].v4.into()
    }

    /// Whether a socket of `host` may be bound to `address`.
    pub(super) fn has_address(&self, host: HostIndex, address: IpAddr) -> bool {
        address.is_unspecified() || self.host_at(host, address) == Some(host)
    }

    /// A port of `host` that no socket listens on.
    pub(super) fn free_port(&mut self, host: HostIndex) -> u16 {
        loop {
            let port = self.hosts[host].next_port;
            let next = port.checked_add(1).unwrap_or(EPHEMERAL_PORT_MIN);
            self.hosts[host].next_port = next;
            if !self.listeners.keys().any(|(at, address)| *at == host && address.port() == port) {
                return port;
            }
        }
    }

    /// Adds a connection whose client's end is at `hosts[0]`.
    pub(super) fn add_connection(
        &mut self,
        hosts: [HostIndex; 2],
        addresses: [SocketAddr; 2],
    ) -> ConnectionId {
        let id = self.next_connection;
        self.next_connection += 1;
        let connection = Connection {
            hosts,
            addresses,
            pipes: Default::default(),
            reset_at: [None; 2],
            is_dropped: [false; 2],
        };
        self.connections.insert(id, connection);
        id
    }
}

impl Link {
    /// Whether nothing arrives at present; `waker` is woken at the end of the partition.
    pub(super) fn holds_back(&mut self, waker: &Waker) -> bool {
        if self.gate.is_partitioned {
            self.attempts.push(waker.clone());
        }
        self.gate.is_partitioned
    }
}

impl Gate {
    /// When what is due at `at` arrives; `None` while the link is partitioned.
    pub(super) fn arrival(self, at: Instant) -> Option<Instant> {
        (!self.is_partitioned).then(|| at.max(self.not_before))
    }

    /// Whether what is due at `at` has arrived by `now`.
    pub(super) fn has_passed(self, at: Instant, now: Instant) -> bool {
        self.arrival(at).is_some_and(|at| at <= now)
    }
}

impl Connection {
    fn is_between(&self, a: HostIndex, b: HostIndex) -> bool {
        self.hosts == [a, b] || self.hosts == [b, a]
    }
}
