//! PEM files read with errors that say what to do.
//!
//! No message repeats text from a file: the file may hold a key.

use std::path::Path;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::error::ServerError;

/// Largest certificate or key file read. A long chain is 20 KiB.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

const HINT_CERTIFICATE: &str =
    "expected a PEM file with the server's certificate first, then its chain";
const HINT_KEY: &str = "expected a PEM file with one unencrypted private key";
const HINT_SWAPPED: &str = "were the certificate and key files swapped?";
const HINT_DER: &str = "convert it with: openssl x509 -inform der, or openssl pkey -inform der";
const HINT_ENCRYPTED: &str = "decrypt it with: openssl pkey -in FILE -out FILE.plain";

/// The certificates of a file, in order; at least one.
pub(crate) fn read_certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, ServerError> {
    let fault = |problem, hint| fault(path, problem, hint);
    let text = read(path, HINT_CERTIFICATE)?;
    let sections = sections(&text);
    let mut chain = Vec::new();
    for certificate in CertificateDer::pem_slice_iter(&text) {
        let certificate = certificate.map_err(|error| {
            let problem =
                format!("{} is damaged ({error})", describe_section(&sections, chain.len()));
            fault(problem, HINT_CERTIFICATE)
        })?;
        chain.push(certificate);
    }
    if !chain.is_empty() {
        return Ok(chain);
    }
    Err(match sections.first() {
        None => not_pem(path, &text, HINT_CERTIFICATE),
        Some(section) => {
            let swapped = section.label.ends_with("PRIVATE KEY");
            let hint = if swapped { HINT_SWAPPED } else { HINT_CERTIFICATE };
            fault(format!("line {} begins a {}", section.line, section.label), hint)
        }
    })
}

/// The private key of a file.
pub(crate) fn read_key(path: &Path) -> Result<PrivateKeyDer<'static>, ServerError> {
    let fault = |problem, hint| fault(path, problem, hint);
    let text = read(path, HINT_KEY)?;
    let sections = sections(&text);
    match PrivateKeyDer::pem_slice_iter(&text).next() {
        Some(Ok(key)) => return Ok(key),
        Some(Err(error)) => {
            let problem = format!("{} is damaged ({error})", describe_section(&sections, 0));
            return Err(fault(problem, HINT_KEY));
        }
        None => {}
    }
    Err(match sections.first() {
        None => not_pem(path, &text, HINT_KEY),
        Some(Section { line, label }) => {
            let hint = match label.as_str() {
                "ENCRYPTED PRIVATE KEY" => HINT_ENCRYPTED,
                "CERTIFICATE" => HINT_SWAPPED,
                _ => HINT_KEY,
            };
            fault(format!("line {line} begins a {label}"), hint)
        }
    })
}

fn fault(path: &Path, problem: String, hint: &'static str) -> ServerError {
    ServerError::CertificateFile { path: path.to_owned(), problem, hint }
}

fn read(path: &Path, hint: &'static str) -> Result<Vec<u8>, ServerError> {
    let unreadable = |error: std::io::Error| fault(path, format!("{error}"), hint);
    let bytes = std::fs::metadata(path).map_err(unreadable)?.len();
    if bytes > FILE_BYTES_MAX {
        let problem = format!("it has {bytes} bytes, expected at most {FILE_BYTES_MAX}");
        return Err(fault(path, problem, hint));
    }
    std::fs::read(path).map_err(unreadable)
}

/// One `-----BEGIN …-----` line.
struct Section {
    line: usize,
    label: String,
}

fn sections(text: &[u8]) -> Vec<Section> {
    let lines = text.split(|&byte| byte == b'\n').enumerate();
    lines
        .filter_map(|(index, line)| {
            let line = line.trim_ascii().strip_prefix(b"-----BEGIN ")?;
            let label = line.strip_suffix(b"-----").unwrap_or(b"damaged section");
            let label = String::from_utf8_lossy(label).into_owned();
            Some(Section { line: index + 1, label })
        })
        .collect()
}

fn describe_section(sections: &[Section], index: usize) -> String {
    let section = sections.get(index).or(sections.last());
    section.map_or_else(
        || "it".to_owned(),
        |Section { line, label }| format!("the {label} that begins in line {line}"),
    )
}

fn not_pem(path: &Path, text: &[u8], hint: &'static str) -> ServerError {
    /// First byte of any DER certificate or key: a SEQUENCE.
    const DER_SEQUENCE: u8 = 0x30;
    if text.trim_ascii().is_empty() {
        fault(path, "the file is empty".to_owned(), hint)
    } else if text.first() == Some(&DER_SEQUENCE) && std::str::from_utf8(text).is_err() {
        fault(path, "it is binary and looks like DER, expected PEM text".to_owned(), HINT_DER)
    } else {
        fault(path, "no line begins with -----BEGIN, so it is not PEM".to_owned(), hint)
    }
}
