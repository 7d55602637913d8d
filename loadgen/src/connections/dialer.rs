//! Opening HTTP/2 connections, and proving beforehand that the target speaks HTTP/2.
//!
//! 1. `probe` writes the client preface and an empty SETTINGS frame by hand and looks at the first
//!    frame header that comes back (RFC 9113 §3.4): a server's first frame must be SETTINGS.
//! 2. `open` leaves protocol matters to h2, with windows far larger than any load needs, unless the
//!    caller wants a small stream window on purpose.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use h2::client::{Connection, SendRequest};
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::target::Target;
use super::tls::{Trust, client_config};
use crate::error::LoadError;
use crate::limits::{CONNECT_TIMEOUT, DATA_FRAME_BUDGET, OWN_CONNECTION_WINDOW};

/// A TCP or TLS stream.
pub trait ByteStream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> ByteStream for T {}

/// Why a connection could not be opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DialError {
    /// There is no answer, or TLS fails.
    Unreachable {
        /// What happened.
        cause: String,
        /// What to try.
        hint: String,
    },
    /// The answer is not HTTP/2.
    NotHttp2(String),
}

/// Preface and an empty SETTINGS frame.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
const FRAME_HEADER_BYTES: usize = 9;
const SETTINGS_TYPE: u8 = 4;

/// Opens connections to one target.
#[derive(Clone)]
pub struct Dialer {
    target: Target,
    tls: Option<Arc<ClientConfig>>,
    timeout: Duration,
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
        Ok(Dialer { target: target.clone(), tls, timeout: CONNECT_TIMEOUT })
    }

    /// The same dialer with another time limit for one connection.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Dialer {
        self.timeout = timeout;
        self
    }

    async fn wire(&self) -> Result<Box<dyn ByteStream>, DialError> {
        let tcp =
            TcpStream::connect(self.target.address).await.map_err(|e| DialError::Unreachable {
                cause: e.to_string(),
                hint: format!("is the server running and listening on {}?", self.target.address),
            })?;
        // Without this, Nagle's algorithm adds up to 40 ms to small requests; a socket that
        // refuses the option still works.
        let _ = tcp.set_nodelay(true);
        let Some(config) = &self.tls else { return Ok(Box::new(tcp)) };
        let name =
            ServerName::try_from(self.target.host.clone()).map_err(|e| DialError::Unreachable {
                cause: format!("`{}` is not a TLS server name: {e}", self.target.host),
                hint: "use a DNS name or an IP address".to_string(),
            })?;
        let tls = TlsConnector::from(Arc::clone(config)).connect(name, tcp).await.map_err(|e| {
            let text = e.to_string();
            if text.contains("NoApplicationProtocol") || text.contains("no application protocol") {
                return DialError::NotHttp2("the TLS server offers no `h2` in ALPN".to_string());
            }
            DialError::Unreachable {
                cause: format!("TLS handshake failed: {text}"),
                hint: "give --ca the authority of the server's certificate, or --insecure; for a \
                       plain-text server use http://"
                    .to_string(),
            }
        })?;
        match tls.get_ref().1.alpn_protocol() {
            Some(b"h2") => Ok(Box::new(tls)),
            _ => Err(DialError::NotHttp2("the TLS server did not select `h2` in ALPN".to_string())),
        }
    }

    async fn in_time<T>(
        &self,
        work: impl Future<Output = Result<T, DialError>>,
    ) -> Result<T, DialError> {
        tokio::time::timeout(self.timeout, work).await.unwrap_or_else(|_| {
            Err(DialError::Unreachable {
                cause: format!("no answer within {:?}", self.timeout),
                hint: "the port is open but silent: is the server overloaded or stopped, or does \
                       it expect TLS?"
                    .to_string(),
            })
        })
    }

    /// Proves that the target answers in HTTP/2.
    ///
    /// # Errors
    /// Says whether there is no answer, or an answer in another protocol.
    pub async fn probe(&self) -> Result<(), DialError> {
        self.in_time(async {
            let mut wire = self.wire().await?;
            let mut header = [0; FRAME_HEADER_BYTES];
            let answer = async {
                wire.write_all(PREFACE).await?;
                wire.flush().await?;
                wire.read_exact(&mut header).await
            };
            if let Err(e) = answer.await {
                return Err(DialError::NotHttp2(format!(
                    "the server closed the connection on the HTTP/2 preface ({e})"
                )));
            }
            if header.starts_with(b"HTTP/") {
                return Err(DialError::NotHttp2("the server answered in HTTP/1".to_string()));
            }
            if header[3] != SETTINGS_TYPE {
                return Err(DialError::NotHttp2(format!(
                    "the server's first bytes {header:02x?} are not a SETTINGS frame"
                )));
            }
            Ok(())
        })
        .await
    }

    /// Opens a connection whose streams have this receive window.
    ///
    /// # Errors
    /// As [`Dialer::probe`].
    pub async fn open(
        &self,
        stream_window: u32,
    ) -> Result<(SendRequest<Bytes>, Connection<Box<dyn ByteStream>, Bytes>), DialError> {
        self.in_time(async {
            let wire = self.wire().await?;
            h2::client::Builder::new()
                .initial_window_size(stream_window)
                .initial_connection_window_size(OWN_CONNECTION_WINDOW)
                .data_frame_budget(DATA_FRAME_BUDGET)
                .enable_push(false)
                .handshake(wire)
                .await
                .map_err(|e| DialError::NotHttp2(format!("HTTP/2 handshake failed: {e}")))
        })
        .await
    }
}
