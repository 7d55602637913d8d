//! One connection that is kept open: it is dialled again when it is lost.
//!
//! 1. The *keeper* task owns the connection; streams take a clone of its sender.
//! 2. While the connection is down, streams get nothing and fail their requests at once, so an
//!    outage shows as errors at the offered rate, never as a pause.
//! 3. Every loss is counted once by kind.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use h2::client::{Connection, SendRequest};
use tokio::sync::watch;

use super::dialer::{DialError, Dialer, Wire};
use crate::limits::{OWN_STREAM_WINDOW, RECONNECT_PAUSE};
use crate::recording::error_kind::ErrorKind;
use crate::recording::recorder::Recorder;

/// Handle to a kept connection.
#[derive(Debug, Default)]
pub struct Link {
    sender: Mutex<Option<SendRequest<Bytes>>>,
    /// Counts changes of `sender`, so that streams clone it only then.
    generation: AtomicU64,
}

/// A stream's private copy of the link's sender.
#[derive(Debug)]
pub struct LinkUser {
    link: Arc<Link>,
    seen: u64,
    sender: Option<SendRequest<Bytes>>,
}

impl LinkUser {
    /// A user that has looked at nothing yet.
    pub fn new(link: &Arc<Link>) -> LinkUser {
        LinkUser { link: Arc::clone(link), seen: u64::MAX, sender: None }
    }

    /// The current sender; nothing while the connection is down.
    pub fn sender(&mut self) -> Option<&mut SendRequest<Bytes>> {
        let generation = self.link.generation.load(Ordering::Acquire);
        if generation != self.seen {
            self.seen = generation;
            self.sender
                .clone_from(&self.link.sender.lock().unwrap_or_else(PoisonError::into_inner));
        }
        self.sender.as_mut()
    }
}

type Opened = (SendRequest<Bytes>, Connection<Box<dyn Wire>, Bytes>);

impl Link {
    fn set(&self, sender: Option<SendRequest<Bytes>>) {
        *self.sender.lock().unwrap_or_else(PoisonError::into_inner) = sender;
        self.generation.fetch_add(1, Ordering::Release);
    }

    /// Opens the connection and starts its keeper on the current runtime.
    ///
    /// # Errors
    /// If the first connection cannot be opened; later losses are counted instead.
    pub async fn open(
        dialer: Dialer,
        recorder: Arc<Recorder>,
        end: watch::Receiver<bool>,
    ) -> Result<Arc<Link>, DialError> {
        let opened = dialer.open(OWN_STREAM_WINDOW).await?;
        let link = Arc::new(Link::default());
        tokio::spawn(Arc::clone(&link).keep(opened, dialer, recorder, end));
        Ok(link)
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
