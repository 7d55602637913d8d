//! TLS of the raw HTTP/2 connections: one authority file, or no verification by explicit request.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use crate::error::LoadError;

/// Which certificates are trusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trust {
    /// The certificates of a PEM file.
    Authority(String),
    /// Every certificate: for servers that make theirs at start.
    AnyCertificate,
}

/// Reads the certificates of a PEM file.
///
/// # Errors
/// If the file cannot be read or holds no certificate.
pub fn read_authority(path: &str) -> Result<Vec<CertificateDer<'static>>, LoadError> {
    let bad = |cause| LoadError::File { path: path.to_string(), action: "read", cause };
    let text = std::fs::read(path).map_err(bad)?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    match certificates {
        Ok(list) if !list.is_empty() => Ok(list),
        _ => Err(LoadError::usage(format!(
            "{path} holds no PEM certificate; --ca wants the authority that signed the server's \
             certificate"
        ))),
    }
}

/// A client configuration that offers only `h2`.
///
/// # Errors
/// If the authority cannot be read or used.
pub fn client_config(trust: &Trust) -> Result<Arc<ClientConfig>, LoadError> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .expect("the provider implements TLS 1.2 and 1.3");
    let mut config = match trust {
        Trust::Authority(path) => {
            let mut roots = RootCertStore::empty();
            for certificate in read_authority(path)? {
                roots.add(certificate).map_err(|e| {
                    LoadError::usage(format!("{path} is not usable as an authority: {e}"))
                })?;
            }
            builder.with_root_certificates(roots).with_no_client_auth()
        }
        Trust::AnyCertificate => builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(AcceptAny(provider)))
            .with_no_client_auth(),
    };
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(Arc::new(config))
}

/// Accepts every certificate but still checks that the peer holds its key.
#[derive(Debug)]
struct AcceptAny(Arc<CryptoProvider>);

impl ServerCertVerifier for AcceptAny {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
