//! Slow readers: they keep their stream windows shut and read at a given moment.
//!
//! 1. Each connection announces a tiny `SETTINGS_INITIAL_WINDOW_SIZE` and a large connection window,
//!    so that only the stream windows hold the server back.
//! 2. While holding, bytes that fit the window are taken in but never given back: no
//!    `WINDOW_UPDATE` leaves. A stream counts as *held* if its body is unfinished at the release.
//! 3. The release is one SETTINGS frame that enlarges all windows of the connection (RFC 9113
//!    §6.9.2); then every body must complete within the request timeout.
//!
//! The latency of this group runs from the release (or from the request, if the body fitted into
//! the window) to the last byte.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use h2::client::{Connection, ResponseFuture, SendRequest};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::event_loop::Stop;
use crate::connections::dialer::Dialer;
use crate::connections::exchange::Failure;
use crate::connections::wire::Wire;
use crate::limits::{INTERRUPT_DRAIN, OWN_STREAM_WINDOW};
use crate::recording::clock::{Clock, Stamps};
use crate::recording::error_kind::ErrorKind;
use crate::recording::recorder::Recorder;
use crate::requests::template::Template;

/// What the slow readers do.
#[derive(Clone, Debug)]
pub struct SlowSpec {
    /// Name of the group.
    pub group: &'static str,
    /// Connections.
    pub connections: u32,
    /// Streams on each.
    pub streams: u32,
    /// Stream window while holding, in bytes.
    pub window: u32,
    /// What to ask for: the first of its paths.
    pub template: Arc<Template>,
    /// When to connect and ask, nanoseconds since the origin.
    pub start_ns: u64,
    /// When to open the windows.
    pub release_ns: u64,
    /// Longest time from the release to the last byte.
    pub timeout: Duration,
}

/// Pause before the release is tried again while an earlier SETTINGS frame is unacknowledged.
const RELEASE_RETRY: Duration = Duration::from_millis(5);

/// Runs all slow readers to their end; `stop` releases early, and leaves little time to read.
pub async fn run(
    spec: SlowSpec,
    dialer: Dialer,
    recorder: Arc<Recorder>,
    clock: Clock,
    mut stop: watch::Receiver<Stop>,
) {
    clock.started().await;
    tokio::select! {
        () = tokio::time::sleep_until(clock.instant(spec.start_ns).into()) => {}
        () = Stop::asked(&mut stop) => return,
    }
    let (release, released) = watch::channel(None);
    let mut connections = JoinSet::new();
    for _ in 0..spec.connections {
        connections.spawn(
            SlowConnection {
                spec: spec.clone(),
                recorder: Arc::clone(&recorder),
                clock,
                released: released.clone(),
            }
            .run(dialer.clone()),
        );
    }
    let all_done = async { while connections.join_next().await.is_some() {} };
    let mut all_done = std::pin::pin!(all_done);
    tokio::select! {
        () = &mut all_done => return,
        () = tokio::time::sleep_until(clock.instant(spec.release_ns).into()) => {}
        () = Stop::asked(&mut stop) => {}
    }
    // Every receiver may be gone already if the server closed all connections.
    let _ = release.send(Some(clock.now_ns()));
    let given_up = async {
        Stop::asked(&mut stop).await;
        recorder.cut(clock.now_ns());
        tokio::select! {
            () = tokio::time::sleep(INTERRUPT_DRAIN) => {}
            _ = stop.wait_for(|stop| *stop == Stop::Abort) => {}
        }
    };
    tokio::select! {
        () = &mut all_done => {}
        () = given_up => {}
    }
}

#[derive(Clone)]
struct SlowConnection {
    spec: SlowSpec,
    recorder: Arc<Recorder>,
    clock: Clock,
    released: watch::Receiver<Option<u64>>,
}

impl SlowConnection {
    async fn run(self, dialer: Dialer) {
        let opened = match dialer.open(self.spec.window).await {
            Ok(opened) => opened,
            Err(error) => {
                self.recorder.connection_lost(error.kind);
                for _ in 0..self.spec.streams {
                    let now_ns = self.clock.now_ns();
                    self.recorder.offered(now_ns);
                    self.recorder.failed(now_ns, now_ns, error.kind, false);
                }
                return;
            }
        };
        let driver = tokio::spawn(self.clone().drive(opened.connection));
        self.read_all(opened.sender).await;
        driver.abort();
    }

    /// Keeps the connection going and opens its windows at the release.
    async fn drive(mut self, mut connection: Connection<Wire, Bytes>) {
        let finished = tokio::select! {
            finished = &mut connection => Some(finished),
            _ = self.released.wait_for(Option::is_some) => None,
        };
        let mut finished = finished;
        while finished.is_none() && connection.set_initial_window_size(OWN_STREAM_WINDOW).is_err() {
            finished = tokio::time::timeout(RELEASE_RETRY, &mut connection).await.ok();
        }
        let finished = match finished {
            Some(finished) => finished,
            None => connection.await,
        };
        if let Err(error) = finished {
            self.recorder.connection_lost(ErrorKind::from(&error));
        }
    }

    /// Opens the streams and waits for all of them.
    async fn read_all(mut self, mut sender: SendRequest<Bytes>) {
        let mut streams = JoinSet::new();
        // A held stream ends at the release, so the server's limit leaves no room for others: they
        // stay unsent.
        let allowed = sender.current_max_send_streams().min(self.spec.streams as usize);
        for number in 0..self.spec.streams as usize {
            let opened_ns = self.clock.now_ns();
            if number >= allowed {
                self.recorder.unsent(opened_ns, opened_ns);
                continue;
            }
            tokio::select! {
                // The release comes first: a stream opened behind it would not be a slow one.
                biased;
                _ = self.released.wait_for(Option::is_some) => {
                    self.recorder.unsent(opened_ns, opened_ns);
                    continue;
                }
                // Failure shows again in `send_request`.
                _ = poll_fn(|cx| sender.poll_ready(cx)) => {}
            }
            self.recorder.offered(opened_ns);
            match sender.send_request(self.spec.template.request(0), true) {
                Ok((response, _)) => {
                    streams.spawn(self.clone().read_one(response, opened_ns));
                }
                Err(error) => {
                    let kind = ErrorKind::from(&error);
                    self.recorder.failed(opened_ns, self.clock.now_ns(), kind, false);
                }
            }
        }
        while streams.join_next().await.is_some() {}
    }

    async fn read_one(mut self, response: ResponseFuture, opened_ns: u64) {
        let mut released = self.released.clone();
        let timeout = self.spec.timeout;
        let too_late = async {
            // An error means that the run is over, which is as good as the release.
            let _ = released.wait_for(Option::is_some).await;
            tokio::time::sleep(timeout).await;
        };
        let finished = tokio::select! {
            finished = self.hold_then_read(response, opened_ns) => finished,
            () = too_late => Err((ErrorKind::Timeout, false)),
        };
        match finished {
            Ok((stamps, bytes)) => {
                self.recorder.answered(opened_ns, stamps, bytes);
            }
            Err((kind, responded)) => {
                self.recorder.failed(opened_ns, self.clock.now_ns(), kind, responded);
            }
        }
    }

    async fn hold_then_read(
        &mut self,
        response: ResponseFuture,
        opened_ns: u64,
    ) -> Result<(Stamps, u64), Failure> {
        let response = response.await.map_err(|e| (ErrorKind::from(&e), false))?;
        let status = response.status().as_u16();
        if status >= 400 {
            return Err((ErrorKind::Status(status), true));
        }
        let mut body = response.into_body();
        let from =
            |start: u64, first: u64| Stamps { intended: start, sent: start, first, last: first };
        let mut stamps = from(opened_ns, self.clock.now_ns());
        let mut bytes = 0;
        // Owed to the server's window: taken in, not given back.
        let mut withheld = 0;
        let mut holding = true;
        // h2 keeps streams above the server's limit back until others end: such a stream may come
        // to life only after the release, and then it was not held.
        if let Some(release_ns) = *self.released.borrow() {
            stamps = from(release_ns, stamps.first);
            holding = false;
        }
        loop {
            let chunk = tokio::select! {
                biased;
                chunk = body.data() => chunk,
                _ = self.released.wait_for(Option::is_some), if holding => {
                    let release_ns = self.clock.now_ns();
                    stamps = from(release_ns, release_ns);
                    self.recorder.held(bytes);
                    holding = false;
                    let _ = body.flow_control().release_capacity(withheld);
                    continue;
                }
            };
            let Some(chunk) = chunk else { break };
            let chunk = chunk.map_err(|e| (ErrorKind::from(&e), true))?;
            bytes += chunk.len() as u64;
            if holding {
                withheld += chunk.len();
            } else {
                // Fails only when the stream is closed and no window is left to return.
                let _ = body.flow_control().release_capacity(chunk.len());
            }
        }
        stamps.last = self.clock.now_ns();
        Ok((stamps, bytes))
    }
}
