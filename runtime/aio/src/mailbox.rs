//! How other threads tell a machine that a handle it waits for has come to its end, or must.

use std::sync::Mutex;
use tokio::sync::Notify;
use valk_heap::Root;
use valk_sync::shim::lock;

/// What a machine is told.
#[derive(Debug)]
pub(crate) enum Letter {
    /// The handle at this address has ended.
    Ended(usize),
    /// The time of this handle is over.
    Expired(Root),
}

/// Letters for a machine with an event loop, not more than handles it has waited for.
#[derive(Debug, Default)]
pub(crate) struct Mailbox {
    letters: Mutex<Vec<Letter>>,
    arrived: Notify,
}

impl Mailbox {
    pub fn post(&self, letter: Letter) {
        lock(&self.letters).push(letter);
        self.arrived.notify_one();
    }

    /// Has the event loop look around, though there is no letter.
    pub fn ring(&self) {
        self.arrived.notify_one();
    }

    /// Waits for somebody to tell something; what was told, each time once.
    pub async fn receive(&self) -> Vec<Letter> {
        self.arrived.notified().await;
        std::mem::take(&mut *lock(&self.letters))
    }
}
