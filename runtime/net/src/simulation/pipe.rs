//! One direction of a simulated connection.
//!
//! 1. Segments arrive in the order they were sent. What has arrived is unread until it is read.
//! 2. `outstanding` bytes are on their way, unread, or read without the sender knowing it yet; they
//!    never exceed the window.
//! 3. Each end has at most one task waiting, as tokio's streams do.
//!
//! Knows times of arrival. Links, resets and wakers of the other end are the world's.

use std::collections::VecDeque;
use std::task::Waker;

use bytes::{Buf, Bytes};
use tokio::io::ReadBuf;
use tokio::time::Instant;

/// What was sent in one piece; `None` is the end of the direction.
type Segment = Option<Bytes>;

#[derive(Debug, Default)]
pub(super) struct Pipe {
    in_flight: VecDeque<(Instant, Segment)>,
    unread: VecDeque<Bytes>,
    /// Bytes that were read, with the time at which the sender knows it.
    credits: VecDeque<(Instant, usize)>,
    outstanding: usize,
    /// The sender has ended the direction.
    pub(super) is_ended: bool,
    has_end_arrived: bool,
    pub(super) reader: Option<Waker>,
    pub(super) writer: Option<Waker>,
}

impl Pipe {
    /// Sends `bytes`, which fit into the window.
    pub(super) fn send(&mut self, bytes: Bytes, arrival: Instant) {
        self.outstanding += bytes.len();
        self.push(Some(bytes), arrival);
    }

    /// Ends the direction behind what was sent.
    pub(super) fn end(&mut self, arrival: Instant) {
        self.is_ended = true;
        self.push(None, arrival);
    }

    fn push(&mut self, segment: Segment, arrival: Instant) {
        let latest = self.in_flight.back().map_or(arrival, |(latest, _)| (*latest).max(arrival));
        self.in_flight.push_back((latest, segment));
    }

    /// Takes in what has arrived.
    pub(super) fn arrive(&mut self, has_arrived: impl Fn(Instant) -> bool) {
        while let Some((_, segment)) = self.in_flight.pop_front_if(|(at, _)| has_arrived(*at)) {
            match segment {
                Some(bytes) => self.unread.push_back(bytes),
                None => self.has_end_arrived = true,
            }
        }
    }

    /// When something arrives next, if anything is on its way.
    pub(super) fn next_arrival(&self) -> Option<Instant> {
        self.in_flight.front().map(|(at, _)| *at)
    }

    /// Reads what is unread into `buf`; returns the number of bytes, or `None` when there are none
    /// and the end has not arrived. Without room in `buf` it returns at once, as sockets do.
    pub(super) fn read(&mut self, buf: &mut ReadBuf<'_>) -> Option<usize> {
        let mut read = 0;
        while let Some(front) = self.unread.front_mut().filter(|_| buf.remaining() > 0) {
            let bytes = front.len().min(buf.remaining());
            buf.put_slice(&front[..bytes]);
            front.advance(bytes);
            read += bytes;
            if front.is_empty() {
                self.unread.pop_front();
            }
        }
        (read > 0 || self.has_end_arrived || buf.remaining() == 0).then_some(read)
    }

    /// Notes that the sender knows from `at` on that `bytes` were read.
    pub(super) fn credit(&mut self, bytes: usize, at: Instant) {
        self.credits.push_back((at, bytes));
    }

    /// Bytes that may be sent now.
    pub(super) fn room(
        &mut self,
        window_bytes: usize,
        has_arrived: impl Fn(Instant) -> bool,
    ) -> usize {
        while let Some((_, bytes)) = self.credits.pop_front_if(|(at, _)| has_arrived(*at)) {
            self.outstanding -= bytes;
        }
        window_bytes - self.outstanding
    }

    /// When the sender hears of the next bytes that were read.
    pub(super) fn next_credit(&self) -> Option<Instant> {
        self.credits.front().map(|(at, _)| *at)
    }

    /// Whether bytes were sent that nobody has read.
    pub(super) fn has_unread(&self) -> bool {
        let is_data = |(_, segment): &(Instant, Segment)| segment.is_some();
        !self.unread.is_empty() || self.in_flight.iter().any(is_data)
    }
}
