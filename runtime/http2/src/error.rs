//! Why a server could not be started.
//!
//! Errors of single connections and requests never come here: clients get a status or a reset,
//! operators an [`Event`](crate::Event).

use std::error::Error;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Failure of [`bind`](crate::bind).
#[derive(Debug)]
#[non_exhaustive]
pub enum ServerError {
    /// Another socket listens on the address.
    PortInUse {
        /// The address asked for.
        address: SocketAddr,
    },
    /// The process may not listen there: usually a port below 1024.
    PermissionDenied {
        /// The address asked for.
        address: SocketAddr,
    },
    /// The address belongs to no interface of this machine.
    AddressNotAvailable {
        /// The address asked for.
        address: SocketAddr,
    },
    /// Any other failure to listen.
    Listen {
        /// The address asked for.
        address: SocketAddr,
        /// The system's error.
        error: io::Error,
    },
    /// A certificate or key file is unusable.
    CertificateFile {
        /// The file.
        path: PathBuf,
        /// What was found in it and what was expected, with the line where there is one.
        problem: String,
        /// What to do.
        hint: &'static str,
    },
    /// Certificate and key are both readable and do not belong together.
    KeyMismatch {
        /// The certificate file.
        certificate: PathBuf,
        /// The key file.
        key: PathBuf,
    },
    /// The cryptography library refused to make a certificate or a configuration.
    Tls {
        /// Its words.
        reason: String,
    },
}

impl fmt::Display for ServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PortInUse { address } => write!(
                f,
                "cannot listen on {address}: port {} is in use; stop the program that holds it, \
                 choose another port, or use port 0 for any free one",
                address.port()
            ),
            Self::PermissionDenied { address } => write!(
                f,
                "cannot listen on {address}: permission denied; ports below 1024 need privileges, \
                 use a higher one such as 8443"
            ),
            Self::AddressNotAvailable { address } => write!(
                f,
                "cannot listen on {address}: no interface of this machine has the address {}; use \
                 127.0.0.1 for this machine only or 0.0.0.0 for every interface",
                address.ip()
            ),
            Self::Listen { address, error } => write!(f, "cannot listen on {address}: {error}"),
            Self::CertificateFile { path, problem, hint } => {
                write!(f, "cannot use {}: {problem}; {hint}", path.display())
            }
            Self::KeyMismatch { certificate, key } => write!(
                f,
                "the key in {} does not belong to the first certificate in {}; give the key the \
                 certificate was made with, and put the server's own certificate before its chain",
                key.display(),
                certificate.display()
            ),
            Self::Tls { reason } => write!(f, "cannot set up TLS: {reason}"),
        }
    }
}

impl Error for ServerError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Listen { error, .. } => Some(error),
            _ => None,
        }
    }
}

impl ServerError {
    pub(crate) fn listen(address: SocketAddr, error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::AddrInUse => Self::PortInUse { address },
            io::ErrorKind::PermissionDenied => Self::PermissionDenied { address },
            io::ErrorKind::AddrNotAvailable => Self::AddressNotAvailable { address },
            _ => Self::Listen { address, error },
        }
    }
}
