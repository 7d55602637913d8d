//! Which servers a client believes: the TLS configuration of each [`Trust`].
//!
//! 1. A certificate is verified unless [`Trust::Anyone`] says otherwise; signatures of the handshake
//!    always are.
//! 2. [`Trust::Platform`] means the roots of the system, or the file named instead of them. For a
//!    server on this machine the process's own authority is believed as well, and looked at first:
//!    such a server was most likely started by this process, and needs no roots to be read.
//! 3. The roots of the system are read at most once per process.

use std::collections::HashMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};

use super::error::ClientError;
use crate::error::ServerError;
use crate::local_authority::local_authority_pem;
use crate::pem_file::read_certificates;
use crate::tls::ALPN_H2;

/// Whom a request believes to be the server it names.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Trust {
    /// Certificates of the system's authorities, or of those in a PEM file instead, if one is named.
    Platform(Option<PathBuf>),
    /// Certificates of the authorities in a PEM file, and no other.
    File(PathBuf),
    /// Whatever answers. The connection is encrypted, and nobody knows with whom.
    Anyone,
}

/// The configurations made so far; each keeps its sessions for resumption.
#[derive(Default)]
pub(super) struct Configurations {
    made: HashMap<(Trust, bool), Arc<ClientConfig>>,
}

impl Configurations {
    /// The configuration for a request that trusts so, to `host`.
    pub(super) fn get(
        &mut self,
        trust: &Trust,
        host: &ServerName<'_>,
    ) -> Result<Arc<ClientConfig>, ClientError> {
        let key = (trust.clone(), is_this_machine(host));
        if let Some(config) = self.made.get(&key) {
            return Ok(Arc::clone(config));
        }
        let config = make(trust, key.1)?;
        self.made.insert(key, Arc::clone(&config));
        Ok(config)
    }
}

fn is_this_machine(host: &ServerName<'_>) -> bool {
    match host {
        ServerName::DnsName(name) => name.as_ref().eq_ignore_ascii_case("localhost"),
        ServerName::IpAddress(address) => IpAddr::from(*address).is_loopback(),
        _ => false,
    }
}

fn make(trust: &Trust, is_local: bool) -> Result<Arc<ClientConfig>, ClientError> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier: Arc<dyn ServerCertVerifier> = match trust {
        Trust::Anyone => {
            Arc::new(Verifier { provider: Arc::clone(&provider), belief: Belief::Anyone })
        }
        Trust::File(path) => verifier(file_roots(path)?, &provider)?,
        Trust::Platform(file) if is_local => {
            let other = match file {
                Some(path) => OnceLock::from(Some(verifier(file_roots(path)?, &provider)?)),
                None => OnceLock::new(),
            };
            let belief = Belief::Local { local: verifier(local_roots()?, &provider)?, other };
            Arc::new(Verifier { provider: Arc::clone(&provider), belief })
        }
        Trust::Platform(Some(path)) => verifier(file_roots(path)?, &provider)?,
        Trust::Platform(None) => verifier(system_roots()?, &provider)?,
    };
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13, &TLS12])
        .map_err(|error| unusable(&error.to_string()))?;
    let mut config =
        builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth();
    config.alpn_protocols = vec![ALPN_H2.to_vec()];
    Ok(Arc::new(config))
}

fn unusable(reason: &str) -> ClientError {
    ClientError::Tls { server: "any server".to_owned(), reason: reason.to_owned() }
}

fn verifier(
    roots: Arc<RootCertStore>,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<WebPkiServerVerifier>, ClientError> {
    WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(provider))
        .build()
        .map_err(|error| unusable(&error.to_string()))
}

fn file_roots(path: &Path) -> Result<Arc<RootCertStore>, ClientError> {
    let fault = |reason: String| ClientError::AuthorityFile { path: path.to_owned(), reason };
    let certificates = read_certificates(path).map_err(|error| {
        let problem = match error {
            ServerError::CertificateFile { problem, .. } => problem,
            error => error.to_string(),
        };
        fault(format!("{problem}; expected a PEM file with certificates of authorities"))
    })?;
    let mut roots = RootCertStore::empty();
    for certificate in certificates {
        roots.add(certificate).map_err(|error| {
            fault(format!("a certificate in it is not usable ({error}); expected X.509 in PEM"))
        })?;
    }
    Ok(Arc::new(roots))
}

fn local_roots() -> Result<Arc<RootCertStore>, ClientError> {
    let pem = local_authority_pem().map_err(|error| unusable(&error.to_string()))?;
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()).flatten() {
        roots.add(certificate).map_err(|error| unusable(&error.to_string()))?;
    }
    Ok(Arc::new(roots))
}

/// The roots of the system (rule 3).
fn system_roots() -> Result<Arc<RootCertStore>, ClientError> {
    static ROOTS: OnceLock<Arc<RootCertStore>> = OnceLock::new();
    let roots = ROOTS.get_or_init(|| {
        let mut roots = RootCertStore::empty();
        // Systems carry certificates that are no good any more; those are passed over.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        Arc::new(roots)
    });
    if roots.is_empty() {
        return Err(unusable(
            "this system has no certificates of authorities; install them (ca-certificates), name \
             a PEM file with :ca or VALK_CA_FILE, or give up verification with :verify 0",
        ));
    }
    Ok(Arc::clone(roots))
}

/// Decides about certificates where the roots alone do not.
#[derive(Debug)]
struct Verifier {
    provider: Arc<CryptoProvider>,
    belief: Belief,
}

#[derive(Debug)]
enum Belief {
    /// In every certificate.
    Anyone,
    /// In those of the process's own authority, and then in those of others (rule 2).
    Local {
        local: Arc<WebPkiServerVerifier>,
        /// None without any roots. Made when the process's own do not know a certificate.
        other: OnceLock<Option<Arc<WebPkiServerVerifier>>>,
    },
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        host: &ServerName<'_>,
        stapled: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let Belief::Local { local, other } = &self.belief else {
            return Ok(ServerCertVerified::assertion());
        };
        let known = local.verify_server_cert(certificate, chain, host, stapled, now);
        known.or_else(|error| {
            let others = || system_roots().and_then(|roots| verifier(roots, &self.provider)).ok();
            match other.get_or_init(others) {
                Some(other) => other.verify_server_cert(certificate, chain, host, stapled, now),
                None => Err(error),
            }
        })
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
