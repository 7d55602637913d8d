//! What the counters of a server mean for the registry of metrics.

use std::net::SocketAddr;
use valk_aio::{ServerCounts, System};
use valk_http2::Snapshot;
use valk_vm::Vm;

/// Counts a server of a system that listens there, with TLS or without, as long as `counted` tells what
/// it has counted.
pub(super) fn count_server(
    vm: &mut Vm,
    system: &System,
    (address, is_tls): (SocketAddr, bool),
    counted: impl Fn() -> Option<Snapshot> + Send + Sync + 'static,
) {
    let (server, port) = (address.ip().to_string(), address.port().to_string());
    let labels = [
        ("server", server.as_str()),
        ("port", port.as_str()),
        ("protocol", if is_tls { "https" } else { "http" }),
        ("loop", "main"),
    ];
    system.count_server(vm, &labels, move || Some(of_snapshot(&counted()?)));
}

/// The counts of a server as a system adds them up.
fn of_snapshot(snapshot: &Snapshot) -> ServerCounts {
    let ended_early = snapshot.cancelled + snapshot.stalled + snapshot.refused + snapshot.aborted;
    ServerCounts {
        connections: snapshot.connections,
        connections_failed: snapshot.handshakes_failed + snapshot.accept_errors,
        connections_open: snapshot.connections_open,
        requests: snapshot.requests,
        requests_open: snapshot.requests_open,
        requests_failed: ended_early + snapshot.responses_5xx,
        responses: [
            snapshot.responses_2xx,
            snapshot.responses_3xx,
            snapshot.responses_4xx,
            snapshot.responses_5xx,
        ],
        bytes_sent: snapshot.bytes_out,
        bytes_received: snapshot.bytes_in,
    }
}
