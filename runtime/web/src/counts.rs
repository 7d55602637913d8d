//! What the counters of a server mean for the registry of metrics.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{Ordering, fence};
use valk_aio::{Counted, ServerCounts, System};
use valk_http2::{Counters, Snapshot};
use valk_vm::Vm;

/// The counters of a server, one for each of its executors, which the services of the server hold.
pub(super) type AllCounters = Arc<[Arc<Counters>]>;

/// What a server has counted on all executors.
pub(super) fn total(counters: &AllCounters) -> Snapshot {
    counters.iter().map(|counters| counters.snapshot()).sum()
}

/// Counts a server of a system that listens there, with TLS or without, until its last service has
/// given back its `counters`.
pub(super) fn count_server(
    vm: &mut Vm,
    system: &System,
    (address, is_tls): (SocketAddr, bool),
    counters: &AllCounters,
) {
    let (server, port) = (address.ip().to_string(), address.port().to_string());
    let labels = [
        ("server", server.as_str()),
        ("port", port.as_str()),
        ("protocol", if is_tls { "https" } else { "http" }),
        ("loop", "main"),
    ];
    let waiting = Arc::downgrade(counters);
    system.ask_waiting(move || Some(total(&waiting.upgrade()?).connections_waiting));
    let counters = Arc::clone(counters);
    system.count_server(vm, &labels, move || {
        // These are the last ones when no service has any.
        let has_ended = Arc::strong_count(&counters) == 1;
        // What the services counted before they gave theirs back is seen.
        fence(Ordering::Acquire);
        let counts = of_snapshot(&total(&counters));
        if has_ended { Counted::AtTheEnd(counts) } else { Counted::SoFar(counts) }
    });
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
        connections_rejected: snapshot.rejected(),
        requests_shed: snapshot.shed(),
        requests_over_limit: snapshot.shed_in_progress,
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
