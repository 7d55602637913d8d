//! Certificates for the servers of these tests, and who is trusted.

use std::path::PathBuf;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use super::servers::{Setup, load, start_with};

/// A server configuration for 127.0.0.1, and a PEM file of the authority behind it.
pub struct Identity {
    pub server: Arc<rustls::ServerConfig>,
    pub authority: PathBuf,
}

impl Drop for Identity {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.authority);
    }
}

pub fn identity(name: &str, alpn: &[&[u8]]) -> Identity {
    let authority_key = KeyPair::generate().unwrap();
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let pem = authority.self_signed(&authority_key).unwrap().pem();
    let issuer = Issuer::new(authority, authority_key);
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(vec!["127.0.0.1".to_string()]).unwrap();
    let leaf = leaf.signed_by(&key, &issuer).unwrap();

    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let mut server = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![leaf.der().clone()], key)
        .unwrap();
    server.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    let file = format!("valk-load-{name}-{}.pem", std::process::id());
    let path = std::env::temp_dir().join(file);
    std::fs::write(&path, pem).unwrap();
    Identity { server: Arc::new(server), authority: path }
}

fn https(identity: &Identity) -> String {
    let tls = Some(Arc::clone(&identity.server));
    start_with(Setup { tls, ..Setup::default() }).base
}

valk_harness::test! {
    fn the_authority_or_nobody_decides() {
        let known = identity("known", &[b"h2"]);
        let other = identity("other", &[b"h2"]);
        let base = https(&known);
        let short = ["--duration", "200ms", "--threshold", "error-rate<=0%"];
        let run = |flags: &[&str]| load("steady", &base, &[&short, flags].concat());

        let outcome = run(&["--ca", known.authority.to_str().unwrap()]);
        assert_eq!(outcome.code, 0, "{}{}", outcome.out, outcome.err);
        assert_eq!(outcome.json()["groups"]["steady"]["protocols"]["HTTP/2"], 40);
        assert_eq!(run(&["--insecure"]).code, 0);

        let outcome = run(&["--ca", other.authority.to_str().unwrap()]);
        assert_eq!(outcome.code, 3);
        assert!(outcome.err.contains("the authority given by --ca did not sign"), "{}", outcome.err);
        let outcome = run(&[]);
        assert_eq!(outcome.code, 2);
        assert!(outcome.err.contains("needs --ca FILE"), "{}", outcome.err);
    }
}

valk_harness::test! {
    fn an_older_tls_version_works_too() {
        let mut known = identity("old", &[b"h2"]);
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let resolver = Arc::clone(&known.server.cert_resolver);
        let mut old = rustls::ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS12])
            .unwrap()
            .with_no_client_auth()
            .with_cert_resolver(resolver);
        old.alpn_protocols = vec![b"h2".to_vec()];
        known.server = Arc::new(old);
        let outcome = load("steady", &https(&known), &["--duration", "100ms", "--insecure"]);
        assert_eq!(outcome.code, 0, "{}{}", outcome.out, outcome.err);
    }
}

valk_harness::test! {
    fn authority_files_are_checked() {
        let run = |file: &str| load("steady", "https://127.0.0.1:1", &["--ca", file]);
        let outcome = run("/nowhere/ca.pem");
        assert_eq!(outcome.code, 1);
        assert!(outcome.err.contains("cannot read /nowhere/ca.pem"), "{}", outcome.err);
        let path = std::env::temp_dir().join(format!("valk-load-bad-{}.pem", std::process::id()));
        let begin = "-----BEGIN CERTIFICATE-----\n";
        let end = "-----END CERTIFICATE-----\n";
        for (text, why) in [
            (String::new(), "holds no PEM certificate"),
            (format!("{begin}AAAA\n{end}"), "is not usable as an authority"),
        ] {
            std::fs::write(&path, text).unwrap();
            let outcome = run(path.to_str().unwrap());
            assert_eq!(outcome.code, 2, "{}", outcome.err);
            assert!(outcome.err.contains(why), "{}", outcome.err);
        }
        std::fs::remove_file(&path).unwrap();
    }
}

valk_harness::test! {
    fn tls_without_h2_is_not_http2() {
        for (name, alpn) in [("h1", &[&b"http/1.1"[..]][..]), ("none", &[])] {
            let known = identity(name, alpn);
            let outcome = load("steady", &https(&known), &["--insecure"]);
            assert_eq!(outcome.code, 3, "{}{}", outcome.out, outcome.err);
            assert!(outcome.err.contains("ALPN"), "{}", outcome.err);
        }
    }
}
