//! The connection of one user: opened when it is needed, and again when it was lost.
//!
//! 1. A request that the server had not begun when it sent GOAWAY goes out on a new connection.
//! 2. After a failed attempt to connect the user waits before the next one: a dead server is not
//!    hammered.

use std::time::Duration;

use bytes::Bytes;
use h2::client::SendRequest;
use tokio::task::JoinHandle;

use super::dialer::Dialer;
use super::exchange::{Answer, Failure, exchange};
use crate::limits::{OWN_STREAM_WINDOW, RESENDS_MAX, backoff};
use crate::recording::clock::Clock;
use crate::recording::error_kind::ErrorKind;
use crate::recording::recorder::Recorder;
use crate::requests::template::Template;

/// A user's connection.
pub struct Session {
    dialer: Dialer,
    open: Option<(SendRequest<Bytes>, JoinHandle<()>)>,
    failed_dials: u32,
}

impl Drop for Session {
    fn drop(&mut self) {
        self.close();
    }
}

impl Session {
    /// No connection yet.
    pub fn new(dialer: Dialer) -> Session {
        Session { dialer, open: None, failed_dials: 0 }
    }

    fn close(&mut self) {
        if let Some((_, driver)) = self.open.take() {
            driver.abort();
        }
    }

    /// The time to wait before the next request; zero unless the last attempt to connect failed.
    pub fn pause(&self) -> Duration {
        if self.failed_dials == 0 { Duration::ZERO } else { backoff(self.failed_dials) }
    }

    async fn sender(&mut self, recorder: &Recorder) -> Result<&mut SendRequest<Bytes>, Failure> {
        if self.open.is_none() {
            let opened = self.dialer.open(OWN_STREAM_WINDOW).await.map_err(|error| {
                self.failed_dials += 1;
                recorder.connection_lost(error.kind);
                (error.kind, false)
            })?;
            self.failed_dials = 0;
            let driver = tokio::spawn(async move {
                // How a connection ended is told by its requests.
                let _ = opened.connection.await;
            });
            self.open = Some((opened.sender, driver));
        }
        Ok(&mut self.open.as_mut().expect("opened above").0)
    }

    /// Sends one request and reads its answer; opens a connection if there is none.
    ///
    /// # Errors
    /// The kind of whatever went wrong.
    pub async fn request(
        &mut self,
        template: &Template,
        path: usize,
        timeout: Duration,
        clock: Clock,
        recorder: &Recorder,
    ) -> Result<Answer, Failure> {
        let intended = clock.now_ns();
        let mut sent_again = 0;
        loop {
            let sender = self.sender(recorder).await?;
            let work = exchange(sender, template, path, intended, clock);
            let outcome = tokio::time::timeout(timeout, work)
                .await
                .unwrap_or(Err((ErrorKind::Timeout, false)));
            match outcome {
                Err((ErrorKind::GRACEFUL, _)) if sent_again < RESENDS_MAX => {
                    sent_again += 1;
                    self.close();
                    recorder.resent();
                    recorder.connection_replaced();
                }
                Err((kind, responded)) => {
                    if matches!(kind, ErrorKind::Disconnected | ErrorKind::GoAway(_)) {
                        self.close();
                        recorder.connection_lost(kind);
                    }
                    return Err((kind, responded));
                }
                Ok(answer) => return Ok(answer),
            }
        }
    }
}
