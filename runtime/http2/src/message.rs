//! What passes between the server and a handler: requests, responses, replies, events.
//!
//! A [`Request`] keeps the decoded header block as it arrived and hands out slices of it, so a
//! handler pays only for what it looks at.

use std::borrow::Cow;
use std::fmt;
use std::io;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use http::header::{COOKIE, HOST};
use http::request::Parts;
use http::{HeaderValue, Method};

use crate::overload::Class;
use crate::streaming::{OpenError, ResponseStream};

/// One complete request: header block and whole body.
pub struct Request {
    head: Parts,
    body: Bytes,
    stream_id: u32,
    scheme: Scheme,
    stream: Option<ResponseStream>,
}

/// Scheme of a connection, for requests that do not state one the server can show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// Clear text.
    Http,
    /// TLS.
    Https,
}

impl Request {
    /// A request outside any connection, as a test of a handler needs it.
    pub fn new(request: http::Request<Bytes>, stream_id: u32) -> Self {
        let (head, body) = request.into_parts();
        Self::received(head, body, stream_id, Scheme::Https)
    }

    pub(crate) fn received(mut head: Parts, body: Bytes, stream_id: u32, scheme: Scheme) -> Self {
        join_cookies(&mut head);
        Self { head, body, stream_id, scheme, stream: None }
    }

    pub(crate) fn set_stream(&mut self, stream: ResponseStream) {
        self.stream = Some(stream);
    }

    /// The stream that may be opened in place of a response; `None` unless the handler
    /// [opens streams](Handler::opens_streams).
    pub fn stream(&self) -> Option<&ResponseStream> {
        self.stream.as_ref()
    }

    /// Opens the stream: its response has the head of `head`, and as its body what is written.
    ///
    /// # Errors
    /// [`OpenError::TooLate`] once the request has a response, and without a stream.
    pub fn open_stream(&self, head: Response) -> Result<ResponseStream, OpenError> {
        let stream = self.stream.as_ref().ok_or(OpenError::TooLate)?;
        stream.open(head)?;
        Ok(stream.clone())
    }

    /// `:method`, case-sensitive.
    pub fn method(&self) -> &str {
        self.head.method.as_str()
    }

    /// `:path` with the query; `/` when the request has none (`CONNECT`).
    pub fn path(&self) -> &str {
        self.head.uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str)
    }

    /// The scheme of the connection, whatever `:scheme` says: a client cannot make a program
    /// believe that clear text came over TLS.
    pub fn scheme(&self) -> &'static str {
        match self.scheme {
            Scheme::Http => "http",
            Scheme::Https => "https",
        }
    }

    /// `:authority`, or the `host` field when the client sent only that (RFC 9113 section 8.3.1).
    pub fn authority(&self) -> Option<&str> {
        let authority = self.head.uri.authority().map(http::uri::Authority::as_str);
        authority.or_else(|| self.head.headers.get(HOST)?.to_str().ok())
    }

    /// Fields in arrival order, names in lower case, without pseudo-header fields. Fields of the
    /// same name stand together at the place of the first, which changes no meaning (RFC 9110
    /// section 5.3). The crumbs of a cookie are one field (RFC 9113 section 8.2.3).
    pub fn headers(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.head.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()))
    }

    /// The value of the named field; the name's case does not matter. The values of a repeated
    /// field are joined by ", " in their order (RFC 9110 section 5.3).
    pub fn header(&self, name: &str) -> Option<Cow<'_, [u8]>> {
        let mut values = self.header_values(name);
        let first = values.next()?;
        let Some(second) = values.next() else { return Some(Cow::Borrowed(first)) };
        let all: Vec<&[u8]> = [first, second].into_iter().chain(values).collect();
        Some(Cow::Owned(all.join(&b", "[..])))
    }

    /// All values of the named field.
    pub fn header_values(&self, name: &str) -> impl Iterator<Item = &[u8]> {
        self.head.headers.get_all(name).into_iter().map(http::HeaderValue::as_bytes)
    }

    /// Method and path, cheap to keep beyond the request.
    pub fn line(&self) -> RequestLine {
        let path = self.head.uri.path_and_query().cloned();
        RequestLine { method: self.head.method.clone(), path }
    }

    /// The whole body; empty when there is none.
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// Number of the stream on its connection (odd, RFC 9113 section 5.1.1).
    pub fn stream_id(&self) -> u32 {
        self.stream_id
    }
}

/// Makes one field of the crumbs of a cookie (RFC 9113 section 8.2.3).
fn join_cookies(head: &mut Parts) {
    let crumbs: Vec<&[u8]> =
        head.headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if crumbs.len() > 1 {
        let cookie = HeaderValue::from_bytes(&crumbs.join(&b"; "[..]));
        head.headers.insert(COOKIE, cookie.expect("values of fields make a value"));
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("method", &self.method())
            .field("path", &self.path())
            .field("stream_id", &self.stream_id)
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// Method and path of a request, as log lines show them.
#[derive(Clone, Debug)]
pub struct RequestLine {
    method: http::Method,
    path: Option<http::uri::PathAndQuery>,
}

impl fmt::Display for RequestLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.as_ref().map_or("/", http::uri::PathAndQuery::as_str);
        write!(f, "{} {path}", self.method)
    }
}

/// What a handler answers. The server adds `content-length`, drops the body where HTTP forbids one
/// (`HEAD`, 204, 205, 304) and answers 500 instead when the parts are not valid HTTP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// Final status, 200 to 599.
    pub status: u16,
    /// Fields in the order to send; names in any case.
    pub headers: Vec<(Cow<'static, str>, Bytes)>,
    /// The whole body.
    pub body: Bytes,
}

impl Response {
    /// A response without fields and body.
    pub fn new(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Bytes::new() }
    }

    /// A `text/plain` response.
    pub fn text(status: u16, body: impl Into<Bytes>) -> Self {
        Self::new(status)
            .with_header("content-type", &b"text/plain; charset=utf-8"[..])
            .with_body(body)
    }

    /// Adds a field after the present ones.
    #[must_use]
    pub fn with_header(
        mut self,
        name: impl Into<Cow<'static, str>>,
        value: impl Into<Bytes>,
    ) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Replaces the body.
    #[must_use]
    pub fn with_body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }
}

/// A reply that is not ready yet. Runs on the thread of its connection; dropped when the client
/// cancels the request or leaves.
pub type PendingReply = Pin<Box<dyn Future<Output = Response>>>;

/// What [`Handler::handle`] returns.
pub enum Reply {
    /// The answer; the cheapest case, sent together with the other answers of the same wake-up.
    Ready(Response),
    /// The answer comes later; other streams go on meanwhile.
    Pending(PendingReply),
}

impl Reply {
    /// A reply from a future.
    pub fn pending(future: impl Future<Output = Response> + 'static) -> Self {
        Self::Pending(Box::pin(future))
    }
}

/// The program behind the server. Called on the server's thread, one request at a time.
pub trait Handler {
    /// Answers a request. A panic, here or in a pending reply, becomes a 500 and an event.
    fn handle(&self, request: Request) -> Reply;

    /// Whether [`Request::open_stream`] is to work, which costs each request a little memory.
    fn opens_streams(&self) -> bool {
        false
    }

    /// The body (`text/html`) of 503 responses to requests that are turned away; the server has a
    /// page of its own for `None`, the default.
    fn overload_body(&self) -> Option<Bytes> {
        None
    }

    /// How much a request matters; asked while the server is overloaded. The target is the path with
    /// its query, as it was sent.
    fn class(&self, method: &Method, target: &str) -> Class {
        let _ = (method, target);
        Class::Normal
    }

    /// Requests that the handler has begun on this thread and could go on with at once, if it shares
    /// the thread between them. Too many of them are overload.
    fn begun(&self) -> usize {
        0
    }

    /// Called with what operators should know and clients are not sent. Does nothing by default.
    fn event(&self, event: &Event) {
        let _ = event;
    }
}

/// Something that went wrong without ending the server.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event {
    /// The handler panicked; the client got 500.
    HandlerPanicked {
        /// Request method.
        method: String,
        /// Request path.
        path: String,
        /// Text of the panic.
        message: String,
    },
    /// The handler's response was not valid HTTP; the client got 500.
    InvalidResponse {
        /// What was wrong and what would be right.
        reason: String,
    },
    /// `accept` failed. The server goes on after `pause_ms`.
    AcceptFailed {
        /// The system's error.
        error: io::Error,
        /// Pause before the next attempt in milliseconds; 0 when the failure concerned one
        /// connection only.
        pause_ms: u64,
    },
    /// A thread that served connections has ended by itself, and those connections with it. Others
    /// serve the new ones.
    WorkerLost {
        /// The number of the worker.
        worker: usize,
    },
    /// Requests of a thread wait for so long that further ones are turned away.
    Overloaded {
        /// How long they wait.
        delay: Duration,
    },
    /// They no longer do.
    Relieved {
        /// Requests that were turned away meanwhile.
        turned_away: u64,
    },
    /// A large response was replaced by a 503, as too many wait for their clients. Told once in ten
    /// seconds at most.
    ResponseShed {
        /// Bytes that they may have (`process_response_bytes`).
        limit: usize,
    },
    /// A connection was closed at once under pressure. Told once in ten seconds at most.
    ConnectionsRejected {
        /// The level of the pressure.
        reason: String,
        /// Connections rejected so far.
        count: u64,
    },
    /// A connection ended before its first request.
    HandshakeFailed {
        /// Why.
        reason: String,
    },
    /// A connection ended with an error.
    ConnectionFailed {
        /// Why.
        reason: String,
    },
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::HandlerPanicked { method, path, message } => {
                write!(f, "handler panicked on {method} {path}: {message}; answered 500")
            }
            Self::InvalidResponse { reason } => {
                write!(f, "handler made an invalid response: {reason}; answered 500")
            }
            Self::AcceptFailed { error, pause_ms } => {
                write!(f, "cannot accept a connection: {error}; next attempt in {pause_ms} ms")
            }
            Self::WorkerLost { worker } => {
                write!(f, "worker {worker} has ended, and its connections with it")
            }
            Self::Overloaded { delay } => {
                let delay_ms = delay.as_millis();
                write!(f, "overloaded: requests wait {delay_ms} ms, further ones are turned away")
            }
            Self::Relieved { turned_away } => {
                write!(f, "no longer overloaded; {turned_away} requests were turned away")
            }
            Self::ResponseShed { limit } => {
                write!(
                    f,
                    "a large response became a 503: responses that clients have not read yet "
                )?;
                write!(f, "have {limit} bytes (process_response_bytes)")
            }
            Self::ConnectionsRejected { reason, count } => {
                write!(f, "connections are rejected: {reason}; {count} so far")
            }
            Self::HandshakeFailed { reason } => write!(f, "handshake failed: {reason}"),
            Self::ConnectionFailed { reason } => write!(f, "connection failed: {reason}"),
        }
    }
}
