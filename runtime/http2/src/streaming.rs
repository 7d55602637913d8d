//! A response body that a program writes piece by piece: the queue between program and connection.
//!
//! 1. A stream is unopened, open, closing, closed, in this order, and skips what it has to. Opening
//!    gives it the response's head; closing ends it when the queue is empty; everything else that
//!    ends it (the client, a time limit, a cancellation) does so at once.
//! 2. Program and connection may be on different threads. Each has one waker here: the connection's
//!    for something to send, the program's for an event.
//! 3. The queue is bounded in pieces and bytes. A piece that comes when there is room fits whatever
//!    its size; one that comes when there is none is refused, and nothing changes.
//!
//! Knows bytes and time. Frames and windows are the exchange's.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::time::Instant;

use crate::encode::check_fields;
use crate::message::Response;

/// Pieces that may wait in the queue of one stream.
pub const STREAM_QUEUE_PIECES_MAX: usize = 1000;

/// Bytes that may wait in the queue of one stream.
pub const STREAM_QUEUE_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Small pieces are sent together up to this many bytes: some clients end a connection that brings
/// many small frames faster than they read them.
const JOINED_BYTES_MAX: usize = 16 * 1024;

/// The program's and the connection's view of one streamed response; clones are the same stream.
#[derive(Clone, Debug)]
pub struct ResponseStream(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    phase: Phase,
    /// Until the connection sends it.
    head: Option<Response>,
    queue: VecDeque<Bytes>,
    queued_bytes: usize,
    is_cancelled: bool,
    /// A piece was taken, and the queue is less than half full.
    has_drained: bool,
    idle_limit: Option<Duration>,
    session_limit: Option<Duration>,
    /// When it was opened, and last written to.
    times: Option<(Instant, Instant)>,
    connection: Option<Waker>,
    program: Option<Waker>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Phase {
    #[default]
    Unopened,
    Open,
    Closing,
    Closed,
}

/// Why a stream cannot be opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OpenError {
    /// The request has a stream already, was answered, or its client has left.
    TooLate,
    /// The head is not valid HTTP.
    Invalid(String),
}

/// Why a piece was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteError {
    /// The queue is full until the client has read.
    Full,
    /// The stream is not open.
    Closed,
}

/// What a program is told of its stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamEvent {
    /// A piece was taken from the queue, which is less than half full.
    Drained,
    /// The stream has ended. Nothing comes after it.
    Closed,
}

/// What the connection is to send next.
pub(crate) enum Next {
    Piece(Bytes),
    End,
    Reset,
}

impl ResponseStream {
    pub(crate) fn unopened() -> Self {
        Self(Arc::default())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn open(&self, head: Response) -> Result<(), OpenError> {
        if self.state().phase != Phase::Unopened {
            return Err(OpenError::TooLate);
        }
        if !(200..=599).contains(&head.status) {
            let reason = format!("status {}, expected 200 to 599", head.status);
            return Err(OpenError::Invalid(reason));
        }
        check_fields(&head.headers).map_err(OpenError::Invalid)?;
        let now = Instant::now();
        let waker = {
            let mut state = self.state();
            if state.phase != Phase::Unopened {
                return Err(OpenError::TooLate);
            }
            state.phase = Phase::Open;
            state.head = Some(head);
            state.times = Some((now, now));
            state.connection.take()
        };
        wake(waker);
        Ok(())
    }

    /// Queues a piece; gives its length.
    ///
    /// # Errors
    /// [`WriteError`]; nothing has changed then.
    pub fn write(&self, piece: Bytes) -> Result<usize, WriteError> {
        let bytes = piece.len();
        let waker = {
            let mut state = self.state();
            if state.phase != Phase::Open {
                return Err(WriteError::Closed);
            }
            if !state.has_room() {
                return Err(WriteError::Full);
            }
            if let Some((_, last)) = &mut state.times {
                *last = Instant::now();
            }
            if bytes > 0 {
                state.queue.push_back(piece);
                state.queued_bytes += bytes;
            }
            state.connection.take()
        };
        wake(waker);
        Ok(bytes)
    }

    /// Whether a piece would be taken now.
    pub fn is_writable(&self) -> bool {
        let state = self.state();
        state.phase == Phase::Open && state.has_room()
    }

    /// Bytes in the queue.
    pub fn queued_bytes(&self) -> usize {
        self.state().queued_bytes
    }

    /// Ends the stream when its queue is empty. Does nothing unless it is open.
    pub fn close(&self) {
        self.change(|state| {
            if state.phase == Phase::Open {
                state.phase = Phase::Closing;
            }
        });
    }

    /// Resets the stream with `CANCEL`, whatever its queue has.
    pub fn cancel(&self) {
        self.change(|state| state.is_cancelled = true);
    }

    /// Sets the time without a write after which the stream is reset; `None` for no limit.
    pub fn set_idle_limit(&self, limit: Option<Duration>) {
        self.change(|state| state.idle_limit = limit);
    }

    /// Sets the time from its opening after which the stream is reset; `None` for no limit.
    pub fn set_session_limit(&self, limit: Option<Duration>) {
        self.change(|state| state.session_limit = limit);
    }

    /// Whether it was opened, even if it has ended since.
    pub fn was_opened(&self) -> bool {
        self.state().times.is_some()
    }

    /// Whether it has ended, or can no longer be opened.
    pub fn is_closed(&self) -> bool {
        self.state().phase == Phase::Closed
    }

    /// The next event; for one waiter at a time.
    pub fn poll_event(&self, cx: &mut Context<'_>) -> Poll<StreamEvent> {
        let mut state = self.state();
        // What has drained is of no use to a stream that has ended.
        if state.phase == Phase::Closed {
            return Poll::Ready(StreamEvent::Closed);
        }
        if std::mem::take(&mut state.has_drained) {
            return Poll::Ready(StreamEvent::Drained);
        }
        state.program = Some(cx.waker().clone());
        Poll::Pending
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let waker = {
            let mut state = self.state();
            change(&mut state);
            state.connection.take()
        };
        wake(waker);
    }

    /// The head, once the stream is opened.
    pub(crate) fn poll_opened(&self, cx: &mut Context<'_>) -> Poll<Response> {
        let mut state = self.state();
        match state.head.take() {
            Some(head) => Poll::Ready(head),
            None => {
                state.connection = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }

    /// What to send next. `wants_piece` is false while the last piece is not sent.
    pub(crate) fn poll_next(&self, cx: &mut Context<'_>, wants_piece: bool) -> Poll<Next> {
        let (next, waker) = {
            let mut state = self.state();
            if state.is_cancelled {
                return Poll::Ready(Next::Reset);
            }
            if !wants_piece || state.queue.is_empty() {
                if wants_piece && state.phase == Phase::Closing {
                    return Poll::Ready(Next::End);
                }
                state.connection = Some(cx.waker().clone());
                return Poll::Pending;
            }
            let piece = state.take();
            let is_low = state.queue.len() < STREAM_QUEUE_PIECES_MAX / 2
                && state.queued_bytes < STREAM_QUEUE_BYTES_MAX / 2;
            let waker = if is_low {
                state.has_drained = true;
                state.program.take()
            } else {
                None
            };
            (Next::Piece(piece), waker)
        };
        wake(waker);
        Poll::Ready(next)
    }

    /// When a limit is reached, if nothing is written until then.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let state = self.state();
        let (opened, written) = state.times?;
        let ends = [
            state.session_limit.and_then(|limit| opened.checked_add(limit)),
            state.idle_limit.and_then(|limit| written.checked_add(limit)),
        ];
        ends.into_iter().flatten().min()
    }

    /// The stream has ended, or its request was answered otherwise.
    pub(crate) fn finish(&self) {
        let waker = {
            let mut state = self.state();
            state.phase = Phase::Closed;
            state.queue = VecDeque::new();
            state.queued_bytes = 0;
            state.program.take()
        };
        wake(waker);
    }
}

impl State {
    fn has_room(&self) -> bool {
        self.queue.len() < STREAM_QUEUE_PIECES_MAX && self.queued_bytes < STREAM_QUEUE_BYTES_MAX
    }

    /// The first piece, with the small ones behind it.
    fn take(&mut self) -> Bytes {
        let first = self.queue.pop_front().unwrap_or_default();
        let fits = |have: usize, next: Option<&Bytes>| {
            next.is_some_and(|next| have + next.len() <= JOINED_BYTES_MAX)
        };
        let mut piece = first;
        if fits(piece.len(), self.queue.front()) {
            let mut joined = BytesMut::from(&piece[..]);
            while fits(joined.len(), self.queue.front()) {
                joined.extend_from_slice(&self.queue.pop_front().unwrap_or_default());
            }
            piece = joined.freeze();
        }
        self.queued_bytes -= piece.len();
        piece
    }
}

/// Wakers are called without the lock: they may run code of others.
fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}
