//! Where a redirect leads (RFC 9110 section 15.4).
//!
//! 1. Credentials do not go to another server.
//! 2. A redirect never leads from TLS to clear text.

use super::error::ClientError;
use super::message::{ClientRequest, ClientResponse};

/// Fields that are meant for one server only.
const CREDENTIALS: [&str; 3] = ["authorization", "cookie", "proxy-authorization"];

/// Fields that describe a body.
const OF_BODY: [&str; 5] =
    ["content-type", "content-length", "content-encoding", "content-language", "expect"];

/// The request that follows the redirect `response`; `None` when it is none.
pub(super) fn follow(
    request: &ClientRequest,
    response: &ClientResponse,
) -> Result<Option<ClientRequest>, ClientError> {
    let keeps_method = match response.status {
        307 | 308 => true,
        301..=303 => false,
        _ => return Ok(None),
    };
    let Some(location) = response.header("location") else { return Ok(None) };
    let location = String::from_utf8_lossy(location);
    let scheme = if request.is_tls { "https" } else { "http" };
    // Where the request went, whatever name it gave.
    let there = ClientRequest { authority: None, ..request.clone() }.authority();
    let url = resolve(scheme, &there, &request.path, &location);
    let there = ClientRequest::from_url(&url).map_err(|error| ClientError::Redirect {
        reason: format!("the server sends to {location:?}, which is no good: {error}"),
    })?;
    if request.is_tls && !there.is_tls {
        let reason = format!("the server sends from https to {location:?}, which is not followed");
        return Err(ClientError::Redirect { reason });
    }
    let is_same =
        (there.is_tls, &there.host, there.port) == (request.is_tls, &request.host, request.port);
    let mut next = request.clone();
    (next.is_tls, next.host, next.port) = (there.is_tls, there.host, there.port);
    next.path = there.path;
    if !is_same {
        next.authority = None;
        next.headers.retain(|(name, _)| !is_one_of(name, &CREDENTIALS));
    }
    if !keeps_method && !matches!(request.method.as_str(), "GET" | "HEAD") {
        next.method = String::from("GET");
        (next.body, next.trailers) = Default::default();
        next.headers.retain(|(name, _)| !is_one_of(name, &OF_BODY));
    }
    Ok(Some(next))
}

fn is_one_of(name: &str, names: &[&str]) -> bool {
    names.iter().any(|known| name.eq_ignore_ascii_case(known))
}

/// A reference seen from a URL (RFC 3986 section 5.2).
pub(crate) fn resolve(scheme: &str, authority: &str, path: &str, reference: &str) -> String {
    let reference = reference.split('#').next().unwrap_or_default();
    if let Some((before, _)) = reference.split_once(':')
        && !before.is_empty()
        && !before.contains(['/', '?'])
    {
        return reference.to_owned();
    }
    if let Some(rest) = reference.strip_prefix("//") {
        return format!("{scheme}://{rest}");
    }
    let own_path = path.split('?').next().unwrap_or_default();
    let (relative, query) = match reference.split_once('?') {
        Some((relative, query)) => (relative, format!("?{query}")),
        None if reference.is_empty() => ("", path[own_path.len()..].to_owned()),
        None => (reference, String::new()),
    };
    let target = match relative {
        "" => own_path.to_owned(),
        _ if relative.starts_with('/') => without_dots(relative),
        _ => {
            let folder = own_path.rfind('/').map_or("/", |end| &own_path[..=end]);
            without_dots(&format!("{folder}{relative}"))
        }
    };
    format!("{scheme}://{authority}{target}{query}")
}

/// A path without `.` and `..` segments.
fn without_dots(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let segments: Vec<&str> = path.split('/').skip(1).collect();
    for (index, segment) in segments.iter().enumerate() {
        let is_last = index + 1 == segments.len();
        match *segment {
            "." | ".." => {
                if *segment == ".." {
                    kept.pop();
                }
                if is_last {
                    kept.push("");
                }
            }
            segment => kept.push(segment),
        }
    }
    format!("/{}", kept.join("/"))
}
