//! Opening HTTP/2 connections, and proving beforehand that the target speaks HTTP/2.
//!
//! 1. `probe` writes the client preface and an empty SETTINGS frame by hand and looks at the first
//!    frame header that comes back (RFC 9113 section 3.4): a server's first frame must be SETTINGS.
//! 2. `open` leaves protocol matters to h2, with windows far larger than any load needs, unless the
//!    caller wants a small stream window on purpose. A connection is open when the server's SETTINGS
//!    have come: before that nobody knows how many streams it allows.
//! 3. All addresses of a name are tried in order, and a silent one is left after a short while
//!    (RFC 8305); the one that answered is tried first from then on.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use h2::client::{Connection, SendRequest};
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;

use super::failure::DialError;
use super::target::Target;
use super::tls::{Trust, client_config};
use super::wire::Wire;
use crate::error::LoadError;
use crate::limits::{ADDRESS_PATIENCE, CONNECT_TIMEOUT, DATA_FRAME_BUDGET, OWN_CONNECTION_WINDOW};

/// Preface and an empty SETTINGS frame.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
const FRAME_HEADER_BYTES: usize = 9;
const SETTINGS_TYPE: u8 = 4;
/// First byte of a TLS record that holds an alert (RFC 8446 section 5.1).
const TLS_ALERT: u8 = 21;

/// An open connection whose server has sent its SETTINGS.
pub struct Opened {
    /// Opens streams.
    pub sender: SendRequest<Bytes>,
    /// Must be polled, or nothing moves.
    pub connection: Connection<Wire, Bytes>,
    /// See [`Wire::blocked`].
    pub blocked: Arc<AtomicBool>,
}

/// Opens connections to one target.
#[derive(Clone)]
pub struct Dialer {
    target: Target,
    tls: Option<Arc<ClientConfig>>,
    verified: bool,
    timeout: Duration,
    /// Bytes that the system may hold for the peer, if not as many as it likes.
    send_buffer: Option<u32>,
    /// Index of the address that answered last.
    preferred: Arc<AtomicUsize>,
}

impl Dialer {
    /// A dialer; an `https` target needs trusted certificates.
    ///
    /// # Errors
    /// Usage error if `https` comes without trust, file errors of the authority.
    pub fn new(target: &Target, trust: Option<&Trust>) -> Result<Dialer, LoadError> {
        let tls = match (target.tls, trust) {
            (false, _) => None,
            (true, Some(trust)) => Some(client_config(trust)?),
            (true, None) => {
                return Err(LoadError::usage(
                    "an https target needs --ca FILE (the authority that signed its certificate) \
                     or --insecure (accept any certificate)",
                ));
            }
        };
        Ok(Dialer {
            target: target.clone(),
            tls,
            verified: trust != Some(&Trust::AnyCertificate),
            timeout: CONNECT_TIMEOUT,
            send_buffer: None,
            preferred: Arc::default(),
        })
    }

    /// The same dialer with another time limit for one connection.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Dialer {
        self.timeout = timeout;
        self
    }

    /// The same dialer, where the system holds about this many bytes of a connection that the peer
    /// does not take: what has been written has then left, but for those.
    #[must_use]
    pub fn with_send_buffer(mut self, bytes: u32) -> Dialer {
        self.send_buffer = Some(bytes);
        self
    }

    fn port(&self) -> u16 {
        self.target.addresses[0].port()
    }

    /// A TCP connection to the first address that answers.
    ///
    /// # Errors
    /// If none does, why the first did not.
    pub async fn tcp(&self) -> Result<TcpStream, DialError> {
        let addresses = &self.target.addresses;
        let first = self.preferred.load(Ordering::Relaxed);
        let mut failure = None;
        for attempt in 0..addresses.len() {
            let index = (first + attempt) % addresses.len();
            let last = attempt + 1 == addresses.len();
            let patience = if last { self.timeout } else { ADDRESS_PATIENCE };
            match tokio::time::timeout(patience, self.connect_to(addresses[index])).await {
                Ok(Ok(tcp)) => {
                    self.preferred.store(index, Ordering::Relaxed);
                    return Ok(tcp);
                }
                // The first failure is that of the address a user thinks of.
                Ok(Err(error)) => failure = failure.or(Some(error)),
                Err(_) => failure = failure.or(Some(DialError::silent(patience))),
            }
        }
        Err(failure.expect("a target has at least one address"))
    }

    async fn connect_to(&self, address: SocketAddr) -> Result<TcpStream, DialError> {
        let fail = |e: io::Error| DialError::tcp(&e, address);
        let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() };
        let socket = socket.map_err(fail)?;
        if let Some(bytes) = self.send_buffer {
            socket.set_send_buffer_size(bytes).map_err(fail)?;
        }
        let tcp = socket.connect(address).await.map_err(fail)?;
        // Without this, Nagle's algorithm adds up to 40 ms to small requests; a socket that refuses
        // the option still works.
        let _ = tcp.set_nodelay(true);
        Ok(tcp)
    }

    async fn wire(&self) -> Result<Wire, DialError> {
        let tcp = self.tcp().await?;
        let Some(config) = &self.tls else { return Ok(Wire::plain(tcp)) };
        let host = &self.target.host;
        let fail = |text: &str| DialError::tls(text, host, self.port(), self.verified);
        let name = ServerName::try_from(host.clone()).map_err(|e| fail(&e.to_string()))?;
        let tls = TlsConnector::from(Arc::clone(config))
            .connect(name, tcp)
            .await
            .map_err(|e| fail(&e.to_string()))?;
        match tls.get_ref().1.alpn_protocol() {
            Some(b"h2") => Ok(Wire::tls(tls)),
            _ => Err(DialError::not_http2("the TLS server did not select `h2` in ALPN")),
        }
    }

    async fn in_time<T>(
        &self,
        work: impl Future<Output = Result<T, DialError>>,
    ) -> Result<T, DialError> {
        tokio::time::timeout(self.timeout, work)
            .await
            .unwrap_or_else(|_| Err(DialError::silent(self.timeout)))
    }

    /// A connection without a word of HTTP/2.
    ///
    /// # Errors
    /// Why there is none.
    pub async fn connect(&self) -> Result<Wire, DialError> {
        self.in_time(self.wire()).await
    }

    /// Proves that the target answers in HTTP/2.
    ///
    /// # Errors
    /// Says whether there is no answer, or an answer in another protocol.
    pub async fn probe(&self) -> Result<(), DialError> {
        match self.in_time(self.first_frame()).await {
            Err(_) if self.tls.is_none() && self.expects_tls().await => {
                Err(DialError::expects_tls(&self.target.host, self.port()))
            }
            answer => answer,
        }
    }

    async fn first_frame(&self) -> Result<(), DialError> {
        let mut wire = self.wire().await?;
        let mut header = [0; FRAME_HEADER_BYTES];
        let answer = async {
            wire.write_all(PREFACE).await?;
            wire.flush().await?;
            wire.read_exact(&mut header).await
        };
        if let Err(e) = answer.await {
            return Err(DialError::not_http2(format!(
                "the server closed the connection on the HTTP/2 preface ({e})"
            )));
        }
        if header.starts_with(b"HTTP/") {
            return Err(DialError::not_http2("the server answered in HTTP/1"));
        }
        if header[0] == TLS_ALERT && self.tls.is_none() {
            return Err(DialError::expects_tls(&self.target.host, self.port()));
        }
        if header[3] != SETTINGS_TYPE {
            return Err(DialError::not_http2(format!(
                "the server's first bytes {header:02x?} are not a SETTINGS frame"
            )));
        }
        Ok(())
    }

    /// Whether a TLS handshake succeeds where plain text did not, or at least gets a TLS answer.
    async fn expects_tls(&self) -> bool {
        match tokio::time::timeout(ADDRESS_PATIENCE, self.handshake_anyway()).await {
            Ok(Ok(())) => true,
            Ok(Err(error)) => error.to_string().contains("received fatal alert"),
            Err(_) => false,
        }
    }

    /// A TLS handshake with a target that was said to speak plain text.
    async fn handshake_anyway(&self) -> io::Result<()> {
        let tcp = self.tcp().await.map_err(|error| io::Error::other(error.cause))?;
        let config = client_config(&Trust::AnyCertificate).map_err(io::Error::other)?;
        let name = ServerName::try_from(self.target.host.clone()).map_err(io::Error::other)?;
        TlsConnector::from(config).connect(name, tcp).await.map(drop)
    }

    /// Opens a connection whose streams have this receive window.
    ///
    /// # Errors
    /// As [`Dialer::probe`].
    pub async fn open(&self, stream_window: u32) -> Result<Opened, DialError> {
        self.in_time(async {
            let wire = self.wire().await?;
            let blocked = wire.blocked();
            let broken =
                |e: h2::Error| DialError::not_http2(format!("HTTP/2 handshake failed: {e}"));
            let (sender, mut connection) = h2::client::Builder::new()
                .initial_window_size(stream_window)
                .initial_connection_window_size(OWN_CONNECTION_WINDOW)
                .initial_max_send_streams(0)
                .data_frame_budget(DATA_FRAME_BUDGET)
                .enable_push(false)
                .handshake(wire)
                .await
                .map_err(broken)?;
            std::future::poll_fn(|cx| {
                match Pin::new(&mut connection).poll(cx) {
                    Poll::Ready(Err(e)) => return Poll::Ready(Err(broken(e))),
                    Poll::Ready(Ok(())) => {
                        return Poll::Ready(Err(DialError::not_http2(
                            "the server closed the connection before its SETTINGS",
                        )));
                    }
                    Poll::Pending => {}
                }
                // Zero until the server's SETTINGS have come, as the builder says above.
                if connection.max_concurrent_send_streams() > 0 {
                    Poll::Ready(Ok(()))
                } else {
                    Poll::Pending
                }
            })
            .await?;
            Ok(Opened { sender, connection, blocked })
        })
        .await
    }
}
