//! Requests as callers make them, and the responses to them.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, HOST, HeaderName, TE};
use http::uri::{Authority, PathAndQuery};
use http::{HeaderMap, HeaderValue, Method, Uri};

use super::error::ClientError;
use super::trust::Trust;
use crate::encode::is_connection_specific;

/// A request with its whole body.
#[derive(Clone, Debug)]
pub struct ClientRequest {
    /// The method, case-sensitive.
    pub method: String,
    /// TLS, or clear text with prior knowledge.
    pub is_tls: bool,
    /// Where to connect: a name or an IP address (IPv6 with or without brackets).
    pub host: String,
    /// The port there.
    pub port: u16,
    /// `:authority`; without it host and port.
    pub authority: Option<String>,
    /// Path and query.
    pub path: String,
    /// Fields in the order to send; names in any case.
    pub headers: Vec<(String, Bytes)>,
    /// The whole body.
    pub body: Bytes,
    /// Fields behind the body.
    pub trailers: Vec<(String, Bytes)>,
    /// How it is to be sent.
    pub options: Arc<RequestOptions>,
}

/// How a request is to be sent, and what its response may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestOptions {
    /// Whom to believe.
    pub trust: Trust,
    /// Time until a connection is ready.
    pub connect_timeout: Duration,
    /// Time from the end of the request to the head of its response.
    pub headers_timeout: Duration,
    /// Longest pause between two parts of a body, in either direction.
    pub idle_timeout: Duration,
    /// Time for everything together; none unless given.
    pub total_timeout: Option<Duration>,
    /// Bytes of the response's body at most.
    pub response_bytes_max: usize,
    /// How many redirects to follow.
    pub redirects: u32,
}

impl Default for RequestOptions {
    fn default() -> Self {
        Self {
            trust: Trust::Platform(None),
            connect_timeout: Duration::from_secs(30),
            headers_timeout: Duration::from_mins(1),
            idle_timeout: Duration::from_mins(1),
            total_timeout: None,
            response_bytes_max: 64 * 1024 * 1024,
            redirects: 0,
        }
    }
}

/// What takes the body of a response as it arrives.
pub trait BodySink {
    /// Takes the next part. The server sends no more than its window allows until this is ready.
    fn take(&self, part: Bytes) -> Taken<'_>;
}

/// What [`BodySink::take`] gives: an error ends the request, with this reason.
pub type Taken<'s> = Pin<Box<dyn Future<Output = Result<(), String>> + 's>>;

/// A complete response.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientResponse {
    /// The status, 200 to 599.
    pub status: u16,
    /// Fields in the order of arrival; those of one name stand together.
    pub headers: Vec<(String, Bytes)>,
    /// The whole body.
    pub body: Bytes,
    /// Fields behind the body.
    pub trailers: Vec<(String, Bytes)>,
}

impl ClientRequest {
    /// A GET request.
    pub fn get(is_tls: bool, host: &str, port: u16, path: &str) -> Self {
        Self {
            method: "GET".to_owned(),
            is_tls,
            host: host.to_owned(),
            port,
            authority: None,
            path: path.to_owned(),
            headers: Vec::new(),
            body: Bytes::new(),
            trailers: Vec::new(),
            options: Arc::default(),
        }
    }

    /// The request of a URL, as GET.
    ///
    /// # Errors
    /// [`ClientError::InvalidRequest`] when it is not an absolute URL of `https` or `http`.
    pub fn from_url(url: &str) -> Result<Self, ClientError> {
        let fault = |what: &str| invalid(format!("{what} in the URL {url:?}"));
        // What is behind # stays with the client (RFC 9110 section 4.2.5).
        let sent = url.split('#').next().unwrap_or_default();
        let scheme = sent.split_once("://").map(|(scheme, _)| scheme.to_ascii_lowercase());
        let is_tls = match scheme.as_deref() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(fault("expected https:// or http://, found something else")),
        };
        let uri: Uri = sent.parse().map_err(|_| fault("a character that does not belong there"))?;
        let authority = uri.authority().ok_or_else(|| fault("no host"))?;
        if authority.as_str().contains('@') {
            return Err(fault("a user name; send an authorization header in place of it"));
        }
        if authority.host().is_empty() {
            return Err(fault("no host"));
        }
        let port = match authority.port() {
            Some(port) => port.as_u16(),
            None if authority.as_str().ends_with(':') || authority.host() == authority.as_str() => {
                default_port(is_tls)
            }
            None => return Err(fault("a port that is not a number from 0 to 65535")),
        };
        let path = uri.path_and_query().map_or("/", PathAndQuery::as_str);
        let path = if path.starts_with('?') { format!("/{path}") } else { path.to_owned() };
        Ok(Self::get(is_tls, authority.host(), port, &path))
    }

    /// `:authority` as it is sent: without the port that the scheme has anyway.
    pub(crate) fn authority(&self) -> String {
        match &self.authority {
            Some(authority) => authority.clone(),
            None => {
                let host = self.bracketed_host();
                let is_default = self.port == default_port(self.is_tls);
                if is_default { host } else { format!("{host}:{}", self.port) }
            }
        }
    }

    /// The host as an authority has it: an IPv6 address in brackets.
    pub fn bracketed_host(&self) -> String {
        let needs_brackets = self.host.contains(':') && !self.host.starts_with('[');
        if needs_brackets { format!("[{}]", self.host) } else { self.host.clone() }
    }

    /// The head for the framing layer.
    ///
    /// # Errors
    /// [`ClientError::InvalidRequest`] for whatever is not HTTP.
    pub(super) fn head(&self) -> Result<http::Request<()>, ClientError> {
        let method = Method::from_bytes(self.method.as_bytes())
            .ok()
            .filter(|method| *method != Method::CONNECT)
            .ok_or_else(|| {
                invalid(format!("{:?} is not a method that can be sent", self.method))
            })?;
        let authority: Authority = self.authority().parse().map_err(|_| {
            invalid(format!("{:?} is not a host that can be asked", self.authority()))
        })?;
        let path = &self.path;
        let is_path = path.starts_with('/') || method == Method::OPTIONS && path == "*";
        let path: PathAndQuery = Some(path.as_str())
            .filter(|path| is_path && !path.contains('#'))
            .and_then(|path| path.parse().ok())
            .ok_or_else(|| {
                invalid(format!(
                    "{path:?} is not a path; it begins with /, and spaces and the like are written %20"
                ))
            })?;
        let scheme = if self.is_tls { "https" } else { "http" };
        let uri = Uri::builder().scheme(scheme).authority(authority).path_and_query(path).build();
        let mut head = http::Request::new(());
        *head.uri_mut() = uri.map_err(|error| invalid(error.to_string()))?;
        *head.headers_mut() = fields(&self.headers)?;
        let stated = head.headers_mut().remove(CONTENT_LENGTH);
        if stated.is_some_and(|stated| stated != HeaderValue::from(self.body.len())) {
            let bytes = self.body.len();
            return Err(invalid(format!(
                "content-length differs from the body's {bytes} bytes; leave it out"
            )));
        }
        let expects_body = matches!(method, Method::POST | Method::PUT | Method::PATCH);
        if expects_body || !self.body.is_empty() {
            head.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(self.body.len()));
        }
        *head.method_mut() = method;
        Ok(head)
    }

    /// The trailers for the framing layer; `None` without any.
    pub(super) fn trailer_map(&self) -> Result<Option<HeaderMap>, ClientError> {
        let map = fields(&self.trailers)?;
        Ok(Some(map).filter(|map| !map.is_empty()))
    }
}

impl ClientResponse {
    /// First value of the named field; the name's case does not matter.
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        let mut fields = self.headers.iter();
        fields.find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| &value[..])
    }
}

/// The port of a scheme.
pub(super) fn default_port(is_tls: bool) -> u16 {
    if is_tls { 443 } else { 80 }
}

pub(super) fn invalid(reason: String) -> ClientError {
    ClientError::InvalidRequest { reason }
}

/// Fields as the framing layer sends them. Names become lower case (RFC 9113 section 8.2.1).
fn fields(fields: &[(String, Bytes)]) -> Result<HeaderMap, ClientError> {
    let mut map = HeaderMap::with_capacity(fields.len());
    for (name, value) in fields {
        let parsed = HeaderName::from_bytes(name.as_bytes())
            .map_err(|_| invalid(format!("{name:?} is not a field name such as x-trace-id")))?;
        if parsed == HOST {
            return Err(invalid("the field host is :authority in HTTP/2; set that".to_owned()));
        }
        if is_connection_specific(&parsed) || parsed == TE && value != "trailers" {
            return Err(invalid(format!(
                "the field {parsed} does not exist in HTTP/2; leave it out"
            )));
        }
        let value = HeaderValue::from_maybe_shared(value.clone())
            .map_err(|_| invalid(format!("the value of {parsed} contains a control character")))?;
        map.append(parsed, value);
    }
    Ok(map)
}

/// Fields that arrived, as callers see them.
pub(super) fn received(map: &HeaderMap) -> Vec<(String, Bytes)> {
    let field = |(name, value): (&HeaderName, &HeaderValue)| {
        (name.as_str().to_owned(), Bytes::copy_from_slice(value.as_bytes()))
    };
    map.iter().map(field).collect()
}
