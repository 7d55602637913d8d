//! Why a connection could not be opened, and what to do about it.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use crate::error::LoadError;
use crate::quantity::show_duration;
use crate::recording::error_kind::ErrorKind;

/// A failed attempt to open a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DialError {
    /// How reports count it.
    pub kind: ErrorKind,
    /// What happened.
    pub cause: String,
    /// What to try.
    pub hint: String,
}

impl DialError {
    /// The TCP connection failed.
    pub fn tcp(error: &io::Error, address: SocketAddr) -> DialError {
        let kind = ErrorKind::from(error);
        let hint = match kind {
            ErrorKind::NoDescriptors => {
                "this process may open no more files: raise `ulimit -n`, or use fewer --connections"
                    .to_string()
            }
            ErrorKind::NoPort => {
                "this machine has no free local port: use fewer connections, or wait for closed \
                 ones to be forgotten"
                    .to_string()
            }
            _ => format!("is the server running and listening on {address}?"),
        };
        DialError { kind, cause: error.to_string(), hint }
    }

    /// Nothing came within the time for a connection.
    pub fn silent(limit: Duration) -> DialError {
        DialError {
            kind: ErrorKind::ConnectTimeout,
            cause: format!("no answer within {}", show_duration(limit)),
            hint: "the port is open but silent: is the server overloaded or stopped, or does it \
                   expect TLS?"
                .to_string(),
        }
    }

    /// The answer is not HTTP/2.
    pub fn not_http2(cause: impl Into<String>) -> DialError {
        DialError {
            kind: ErrorKind::NotHttp2,
            cause: format!("the target does not speak HTTP/2: {}", cause.into()),
            hint:
                "http:// is HTTP/2 with prior knowledge, https:// is TLS with `h2` in ALPN; does \
                   the server offer it on this port?"
                    .to_string(),
        }
    }

    /// The target expects TLS where plain text was spoken.
    pub fn expects_tls(host: &str, port: u16) -> DialError {
        DialError {
            kind: ErrorKind::NotHttp2,
            cause: "the target speaks TLS on this port".to_string(),
            hint: format!("use https://{host}:{port}"),
        }
    }

    /// The TLS handshake failed with this text; `verified` unless every certificate is accepted.
    pub fn tls(text: &str, host: &str, port: u16, verified: bool) -> DialError {
        if text.contains("NoApplicationProtocol") || text.contains("no application protocol") {
            return DialError::not_http2("the TLS server offers no `h2` in ALPN");
        }
        let plain = text.contains("InvalidContentType") || text.contains("corrupt message");
        let (cause, hint) = if plain {
            (
                "the server does not speak TLS on this port".to_string(),
                format!("for HTTP/2 in plain text use http://{host}:{port}"),
            )
        } else if text.contains("CaUsedAsEndEntity") {
            (
                "the server shows a certificate of an authority (CA:TRUE) as its own, which \
                 verification refuses"
                    .to_string(),
                "make a certificate with CA:FALSE, signed by a separate authority for --ca, or use \
                 --insecure"
                    .to_string(),
            )
        } else if text.contains("UnknownIssuer") || text.contains("BadSignature") {
            (
                "the authority given by --ca did not sign the server's certificate".to_string(),
                "give --ca the authority that signed it, or use --insecure".to_string(),
            )
        } else if text.contains("NotValidForName") || text.contains("not valid for name") {
            (
                format!("the server's certificate is not for `{host}`"),
                "use a name of the certificate as the host of --target, or --insecure".to_string(),
            )
        } else if text.contains("Expired") || text.contains("expired") {
            (
                "the server's certificate has expired".to_string(),
                "renew it, or use --insecure".to_string(),
            )
        } else if verified {
            (
                format!("TLS handshake failed: {text}"),
                "is it the right --ca? --insecure accepts every certificate".to_string(),
            )
        } else {
            (
                format!("TLS handshake failed: {text}"),
                "no certificate was refused; does the server speak TLS 1.2 or 1.3?".to_string(),
            )
        };
        DialError { kind: ErrorKind::Tls, cause, hint }
    }

    /// The end of a command that could not begin its run.
    pub fn into_load_error(self, target: &str) -> LoadError {
        LoadError::Unreachable { target: target.to_string(), cause: self.cause, hint: self.hint }
    }
}
