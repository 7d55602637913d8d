//! Sending a response that a program writes piece by piece.
//!
//! The handler's reply goes on meanwhile: it may be what writes. When the stream ends it is dropped,
//! which ends a handler whose client has left.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use h2::{Reason, SendStream};
use tokio::time::{Instant, Sleep, sleep_until};

use super::{Exchange, StallWatch};
use crate::account::Held;
use crate::counters::RequestOutcome;
use crate::encode::encode_head;
use crate::message::{Event, PendingReply, Response};
use crate::streaming::{Next, ResponseStream};
use crate::worker::Service;

/// The stream of a request, as its exchange holds it: it ends with the exchange at the latest.
pub(super) struct Opening(pub(super) ResponseStream);

impl Drop for Opening {
    fn drop(&mut self) {
        self.0.finish();
    }
}

/// Counts an open stream while it lives.
struct OpenCount(Rc<Service>);

impl OpenCount {
    fn new(service: &Rc<Service>) -> Self {
        service.counters.streams_open.add(1);
        Self(Rc::clone(service))
    }
}

impl Drop for OpenCount {
    fn drop(&mut self) {
        self.0.counters.streams_open.subtract(1);
    }
}

/// How a stream ends.
enum Ended {
    Whole,
    /// By the program or a time limit, with this code.
    Reset(Reason),
    Stalled,
    Gone,
}

impl Exchange {
    /// Sends `head` and then what is written to the stream.
    pub(super) async fn stream(mut self, head: Response, reply: Option<PendingReply>) {
        let Some(opening) = self.opening.take() else { return };
        let service = Rc::clone(&self.connection.service);
        let encoded = encode_head(head, &self.method, &service.limits, &service.date.now());
        let (head, has_body) = match encoded {
            Ok(encoded) => encoded,
            Err(reason) => {
                service.handler.event(&Event::InvalidResponse { reason });
                drop((reply, opening));
                return self.send_all(Response::text(500, "internal server error\n")).await;
            }
        };
        let status = head.status().as_u16();
        let Ok(send) = self.respond.send_response(head, !has_body) else {
            drop((reply, opening));
            return self.cancelled();
        };
        if !has_body {
            drop((reply, opening));
            return self.guard.close(RequestOutcome::Answered(status));
        }
        let process = self.connection.response_bytes.process();
        let mut sending = Streaming {
            watch: StallWatch::under_pressure(&service.limits, process),
            held: self.connection.response_bytes.open(),
            piece: Bytes::new(),
            timer: None,
            reply,
            send,
        };
        let open = OpenCount::new(&service);
        let ended = poll_fn(|cx| sending.poll(cx, &self, &opening.0)).await;
        drop(open);
        // The handler must be gone before its end is counted.
        drop(sending.reply.take());
        drop(opening);
        match ended {
            Ended::Whole => self.guard.close(RequestOutcome::Answered(status)),
            Ended::Reset(reason) => {
                sending.send.send_reset(reason);
                self.guard.close(RequestOutcome::Answered(status));
            }
            Ended::Stalled => {
                sending.send.send_reset(Reason::CANCEL);
                self.guard.close(RequestOutcome::Stalled);
            }
            Ended::Gone => self.cancelled(),
        }
    }
}

/// A stream on its way.
struct Streaming {
    send: SendStream<Bytes>,
    /// The rest of the piece that is being sent.
    piece: Bytes,
    held: Held,
    watch: StallWatch,
    timer: Option<Pin<Box<Sleep>>>,
    /// The handler, until it has ended.
    reply: Option<PendingReply>,
}

impl Streaming {
    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        exchange: &Exchange,
        stream: &ResponseStream,
    ) -> Poll<Ended> {
        self.poll_reply(cx, exchange);
        if self.send.poll_reset(cx).is_ready() {
            return Poll::Ready(Ended::Gone);
        }
        loop {
            match stream.poll_next(cx, self.piece.is_empty()) {
                Poll::Ready(Next::Piece(piece)) => self.piece = piece,
                Poll::Ready(Next::Reset) => return Poll::Ready(Ended::Reset(Reason::CANCEL)),
                Poll::Ready(Next::End) => {
                    let sent = self.send.send_data(Bytes::new(), true);
                    return Poll::Ready(if sent.is_ok() { Ended::Whole } else { Ended::Gone });
                }
                Poll::Pending if self.piece.is_empty() => {
                    self.held.set_for_process(0);
                    self.watch.rest();
                    break;
                }
                Poll::Pending => {}
            }
            self.held.set_for_process(self.piece.len() + stream.queued_bytes());
            match self.poll_piece(cx, exchange) {
                Poll::Ready(None) => {}
                Poll::Ready(Some(ended)) => return Poll::Ready(ended),
                Poll::Pending => break,
            }
        }
        self.poll_deadline(cx, stream).map(|()| Ended::Reset(Reason::NO_ERROR))
    }

    fn poll_reply(&mut self, cx: &mut Context<'_>, exchange: &Exchange) {
        let Some(reply) = &mut self.reply else { return };
        match catch_unwind(AssertUnwindSafe(|| reply.as_mut().poll(cx))) {
            Ok(Poll::Pending) => {}
            // Its response would be a second one.
            Ok(Poll::Ready(_)) => self.reply = None,
            Err(panic) => {
                exchange.panicked(panic.as_ref());
                self.reply = None;
            }
        }
    }

    /// Sends as much of the piece as the windows allow; ready when some of it was sent, or nothing
    /// ever will be.
    fn poll_piece(&mut self, cx: &mut Context<'_>, exchange: &Exchange) -> Poll<Option<Ended>> {
        // Reserved window is taken from the other streams: only what can be sent at once.
        let buffer_bytes = exchange.connection.service.limits.send_buffer_bytes;
        self.send.reserve_capacity(self.piece.len().min(buffer_bytes));
        let capacity = match self.send.capacity() {
            0 => match self.send.poll_capacity(cx) {
                Poll::Ready(Some(Ok(bytes))) => bytes,
                Poll::Ready(Some(Err(_)) | None) => return Poll::Ready(Some(Ended::Gone)),
                Poll::Pending => {
                    return self.watch.poll_stalled(cx).map(|()| Some(Ended::Stalled));
                }
            },
            bytes => bytes,
        };
        let part = self.piece.split_to(capacity.min(self.piece.len()));
        let bytes = part.len();
        self.watch.moved(bytes);
        exchange.connection.note_sent(bytes);
        let sent = self.send.send_data(part, false);
        Poll::Ready(sent.err().map(|_| Ended::Gone))
    }

    fn poll_deadline(&mut self, cx: &mut Context<'_>, stream: &ResponseStream) -> Poll<()> {
        let Some(deadline) = stream.deadline() else { return Poll::Pending };
        if deadline <= Instant::now() {
            return Poll::Ready(());
        }
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        if timer.deadline() != deadline {
            timer.as_mut().reset(deadline);
        }
        timer.as_mut().poll(cx)
    }
}
