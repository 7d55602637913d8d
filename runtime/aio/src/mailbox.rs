//! How other threads tell a machine that a handle it waits for has come to its end.

use std::sync::Mutex;
use tokio::sync::Notify;
use valk_sync::shim::lock;

/// Handles that have ended, by address, for a machine with an event loop.
#[derive(Debug, Default)]
pub(crate) struct Mailbox {
    ended: Mutex<Vec<usize>>,
    arrived: Notify,
}

impl Mailbox {
    /// Tells that the handle at `address` has ended.
    pub fn post(&self, address: usize) {
        lock(&self.ended).push(address);
        self.arrived.notify_one();
    }

    /// Has the event loop look around, though no handle has ended.
    pub fn ring(&self) {
        self.arrived.notify_one();
    }

    /// Waits for somebody to tell something; what was told, each time once.
    pub async fn receive(&self) -> Vec<usize> {
        self.arrived.notified().await;
        std::mem::take(&mut *lock(&self.ended))
    }
}
