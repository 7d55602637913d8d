//! TLS of the server: which certificate, which versions, and no connection without ALPN `h2`.
//!
//! The provider is named here and nowhere taken from the process, so that another crate's choice
//! cannot change the server's. A client that offers other protocols than `h2` gets the fatal alert
//! `no_application_protocol` (RFC 7301 section 3.2), one that offers none finds no certificate: the
//! handshake never completes, whatever such a client would have said next.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::version::{TLS12, TLS13};

use crate::error::ServerError;
use crate::local_authority;
use crate::pem_file::{read_certificates, read_key};

/// ALPN protocol name of HTTP/2 over TLS (RFC 9113 section 3.2).
pub(crate) const ALPN_H2: &[u8] = b"h2";

/// Where the server's certificate comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Certificate {
    /// The process's own: see [`local_authority_pem`](crate::local_authority_pem).
    Local,
    /// PEM files.
    Files {
        /// Certificate chain, the server's own certificate first.
        certificate: PathBuf,
        /// Private key: PKCS#8, PKCS#1 or SEC1, not encrypted.
        key: PathBuf,
    },
}

/// Reads or makes the certificate and builds the configuration.
pub(crate) fn server_config(
    certificate: &Certificate,
) -> Result<Arc<rustls::ServerConfig>, ServerError> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let certified = match certificate {
        Certificate::Local => {
            let local = local_authority::get()?;
            certify(vec![local.leaf.clone()], local.leaf_key.clone_key(), &provider)
                .map_err(|error| ServerError::Tls { reason: error.to_string() })?
        }
        Certificate::Files { certificate, key } => {
            let chain = read_certificates(certificate)?;
            let private = read_key(key)?;
            certify(chain, private, &provider).map_err(|error| match error {
                rustls::Error::InconsistentKeys(_) => {
                    ServerError::KeyMismatch { certificate: certificate.clone(), key: key.clone() }
                }
                rustls::Error::InvalidCertificate(error) => ServerError::CertificateFile {
                    path: certificate.clone(),
                    problem: format!("its first certificate is not valid X.509 ({error:?})"),
                    hint: "make the file again with the tool that issued it",
                },
                error => ServerError::CertificateFile {
                    path: key.clone(),
                    problem: format!("the key is not usable ({error})"),
                    hint: "use an ECDSA P-256/P-384, Ed25519 or RSA (2048 bit or more) key",
                },
            })?
        }
    };
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13, &TLS12])
        .map_err(|error| ServerError::Tls { reason: error.to_string() })?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(OnlyWithProtocols(Arc::new(certified))));
    config.alpn_protocols = vec![ALPN_H2.to_vec()];
    Ok(Arc::new(config))
}

fn certify(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    provider: &CryptoProvider,
) -> Result<CertifiedKey, rustls::Error> {
    CertifiedKey::from_der(chain, key, provider)
}

/// Shows the certificate only to clients that offer protocols; rustls then insists on `h2`.
struct OnlyWithProtocols(Arc<CertifiedKey>);

impl ResolvesServerCert for OnlyWithProtocols {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        hello.alpn()?.next().map(|_| Arc::clone(&self.0))
    }
}

impl fmt::Debug for OnlyWithProtocols {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OnlyWithProtocols")
    }
}
