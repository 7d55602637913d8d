//! Parts by themselves, and conformance suites that run on the system and on the simulation.

mod parts;
mod simulated;
mod timers;
mod transport;

use std::sync::Arc;

use tokio::task::LocalSet;

use crate::{Network, SimulationConfig, TokioNetwork, simulate};

/// What the conformance suites run on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Backend {
    System,
    Simulated,
}

fn backends() -> [(&'static str, Backend); 2] {
    [("system", Backend::System), ("simulated", Backend::Simulated)]
}

impl Backend {
    /// Runs a test on the network of one host, with local tasks.
    fn run(self, test: impl AsyncFnOnce(Arc<dyn Network>)) {
        match self {
            Backend::System => {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
                let runtime = runtime.expect("a runtime");
                LocalSet::new().block_on(&runtime, test(Arc::new(TokioNetwork)));
            }
            Backend::Simulated => simulate(1, SimulationConfig::default(), async |simulation| {
                test(Arc::new(simulation.host("test"))).await;
            }),
        }
    }
}

/// Calls `broken`, which must panic with a message that contains `text`.
fn assert_panics(text: &str, broken: impl FnOnce() + std::panic::UnwindSafe) {
    let panic = std::panic::catch_unwind(broken).expect_err("a panic");
    let message = panic.downcast_ref::<&str>().expect("a message");
    assert!(message.contains(text), "{message}");
}
