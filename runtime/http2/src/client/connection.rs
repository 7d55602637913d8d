//! Opening a connection and driving its frames.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use h2::client;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, sleep_until};
use tokio_rustls::TlsConnector;
use valk_net::{Network, Stream};

use super::error::ClientError;
use super::limits::ClientLimits;
use super::pool::{Connection, Origin, Server};
use super::trust::Configurations;
use crate::tls::ALPN_H2;

/// Streams of a connection until the server has said how many it allows. One request is sent
/// without waiting for that; further ones might be refused.
const INITIAL_STREAMS: usize = 1;

type Frames = client::Connection<Box<dyn Io>, Bytes>;

/// What opening a connection takes.
pub(super) struct Opener {
    pub network: Arc<dyn Network>,
    pub configurations: RefCell<Configurations>,
    pub limits: ClientLimits,
}

impl Opener {
    /// Opens a connection to `server` and drives it to its end.
    pub async fn open_and_drive(self: Rc<Self>, server: Rc<Server>) {
        let opened = tokio::select! {
            biased;
            opened = self.open(&server.origin) => opened,
            () = until_unwanted(&server) => Err(ClientError::Closed),
        };
        match opened {
            Ok((connection, frames)) => {
                server.opened(&connection);
                drive(&server, &connection, frames, &self.limits).await;
                server.retire(&connection);
            }
            Err(error) => server.not_opened(&error),
        }
    }

    async fn open(&self, origin: &Origin) -> Result<(Rc<Connection>, Frames), ClientError> {
        let stream = self.network.connect(&origin.host, origin.port).await?;
        // Without it a small request may wait for the server's delayed acknowledgement. A socket
        // that refuses the option is broken and will say so at its first use.
        let _ = stream.set_nodelay(true);
        let received = Rc::default();
        let counted = Counted { stream, received: Rc::clone(&received) };
        let io =
            if origin.is_tls { self.secure(origin, counted).await? } else { Box::new(counted) };
        let greeted = builder(&self.limits).handshake(io).await;
        let (sender, frames) = greeted.map_err(|error| no_http2(origin, error.to_string()))?;
        Ok((Connection::new(sender, received), frames))
    }

    async fn secure(&self, origin: &Origin, io: Counted) -> Result<Box<dyn Io>, ClientError> {
        let tls = |reason: String| ClientError::Tls { server: origin.to_string(), reason };
        let bare = origin.host.trim_start_matches('[').trim_end_matches(']');
        let host = ServerName::try_from(bare.to_owned());
        let host = host.map_err(|_| tls(format!("{bare:?} is not a name of a server")))?;
        let config = self.configurations.borrow_mut().get(&origin.trust, &host)?;
        let secured = TlsConnector::from(config).connect(host, io).await;
        let secured = secured.map_err(|error| tls(handshake_problem(&error)))?;
        if secured.get_ref().1.alpn_protocol() != Some(ALPN_H2) {
            return Err(no_http2(origin, "it did not choose h2 in the handshake".to_owned()));
        }
        Ok(Box::new(secured))
    }
}

async fn until_unwanted(server: &Server) {
    while server.is_wanted() {
        server.unwanted.notified().await;
    }
}

fn builder(limits: &ClientLimits) -> client::Builder {
    let mut builder = client::Builder::new();
    builder
        .enable_push(false)
        .initial_max_send_streams(INITIAL_STREAMS)
        .initial_window_size(limits.stream_window)
        .initial_connection_window_size(limits.connection_window)
        .max_header_list_size(limits.header_list_bytes)
        .data_frame_budget(limits.data_frame_budget)
        .max_send_buffer_size(limits.send_buffer_bytes);
    builder
}

fn no_http2(origin: &Origin, reason: String) -> ClientError {
    ClientError::NoHttp2 { server: origin.to_string(), reason }
}

/// What went wrong in a handshake, and what to do about it.
fn handshake_problem(error: &io::Error) -> String {
    use rustls::{AlertDescription, Error as TlsError};
    let cause = error.get_ref().and_then(|cause| cause.downcast_ref::<TlsError>());
    match cause {
        Some(TlsError::InvalidCertificate(problem)) => format!(
            "the certificate is not good enough: {problem}; name its authority with :ca or \
             VALK_CA_FILE, or give up verification with :verify 0"
        ),
        Some(TlsError::AlertReceived(
            AlertDescription::NoApplicationProtocol | AlertDescription::AccessDenied,
        )) => format!("{error}; the server may not speak HTTP/2"),
        Some(TlsError::InvalidMessage(_)) => {
            format!("{error}; if the server speaks clear text, use :tls 0")
        }
        _ if matches!(
            error.kind(),
            io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset
        ) =>
        {
            "the server closed the connection; if it speaks clear text, use :tls 0".to_owned()
        }
        _ => error.to_string(),
    }
}

/// Drives the frames of a connection until it ends or has been idle for long enough.
async fn drive(
    server: &Rc<Server>,
    connection: &Rc<Connection>,
    frames: Frames,
    limits: &ClientLimits,
) {
    let idle_timeout = limits.connection_idle_timeout;
    let mut frames = frames;
    let mut streams = frames.max_concurrent_send_streams();
    let mut timer = pin!(sleep_until(Instant::now() + idle_timeout));
    loop {
        let is_over = poll_fn(|cx| {
            if Pin::new(&mut frames).poll(cx).is_ready() {
                return Poll::Ready(true);
            }
            // The server's settings may have come: more requests fit.
            let allowed = frames.max_concurrent_send_streams();
            if std::mem::replace(&mut streams, allowed) != allowed {
                server.dispatch();
            }
            timer.as_mut().poll(cx).map(|()| false)
        });
        if is_over.await {
            return;
        }
        let now = Instant::now();
        let next = connection.idle_since().map_or(now, |since| since) + idle_timeout;
        if next > now {
            timer.as_mut().reset(next);
        } else if connection.is_retired() {
            // Goodbye was said one period ago, and the peer does not take it.
            return;
        } else {
            server.retire(connection);
            timer.as_mut().reset(now + limits.close_timeout);
        }
    }
}

/// A transport for frames.
trait Io: AsyncRead + AsyncWrite + Unpin {}

impl<T: AsyncRead + AsyncWrite + Unpin> Io for T {}

/// A stream whose received bytes are counted.
struct Counted {
    stream: Box<dyn Stream>,
    received: Rc<Cell<u64>>,
}

impl AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let result = Pin::new(&mut self.stream).poll_read(cx, buf);
        let bytes = (buf.filled().len() - before) as u64;
        self.received.set(self.received.get() + bytes);
        result
    }
}

impl AsyncWrite for Counted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
