//! How a simulated connection is made.
//!
//! 1. An attempt reaches the host after the delay of the link; during a partition it waits.
//! 2. A port without a listening socket refuses; the client hears of it one delay later.
//! 3. A full backlog gives no answer. The client tries again after 1, 2, 4, … seconds, as TCP does,
//!    until its time is over. An address that no host has gives no answer either.

use std::future::{pending, poll_fn};
use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr};
use std::task::Poll;
use std::time::Duration;

use tokio::time::{sleep, timeout};

use super::Simulation;
use super::stream::SimulatedStream;
use super::world::{ConnectionId, HostIndex, World};
use crate::network::{ConnectError, Stream, without_brackets};

/// First pause before an attempt is repeated (RFC 6298).
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// Connects `from` to a host by name or address.
pub(super) async fn connect(
    simulation: Simulation,
    from: HostIndex,
    host: String,
    port: u16,
) -> Result<Box<dyn Stream>, ConnectError> {
    let addresses = simulation.with(|world| world.resolve(without_brackets(&host)));
    let mut last = None;
    for address in addresses {
        let target = SocketAddr::new(address, port);
        match connect_to(&simulation, from, target).await {
            Ok(stream) => return Ok(Box::new(stream)),
            Err(error) => last = Some(error),
        }
    }
    Err(match last {
        Some(error) => ConnectError::Unreachable { host, port, error },
        None => {
            let error = io::Error::new(ErrorKind::NotFound, "no host has this name");
            ConnectError::Unresolvable { host, error }
        }
    })
}

async fn connect_to(
    simulation: &Simulation,
    from: HostIndex,
    target: SocketAddr,
) -> io::Result<SimulatedStream> {
    let (patience, to) =
        simulation.with(|world| (world.config.connect_timeout, world.host_at(from, target.ip())));
    let attempts = async {
        let Some(to) = to else { return pending().await };
        attempt(simulation, from, to, target).await
    };
    timeout(patience, attempts).await.unwrap_or_else(|_| Err(ErrorKind::TimedOut.into()))
}

async fn attempt(
    simulation: &Simulation,
    from: HostIndex,
    to: HostIndex,
    target: SocketAddr,
) -> io::Result<SimulatedStream> {
    let mut pause = RETRY_PAUSE;
    loop {
        delay(simulation, from, to).await;
        match simulation.with(|world| world.shake_hands(from, to, target)) {
            Answer::Established(id, addresses) => {
                let stream = SimulatedStream::new(simulation.clone(), id, 0, addresses);
                delay(simulation, from, to).await;
                return Ok(stream);
            }
            Answer::Refused => {
                delay(simulation, from, to).await;
                return Err(ErrorKind::ConnectionRefused.into());
            }
            Answer::Full => sleep(pause).await,
        }
        pause *= 2;
    }
}

/// Waits until something sent now arrives at the other host.
async fn delay(simulation: &Simulation, from: HostIndex, to: HostIndex) {
    let latency = simulation.with(|world| world.draw_latency(from, to));
    if !latency.is_zero() {
        sleep(latency).await;
    }
    poll_fn(|cx| {
        let is_held = simulation.with(|world| world.link_of(from, to).holds_back(cx.waker()));
        if is_held { Poll::Pending } else { Poll::Ready(()) }
    })
    .await;
}

enum Answer {
    Established(ConnectionId, [SocketAddr; 2]),
    Refused,
    Full,
}

impl World {
    /// What a host answers to an attempt that has reached it.
    fn shake_hands(&mut self, from: HostIndex, to: HostIndex, target: SocketAddr) -> Answer {
        let Some(key) = self.queue_for(to, target) else {
            self.trace.record("refuse", to as u64, u64::from(target.port()));
            return Answer::Refused;
        };
        if self.listeners[&key].backlog.len() >= self.config.backlog_max {
            return Answer::Full;
        }
        let source: IpAddr = self.source_address(from, target.ip());
        let addresses = [SocketAddr::new(source, self.free_port(from)), target];
        let id = self.add_connection([from, to], addresses);
        self.trace.record("connect", id, u64::from(target.port()));
        let queue = self.listeners.get_mut(&key).expect("found above");
        queue.backlog.push_back(id);
        let wakers = std::mem::take(&mut queue.wakers);
        self.woken.extend(wakers);
        Answer::Established(id, addresses)
    }
}
