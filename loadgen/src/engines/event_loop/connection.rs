//! One connection of the loop and its table of streams.
//!
//! 1. A place of the table is free or holds one request. Its waker is made once.
//! 2. A request counts as sent when the bytes of its HEADERS have gone to the system: at once as a
//!    rule, later if the peer does not read.
//! 3. No stream is opened above the server's `SETTINGS_MAX_CONCURRENT_STREAMS`, above the user's
//!    `--streams`, or while the peer does not read.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use h2::client::{Connection, ResponseFuture, SendRequest};
use h2::{RecvStream, SendStream};

use super::requests::Requests;
use super::signals::{Signals, StreamSignals};
use crate::connections::dialer::Opened;
use crate::connections::exchange::UPLOAD_PART;
use crate::connections::wire::Wire;
use crate::recording::clock::Stamps;
use crate::recording::error_kind::ErrorKind;
use crate::requests::checks::BodyCheck;

/// A request on its way through the loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Job {
    /// When it should leave.
    pub due_ns: u64,
    /// Index of its path; of its step, in a journey; of the journey, before that has begun.
    pub path: u32,
    /// How often it went out before.
    pub resends: u8,
    /// Number of its journey, once that has begun.
    pub journey: Option<u32>,
}

/// A complete answer.
#[derive(Clone, Copy, Debug)]
pub struct Done {
    /// Its clocks.
    pub stamps: Stamps,
    /// Length of its body.
    pub body_bytes: u64,
    /// Its status.
    pub status: u16,
}

/// A request that has ended, with the error and whether a response head had come.
pub type Ended = (Job, Result<Done, (ErrorKind, bool)>);

/// Not known yet.
const UNKNOWN: u64 = u64::MAX;

#[derive(Debug)]
struct Upload {
    stream: SendStream<Bytes>,
    rest: Bytes,
}

#[derive(Debug, Default)]
enum Waiting {
    /// The place is free.
    #[default]
    Nothing,
    Head(ResponseFuture),
    Body(RecvStream),
}

#[derive(Debug)]
struct Place {
    job: Job,
    opened_ns: u64,
    sent_ns: u64,
    first_ns: u64,
    status: u16,
    waiting: Waiting,
    upload: Option<Upload>,
    check: BodyCheck,
}

/// Why a request was not sent.
#[derive(Debug)]
pub enum NotOpened {
    /// The connection takes none now.
    Busy,
    /// There is no such request.
    Impossible(ErrorKind),
}

/// What a connection said when it was polled.
#[derive(Debug)]
pub enum Polled {
    /// It goes on.
    Open,
    /// The server wants no more requests on it: none was lost by that.
    Leaving,
    /// It is over.
    Over(ErrorKind),
}

/// A connection and its streams.
pub struct Live {
    /// The link it belongs to.
    pub link: usize,
    /// Requests opened so far.
    pub opened: u64,
    /// Requests that have not ended.
    pub active: u32,
    sender: Option<SendRequest<Bytes>>,
    connection: Connection<Wire, Bytes>,
    blocked: Arc<AtomicBool>,
    signals: Arc<StreamSignals>,
    waker: Waker,
    places: Vec<Place>,
    wakers: Vec<Waker>,
    free: Vec<u32>,
    unwritten: Vec<u32>,
}

impl Live {
    /// A table of `streams` free places for an open connection with number `index`.
    pub fn new(
        opened: Opened,
        link: usize,
        index: usize,
        streams: u32,
        all: &Arc<Signals>,
    ) -> Live {
        let signals = StreamSignals::new(all, index, streams);
        let free_place = || Place {
            job: Job { due_ns: 0, path: 0, resends: 0, journey: None },
            opened_ns: 0,
            sent_ns: UNKNOWN,
            first_ns: UNKNOWN,
            status: 0,
            waiting: Waiting::Nothing,
            upload: None,
            check: BodyCheck::default(),
        };
        // The loop must poll it once: until now somebody else's task did.
        signals.set_connection();
        Live {
            link,
            opened: 0,
            active: 0,
            sender: Some(opened.sender),
            connection: opened.connection,
            blocked: opened.blocked,
            waker: signals.connection_waker(),
            places: (0..streams).map(|_| free_place()).collect(),
            wakers: (0..streams).map(|place| signals.stream_waker(place)).collect(),
            free: (0..streams).rev().collect(),
            unwritten: Vec::with_capacity(streams as usize),
            signals,
        }
    }

    /// Takes no more requests. The connection ends when those that it has are done.
    pub fn leave(&mut self) {
        self.sender = None;
    }

    /// Whether it takes requests.
    pub fn is_current(&self) -> bool {
        self.sender.is_some()
    }

    /// Whether another request may leave now.
    pub fn can_open(&self) -> bool {
        let allowed = self.sender.as_ref().map_or(0, SendRequest::current_max_send_streams);
        !self.free.is_empty()
            && !self.blocked.load(Ordering::Relaxed)
            && (self.active as usize) < allowed
    }

    /// Reads, writes, and says how the connection is.
    pub fn poll(&mut self) -> Polled {
        let mut cx = Context::from_waker(&self.waker);
        match Pin::new(&mut self.connection).poll(&mut cx) {
            Poll::Ready(Ok(())) => return Polled::Over(ErrorKind::Closed),
            Poll::Ready(Err(error)) => return Polled::Over(ErrorKind::from(&error)),
            Poll::Pending => {}
        }
        match self.sender.as_mut().map(|sender| sender.poll_ready(&mut cx)) {
            Some(Poll::Ready(Err(error))) => match ErrorKind::from(&error) {
                ErrorKind::GRACEFUL => Polled::Leaving,
                // The connection itself will say the same when it has ended its streams.
                _ => Polled::Open,
            },
            _ => Polled::Open,
        }
    }

    /// Requests that have left by now get their time.
    pub fn stamp_written(&mut self, now_ns: u64) {
        if self.unwritten.is_empty() || self.blocked.load(Ordering::Relaxed) {
            return;
        }
        for place in self.unwritten.drain(..) {
            self.places[place as usize].sent_ns = now_ns;
        }
    }

    /// Opens a stream for a request.
    ///
    /// # Errors
    /// Why it is unsent.
    pub fn open(
        &mut self,
        job: Job,
        requests: &mut Requests,
        now_ns: u64,
    ) -> Result<(), NotOpened> {
        let sender = self.sender.as_mut().ok_or(NotOpened::Busy)?;
        let number = *self.free.last().ok_or(NotOpened::Busy)?;
        // Built here, where it is used: a request is hundreds of bytes, and moving it shows.
        let (request, body) = requests.build(&job).map_err(NotOpened::Impossible)?;
        let sent = sender.send_request(request, body.is_empty());
        let (head, stream) = sent.map_err(|_| NotOpened::Busy)?;
        self.free.pop();
        let place = &mut self.places[number as usize];
        place.job = job;
        place.opened_ns = now_ns;
        place.sent_ns = UNKNOWN;
        place.first_ns = UNKNOWN;
        place.check.reset();
        place.waiting = Waiting::Head(head);
        if !body.is_empty() {
            place.upload = Some(Upload { stream, rest: body });
        }
        self.unwritten.push(number);
        self.opened += 1;
        self.active += 1;
        // Registers the wakers.
        let early = self.follow(number, requests, now_ns);
        debug_assert!(early.is_none(), "nothing comes before the connection is polled");
        Ok(())
    }

    /// Takes the streams that have something to do.
    pub fn take_ready(&self, into: &mut Vec<u32>) {
        self.signals.take(into);
    }

    /// Moves one stream on. Returns its request when that has ended.
    pub fn follow(&mut self, number: u32, requests: &mut Requests, now_ns: u64) -> Option<Ended> {
        let place = &mut self.places[number as usize];
        let mut cx = Context::from_waker(&self.wakers[number as usize]);
        if let Some(upload) = &mut place.upload
            && upload.poll(&mut cx)
        {
            place.upload = None;
        }
        if let Waiting::Head(head) = &mut place.waiting {
            match Pin::new(head).poll(&mut cx) {
                Poll::Pending => return None,
                Poll::Ready(Err(error)) => {
                    return Some(self.end(number, Err((ErrorKind::from(&error), false))));
                }
                Poll::Ready(Ok(response)) => {
                    place.first_ns = now_ns;
                    place.status = response.status().as_u16();
                    place.waiting = Waiting::Body(response.into_body());
                }
            }
        }
        let Waiting::Body(body) = &mut place.waiting else { return None };
        loop {
            if body.is_end_stream() {
                break;
            }
            match body.poll_data(&mut cx) {
                Poll::Pending => return None,
                Poll::Ready(None) => break,
                Poll::Ready(Some(Ok(chunk))) => {
                    place.check.feed(requests.checks(&place.job), &chunk);
                    // Fails only when the stream is closed and no window is left to return.
                    let _ = body.flow_control().release_capacity(chunk.len());
                }
                Poll::Ready(Some(Err(error))) => {
                    return Some(self.end(number, Err((ErrorKind::from(&error), true))));
                }
            }
        }
        let verdict = match place.check.verdict(requests.checks(&place.job), place.status) {
            Some(kind) => Err(kind),
            None => requests.accept(&place.job, place.check.kept()),
        };
        let outcome = match verdict {
            Err(kind) => Err((kind, true)),
            Ok(()) => Ok(Done {
                stamps: Stamps {
                    intended: place.job.due_ns,
                    sent: place.sent_ns.min(place.first_ns),
                    first: place.first_ns,
                    last: now_ns,
                },
                body_bytes: place.check.bytes(),
                status: place.status,
            }),
        };
        Some(self.end(number, outcome))
    }

    fn end(&mut self, number: u32, outcome: Result<Done, (ErrorKind, bool)>) -> Ended {
        let place = &mut self.places[number as usize];
        // Dropping an unfinished stream resets it.
        place.waiting = Waiting::Nothing;
        place.upload = None;
        let job = place.job;
        if place.sent_ns == UNKNOWN {
            self.unwritten.retain(|other| *other != number);
        }
        self.free.push(number);
        self.active -= 1;
        (job, outcome)
    }

    /// Ends a request whose time is over, and returns it; `oldest_ns` is the latest begin of such.
    pub fn expire(&mut self, oldest_ns: u64) -> Option<Ended> {
        let number = self.find(|place| place.opened_ns <= oldest_ns)?;
        Some(self.end(number, Err((ErrorKind::Timeout, false))))
    }

    /// After the end of the connection: the next request that it still had.
    pub fn abandon(&mut self, requests: &mut Requests, now_ns: u64) -> Option<Ended> {
        let number = self.find(|_| true)?;
        let ended = self.follow(number, requests, now_ns);
        Some(ended.unwrap_or_else(|| self.end(number, Err((ErrorKind::Disconnected, false)))))
    }

    fn find(&self, is_meant: impl Fn(&Place) -> bool) -> Option<u32> {
        if self.active == 0 {
            return None;
        }
        let busy = |place: &&Place| !matches!(place.waiting, Waiting::Nothing);
        let found = |place: &Place| busy(&place) && is_meant(place);
        self.places.iter().position(found).map(|number| number as u32)
    }
}

impl Upload {
    /// Sends what the windows allow; true when there is nothing left to do.
    fn poll(&mut self, cx: &mut Context<'_>) -> bool {
        loop {
            if self.rest.is_empty() {
                return true;
            }
            self.stream.reserve_capacity(self.rest.len().min(UPLOAD_PART));
            match self.stream.poll_capacity(cx) {
                Poll::Pending => return false,
                Poll::Ready(Some(Ok(granted))) => {
                    let part = self.rest.split_to(granted.min(self.rest.len()));
                    if self.stream.send_data(part, self.rest.is_empty()).is_err() {
                        return true;
                    }
                }
                // The stream has ended; the response says how.
                Poll::Ready(_) => return true,
            }
        }
    }
}
