//! Requests that the framing layer lets through and HTTP forbids, or that exceed a count.
//!
//! One pass over the fields, before any handler sees the request (RFC 9113 sections 8.2 and 8.3).

use http::header::HOST;
use http::request::Parts;
use http::uri::Authority;
use http::{HeaderValue, Method};

use crate::limits::{FIELD_OVERHEAD_BYTES, Limits};

/// A request answered by the server itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) status: u16,
    pub(crate) reason: &'static str,
}

const fn bad_request(reason: &'static str) -> Refusal {
    Refusal { status: 400, reason }
}

/// Checks a header block; gives its size in bytes.
pub(crate) fn check(head: &Parts, limits: &Limits) -> Result<usize, Refusal> {
    if head.headers.len() > limits.header_fields {
        return Err(Refusal { status: 431, reason: "too many header fields\n" });
    }
    let mut bytes = 0;
    let mut host: Option<&HeaderValue> = None;
    for (name, value) in &head.headers {
        bytes += name.as_str().len() + value.len() + FIELD_OVERHEAD_BYTES;
        if is_padded(value.as_bytes()) {
            return Err(bad_request("a header value begins or ends with white space\n"));
        }
        if name == HOST && host.replace(value).is_some() {
            return Err(bad_request("more than one host field\n"));
        }
    }
    check_authority(head, host)?;
    Ok(bytes)
}

fn is_padded(value: &[u8]) -> bool {
    let blank = |byte: Option<&u8>| matches!(byte, Some(b' ' | b'\t'));
    blank(value.first()) || blank(value.last())
}

fn check_authority(head: &Parts, host: Option<&HeaderValue>) -> Result<(), Refusal> {
    let authority = head.uri.authority().map(Authority::as_str);
    if head.uri.scheme_str() == Some("") {
        return Err(bad_request(":scheme is empty\n"));
    }
    if let Some(authority) = authority {
        if authority.contains('@') {
            return Err(bad_request(":authority contains user information\n"));
        }
        if host.is_some_and(|host| !host.as_bytes().eq_ignore_ascii_case(authority.as_bytes())) {
            return Err(bad_request("host differs from :authority\n"));
        }
    }
    if head.method == Method::CONNECT {
        return Err(match authority {
            None => bad_request("CONNECT without :authority\n"),
            Some(_) => Refusal { status: 501, reason: "CONNECT is not supported\n" },
        });
    }
    if authority.is_none() {
        let Some(host) = host else {
            return Err(bad_request("neither :authority nor host\n"));
        };
        let is_host = Authority::try_from(host.as_bytes()).is_ok();
        if !is_host || host.as_bytes().contains(&b'@') {
            return Err(bad_request("host is not the name or address of a host\n"));
        }
    }
    Ok(())
}
