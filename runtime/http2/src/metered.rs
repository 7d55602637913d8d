//! A byte stream that counts what passes and remembers whether the socket refused a write.
//!
//! `write_blocked` is the only way to learn that a client has closed its TCP window while its
//! HTTP/2 windows are open: the framing layer buffers silently.

use std::cell::Cell;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::counters::Counters;

/// What the owner of a [`Metered`] stream can see of it.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    /// The last write did not go through.
    pub(crate) write_blocked: Cell<bool>,
    /// Bytes written since the connection began.
    pub(crate) written: Cell<u64>,
}

/// `io` with a [`Meter`] and the server's byte counters attached.
pub(crate) struct Metered<IO> {
    io: IO,
    meter: Rc<Meter>,
    counters: Arc<Counters>,
}

impl<IO> Metered<IO> {
    pub(crate) fn new(io: IO, counters: &Arc<Counters>) -> (Self, Rc<Meter>) {
        let meter = Rc::new(Meter::default());
        (Self { io, meter: Rc::clone(&meter), counters: Arc::clone(counters) }, meter)
    }

    fn note_write(&self, result: &Poll<io::Result<usize>>) {
        self.meter.write_blocked.set(result.is_pending());
        if let Poll::Ready(Ok(n)) = result {
            self.meter.written.set(self.meter.written.get() + *n as u64);
            self.counters.bytes_out.add(*n as u64);
        }
    }
}

impl<IO: AsyncRead + Unpin> AsyncRead for Metered<IO> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let result = Pin::new(&mut self.io).poll_read(cx, buf);
        self.counters.bytes_in.add((buf.filled().len() - before) as u64);
        result
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for Metered<IO> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.io).poll_write(cx, buf);
        self.note_write(&result);
        result
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.io).poll_write_vectored(cx, bufs);
        self.note_write(&result);
        result
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // TLS takes bytes into its own buffer and shows a closed TCP window only here.
        let result = Pin::new(&mut self.io).poll_flush(cx);
        self.meter.write_blocked.set(result.is_pending());
        result
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
