//! The stop signal: set once from any thread, seen by every connection of a server.

use std::sync::Arc;

use tokio::sync::watch;

/// Asks a server to finish. Clones are the same signal; setting it twice changes nothing.
#[derive(Clone, Debug)]
pub struct StopSignal {
    sender: Arc<watch::Sender<bool>>,
}

impl Default for StopSignal {
    fn default() -> Self {
        Self::new()
    }
}

impl StopSignal {
    /// A signal that is not set.
    pub fn new() -> Self {
        Self { sender: Arc::new(watch::Sender::new(false)) }
    }

    /// Sets the signal. May be called from any thread, also inside a handler.
    pub fn stop(&self) {
        self.sender.send_replace(true);
    }

    /// Whether the signal is set.
    pub fn is_stopped(&self) -> bool {
        *self.sender.borrow()
    }

    /// Completes when the signal is set, at once when it already is.
    pub fn stopped(&self) -> impl Future<Output = ()> + 'static {
        let mut receiver = self.sender.subscribe();
        let sender = Arc::clone(&self.sender);
        async move {
            // Fails only when the sender is gone, and this future holds it.
            let _ = receiver.wait_for(|stopped| *stopped).await;
            drop(sender);
        }
    }
}
