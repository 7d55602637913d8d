//! A simulated network of hosts on one thread with virtual time.
//!
//! 1. Everything random (delays, and what programs draw from [`Simulation::entropy`]) comes from one
//!    seed; everything timed comes from the paused clock of the runtime. There are no ticks: a
//!    delivery is a timer of the stream that waits for it, so quiet time costs nothing.
//! 2. Bytes arrive in order after the delay of their link. A sender has at most `window_bytes` on
//!    their way or unread, so a peer that does not read holds it back.
//! 3. While a link is partitioned nothing arrives; when it is healed everything does, as after TCP
//!    has sent it again. Breaking connections resets both ends at once.
//! 4. Every event that a program could notice is recorded in the [`Trace`].
//!
//! Does not know what the bytes mean, and does not model losses below TCP, congestion or routing.

mod handshake;
mod host;
mod listener;
mod pipe;
mod stream;
mod trace;
mod world;

use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::task::LocalSet;

pub use self::host::SimulatedHost;
pub use self::trace::{Trace, TraceEvent};
use self::world::World;
use crate::entropy::Entropy;

/// Numbers of a simulated network.
#[derive(Clone, Debug)]
pub struct SimulationConfig {
    /// Delay of a link between two hosts, drawn anew for every delivery; see
    /// [`Simulation::set_latency`].
    pub latency: RangeInclusive<Duration>,
    /// Bytes of one direction of a connection that may be on their way or unread.
    pub window_bytes: usize,
    /// Connections that wait to be accepted, per listening socket. Further ones try again.
    pub backlog_max: usize,
    /// Time for a connection attempt that gets no answer.
    pub connect_timeout: Duration,
}

impl Default for SimulationConfig {
    fn default() -> Self {
        Self {
            latency: Duration::from_millis(1)..=Duration::from_millis(5),
            window_bytes: 64 << 10,
            backlog_max: 128,
            connect_timeout: Duration::from_secs(127),
        }
    }
}

/// A simulated network; clones are the same network.
#[derive(Clone, Debug)]
pub struct Simulation(Arc<Mutex<World>>);

/// Runs `program` to its end on a new simulated network, with local tasks and virtual time.
///
/// # Panics
/// When the process has no memory or descriptors for a runtime.
pub fn simulate<F: Future>(
    seed: u64,
    config: SimulationConfig,
    program: impl FnOnce(Simulation) -> F,
) -> F::Output {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    let runtime = runtime.expect("a runtime without I/O needs only memory");
    LocalSet::new().block_on(&runtime, async move { program(Simulation::new(seed, config)).await })
}

impl Simulation {
    /// A network without hosts. Must be made inside the paused runtime that runs its programs.
    pub fn new(seed: u64, config: SimulationConfig) -> Self {
        Self(Arc::new(Mutex::new(World::new(seed, config))))
    }

    /// The host of this name, added on first use. Its addresses are `10.0.x.y` and `fd00::x:y`, and
    /// the loopback addresses are its own.
    pub fn host(&self, name: &str) -> SimulatedHost {
        let index = self.with(|world| world.host(name));
        SimulatedHost::new(self.clone(), index)
    }

    /// A generator of its own, seeded by this simulation.
    pub fn entropy(&self) -> Entropy {
        self.with(|world| world.entropy.fork())
    }

    /// Sets the delay between two hosts for what is sent from now on.
    pub fn set_latency(&self, a: &str, b: &str, latency: RangeInclusive<Duration>) {
        self.with(|world| world.link(a, b).latency = latency);
    }

    /// Lets nothing arrive between two hosts until [`Simulation::heal`].
    pub fn partition(&self, a: &str, b: &str) {
        self.with(|world| world.partition(a, b));
    }

    /// Ends a partition. What was sent meanwhile arrives after the delay of the link.
    pub fn heal(&self, a: &str, b: &str) {
        self.with(|world| world.heal(a, b));
    }

    /// Resets every connection between two hosts, at both ends at once.
    pub fn break_connections(&self, a: &str, b: &str) {
        self.with(|world| world.break_connections(a, b));
    }

    /// Sets whether `name` can be resolved, when it is the name of a host. Others never can.
    pub fn set_resolvable(&self, name: &str, resolvable: bool) {
        self.with(|world| world.set_resolvable(name, resolvable));
    }

    /// Adds an event of the program to the trace.
    pub fn record(&self, kind: &'static str, subject: u64, detail: u64) {
        self.with(|world| world.trace.record(kind, subject, detail));
    }

    /// The trace up to now.
    pub fn trace(&self) -> Trace {
        self.with(|world| world.trace.clone())
    }

    /// Calls `change`, then wakes the tasks that it has found to be affected. They are woken when
    /// the lock is free again: a waker may run code of others.
    fn with<T>(&self, change: impl FnOnce(&mut World) -> T) -> T {
        let (result, woken) = {
            let mut world = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let result = change(&mut world);
            (result, std::mem::take(&mut world.woken))
        };
        for waker in woken {
            waker.wake();
        }
        result
    }
}
