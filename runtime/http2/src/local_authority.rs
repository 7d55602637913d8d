//! The process's own certificate authority, for servers without a configured certificate.
//!
//! Made once per process, at first use: one CA and one leaf that is not a CA (rustls clients refuse
//! a CA as a server certificate). The CA's key is forgotten as soon as the leaf is signed, and its
//! name constraints allow this machine only, so a client that trusts its PEM trusts no other server by it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::OnceLock;

use rcgen::{
    BasicConstraints, CertificateParams, CidrSubnet, DnType, ExtendedKeyUsagePurpose,
    GeneralSubtree, IsCa, Issuer, KeyPair, KeyUsagePurpose, NameConstraints, SanType,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::error::ServerError;

/// CA certificate and the leaf it signed.
pub(crate) struct LocalAuthority {
    pub(crate) ca_pem: String,
    pub(crate) leaf: CertificateDer<'static>,
    pub(crate) leaf_key: PrivateKeyDer<'static>,
}

/// The authority of this process.
pub(crate) fn get() -> Result<&'static LocalAuthority, ServerError> {
    static LOCAL: OnceLock<Result<LocalAuthority, String>> = OnceLock::new();
    let made = LOCAL.get_or_init(|| make().map_err(|error| error.to_string()));
    made.as_ref().map_err(|reason| ServerError::Tls { reason: reason.clone() })
}

/// PEM of the CA that signed the certificate servers of this process use when none is configured.
/// A client that trusts it can reach them as `localhost`, `127.0.0.1` and `::1`.
///
/// # Errors
/// [`ServerError::Tls`] when the cryptography library cannot make keys.
pub fn local_authority_pem() -> Result<&'static str, ServerError> {
    get().map(|local| local.ca_pem.as_str())
}

fn make() -> Result<LocalAuthority, rcgen::Error> {
    let ca_key = KeyPair::generate()?;
    let mut ca = CertificateParams::default();
    ca.distinguished_name.push(DnType::CommonName, "Valk local authority");
    ca.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    ca.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
    ca.name_constraints = Some(NameConstraints {
        permitted_subtrees: vec![
            GeneralSubtree::DnsName("localhost".to_owned()),
            GeneralSubtree::IpAddress(CidrSubnet::from_v4_prefix([127, 0, 0, 0], 8)),
            GeneralSubtree::IpAddress(CidrSubnet::from_v6_prefix(
                Ipv6Addr::LOCALHOST.octets(),
                128,
            )),
        ],
        excluded_subtrees: Vec::new(),
    });
    let ca_pem = ca.self_signed(&ca_key)?.pem();
    let issuer = Issuer::new(ca, ca_key);

    let leaf_key = KeyPair::generate()?;
    let mut leaf = CertificateParams::new(vec!["localhost".to_owned()])?;
    leaf.subject_alt_names.push(SanType::IpAddress(IpAddr::V4(Ipv4Addr::LOCALHOST)));
    leaf.subject_alt_names.push(SanType::IpAddress(IpAddr::V6(Ipv6Addr::LOCALHOST)));
    leaf.distinguished_name.push(DnType::CommonName, "localhost");
    leaf.is_ca = IsCa::ExplicitNoCa;
    leaf.use_authority_key_identifier_extension = true;
    leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let certificate = leaf.signed_by(&leaf_key, &issuer)?;
    Ok(LocalAuthority {
        ca_pem,
        leaf: certificate.der().clone(),
        leaf_key: PrivatePkcs8KeyDer::from(leaf_key.serialize_der()).into(),
    })
}
