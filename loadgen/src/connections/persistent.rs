//! A persistent connection: it is opened again when it is lost.
//!
//! 1. One task owns the connection; stream tasks take clones of its sender.
//! 2. While the connection is down there is no sender and requests fail at once, so an outage shows
//!    as errors at the offered rate, never as a pause.
//! 3. Every loss is counted once by kind.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use h2::client::{Connection, SendRequest};
use tokio::sync::watch;

use super::dialer::{ByteStream, DialError, Dialer};
use crate::limits::{OWN_STREAM_WINDOW, RECONNECT_PAUSE};
use crate::recording::error_kind::ErrorKind;
use crate::recording::recorder::Recorder;

/// Handle to a persistent connection.
#[derive(Debug, Default)]
pub struct PersistentConnection {
    sender: Mutex<Option<SendRequest<Bytes>>>,
    /// Counts changes of `sender`, so that streams clone it only then.
    generation: AtomicU64,
}

/// A stream task's own copy of the sender.
#[derive(Debug)]
pub struct SenderCache {
    connection: Arc<PersistentConnection>,
    seen_generation: u64,
    sender: Option<SendRequest<Bytes>>,
}

impl SenderCache {
    /// An empty cache.
    pub fn new(connection: &Arc<PersistentConnection>) -> SenderCache {
        SenderCache { connection: Arc::clone(connection), seen_generation: u64::MAX, sender: None }
    }

    /// The current sender; nothing while the connection is down.
    pub fn get(&mut self) -> Option<&mut SendRequest<Bytes>> {
        let generation = self.connection.generation.load(Ordering::Acquire);
        if generation != self.seen_generation {
            self.seen_generation = generation;
            self.sender
                .clone_from(&self.connection.sender.lock().unwrap_or_else(PoisonError::into_inner));
        }
        self.sender.as_mut()
    }
}

type Opened = (SendRequest<Bytes>, Connection<Box<dyn ByteStream>, Bytes>);

impl PersistentConnection {
    fn set(&self, sender: Option<SendRequest<Bytes>>) {
        *self.sender.lock().unwrap_or_else(PoisonError::into_inner) = sender;
        self.generation.fetch_add(1, Ordering::Release);
    }

    /// Opens the connection and starts the task that owns it on the current runtime.
    ///
    /// # Errors
    /// If the first connection cannot be opened; later losses are counted instead.
    pub async fn open(
        dialer: Dialer,
        recorder: Arc<Recorder>,
        end: watch::Receiver<bool>,
    ) -> Result<Arc<PersistentConnection>, DialError> {
        let opened = dialer.open(OWN_STREAM_WINDOW).await?;
        let persistent = Arc::new(PersistentConnection::default());
        tokio::spawn(Arc::clone(&persistent).keep(opened, dialer, recorder, end));
        Ok(persistent)
    }

    async fn keep(
        self: Arc<Self>,
        opened: Opened,
        dialer: Dialer,
        recorder: Arc<Recorder>,
        mut end: watch::Receiver<bool>,
    ) {
        let mut next = Ok(opened);
        loop {
            match next {
                Ok((sender, connection)) => {
                    self.set(Some(sender));
                    let finished = tokio::select! {
                        finished = connection => finished,
                        _ = end.wait_for(|over| *over) => return,
                    };
                    self.set(None);
                    let kind = finished.as_ref().err().map_or(ErrorKind::Closed, ErrorKind::from);
                    recorder.connection_lost(kind);
                }
                Err(_) => recorder.connection_lost(ErrorKind::Connect),
            }
            tokio::select! {
                () = tokio::time::sleep(RECONNECT_PAUSE) => {}
                _ = end.wait_for(|over| *over) => return,
            }
            next = dialer.open(OWN_STREAM_WINDOW).await;
        }
    }
}
