//! How other threads tell a machine that a handle it waits for has come to its end.

use std::sync::{Mutex, PoisonError};
use tokio::sync::Notify;

/// Handles that have ended, by address, for a machine with an event loop.
#[derive(Debug, Default)]
pub(crate) struct Mailbox {
    ended: Mutex<Vec<usize>>,
    arrived: Notify,
}

impl Mailbox {
    /// Tells that the handle at `address` has ended.
    pub fn post(&self, address: usize) {
        self.lock().push(address);
        self.arrived.notify_one();
    }

    /// Has the event loop look around, though no handle has ended.
    pub fn ring(&self) {
        self.arrived.notify_one();
    }

    /// Waits for somebody to tell something; what was told, each time once.
    pub async fn receive(&self) -> Vec<usize> {
        self.arrived.notified().await;
        std::mem::take(&mut *self.lock())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<usize>> {
        self.ended.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
