//! The program behind the simulated server.
//!
//! `/N` answers with N bytes, at once or after a drawn time; the body of a request is checked.

use std::cell::RefCell;
use std::time::Duration;

use tokio::time::sleep;
use valk_http2::{Event, Reply, Request, Response};
use valk_net::{Entropy, Simulation};

/// Answers requests and records them.
pub(super) struct Handler {
    simulation: Simulation,
    entropy: RefCell<Entropy>,
}

impl Handler {
    pub(super) fn new(simulation: &Simulation) -> Self {
        Self { simulation: simulation.clone(), entropy: RefCell::new(simulation.entropy()) }
    }
}

impl valk_http2::Handler for Handler {
    fn handle(&self, request: Request) -> Reply {
        let bytes: usize = request.path()[1..].parse().expect("clients ask for a number of bytes");
        assert!(request.body().iter().all(|byte| *byte == b'u'), "a body came changed");
        self.simulation.record("request", u64::from(request.stream_id()), bytes as u64);
        let response = Response::text(200, vec![b'd'; bytes]);
        let mut entropy = self.entropy.borrow_mut();
        if entropy.below(2) == 0 {
            return Reply::Ready(response);
        }
        let wait = Duration::from_millis(entropy.below(100));
        Reply::pending(async move {
            sleep(wait).await;
            response
        })
    }

    fn event(&self, event: &Event) {
        let kind = match event {
            Event::HandshakeFailed { .. } => "handshake failed",
            Event::ConnectionFailed { .. } => "connection failed",
            other => panic!("nothing else goes wrong: {other}"),
        };
        self.simulation.record(kind, 0, 0);
    }
}
