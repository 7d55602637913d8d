//! The requests of a group: they differ in their path only.

use bytes::Bytes;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use http::{Method, Request, Uri};

use super::checks::Checks;

/// What the requests of a group have in common, and their paths.
#[derive(Clone, Debug)]
pub struct Template {
    /// Method.
    pub method: Method,
    /// Fields of every request.
    pub headers: HeaderMap,
    /// Body of every request; empty: none.
    pub body: Bytes,
    /// Full URIs, to which path indices refer.
    pub uris: Vec<Uri>,
    /// What the answers must be.
    pub checks: Checks,
}

/// Fields that HTTP/2 forbids or that the protocol sets (RFC 9113 section 8.2.2).
const FORBIDDEN: &[&str] =
    &["connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade", "host"];

impl Template {
    /// GET for these URIs.
    pub fn get(uris: Vec<Uri>) -> Template {
        Template {
            method: Method::GET,
            headers: HeaderMap::new(),
            body: Bytes::new(),
            uris,
            checks: Checks::default(),
        }
    }

    /// The same template with another body.
    #[must_use]
    pub fn with_body(mut self, method: Method, body: Bytes) -> Template {
        self.method = method;
        self.body = body;
        self
    }

    /// The request for a path.
    pub fn request(&self, path: usize) -> Request<()> {
        let mut request = Request::new(());
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.uris[path].clone();
        if !self.headers.is_empty() {
            *request.headers_mut() = self.headers.clone();
        }
        request
    }
}

/// Whether HTTP/2 has no such field.
pub fn is_forbidden(name: &HeaderName) -> bool {
    FORBIDDEN.contains(&name.as_str())
}

/// Fields and the `:authority` of `--header` texts like `name: value`.
///
/// # Errors
/// Says which field is wrong, and why.
pub fn parse_headers(texts: &[String]) -> Result<(HeaderMap, Option<String>), String> {
    let mut headers = HeaderMap::new();
    let mut authority = None;
    for text in texts {
        let wrong = |why: &str| format!("header `{text}`: {why}");
        let divider =
            text.strip_prefix(':').map_or_else(|| text.find(':'), |rest| Some(rest.find(':')? + 1));
        let (name, value) = divider
            .map(|at| (&text[..at], text[at + 1..].trim()))
            .ok_or_else(|| wrong("write it as `name: value`"))?;
        if name.eq_ignore_ascii_case(":authority") || name.eq_ignore_ascii_case("host") {
            authority = Some(value.to_string());
            continue;
        }
        if name.starts_with(':') {
            return Err(wrong("of the fields with a colon only :authority can be set"));
        }
        if FORBIDDEN.iter().any(|forbidden| name.eq_ignore_ascii_case(forbidden)) {
            return Err(wrong("HTTP/2 does not have this field"));
        }
        let name: HeaderName = name.trim().parse().map_err(|_| wrong("not a name of a field"))?;
        let value: HeaderValue = value.parse().map_err(|_| wrong("not a value of a field"))?;
        headers.append(name, value);
    }
    Ok((headers, authority))
}
