//! One request on a stream of a connection, and its response.
//!
//! 1. Body and response are independent: a server may answer before it has read the request, and
//!    may stop reading it then.
//! 2. Every wait has a timer: until the head, and between any two parts of a body.
//! 3. Dropping an exchange resets its stream with `CANCEL`.

use std::time::Duration;

use bytes::Bytes;
use h2::client::ResponseFuture;
use h2::{Reason, RecvStream, SendStream};
use http::HeaderMap;
use http::header::CONTENT_LENGTH;
use tokio::time::sleep;

use super::error::{ClientError, Step};
use super::message::{BodySink, ClientRequest, ClientResponse, RequestOptions, received};
use super::pool::Lease;

/// Why an exchange has failed.
pub(super) struct Failure {
    pub error: ClientError,
    pub evidence: Evidence,
}

/// What is known of a failed request (RFC 9113 section 8.7).
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Evidence {
    /// The server has not processed it: it was not sent, or the connection ended before its turn.
    Unprocessed,
    /// The server has not processed it because it refuses to.
    Refused,
    /// It may have been processed.
    None,
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        Self { error, evidence: Evidence::None }
    }
}

impl From<h2::Error> for Failure {
    fn from(error: h2::Error) -> Self {
        // The framing layer ends a stream so only if it lies behind the last one that a GOAWAY
        // names.
        let evidence = if error.is_go_away() && error.is_remote() {
            Evidence::Unprocessed
        } else if error.is_remote() && error.reason() == Some(Reason::REFUSED_STREAM) {
            Evidence::Refused
        } else {
            Evidence::None
        };
        Self { error: stream_error(&error), evidence }
    }
}

fn stream_error(error: &h2::Error) -> ClientError {
    let Some(reason) = error.reason().filter(|_| error.is_reset()) else {
        let hint = if error.is_go_away() && !error.is_remote() {
            "; what came is not HTTP/2, or more than is allowed"
        } else {
            ""
        };
        return ClientError::ConnectionClosed { reason: format!("{error}{hint}") };
    };
    let is_own = error.is_library() && !error.is_remote();
    ClientError::Reset {
        name: format!("{reason:?}"),
        code: reason.into(),
        reason: if is_own { "the response is malformed, or its headers are too large" } else { "" },
    }
}

/// Sends `request` on the lease's stream and waits for the whole response. Its body goes to `sink`,
/// if there is one.
pub(super) async fn exchange(
    lease: &Lease,
    request: &ClientRequest,
    head: http::Request<()>,
    sink: Option<&dyn BodySink>,
) -> Result<ClientResponse, Failure> {
    let (response, upload) = send_head(lease, request, head).await?;
    let mut exchange = Exchange { lease, options: &request.options, upload };
    let (head, body) = exchange.head(response).await?;
    // What follows a redirect has the body that is wanted.
    let is_passed_over = request.options.redirects > 0 && head.status.is_redirection();
    let received = exchange.body(head, body, sink.filter(|_| !is_passed_over)).await;
    // A server that has begun to answer has processed the request, whatever it says later.
    received.map_err(|failure| Failure { evidence: Evidence::None, ..failure })
}

async fn send_head(
    lease: &Lease,
    request: &ClientRequest,
    head: http::Request<()>,
) -> Result<(ResponseFuture, Upload), Failure> {
    let trailers = request.trailer_map()?;
    let unsent = |error: ClientError| Failure { error, evidence: Evidence::Unprocessed };
    let sender = lease.sender().ok_or_else(|| unsent(ClientError::Closed))?;
    let sending = async {
        let mut sender = sender.ready().await?;
        let is_whole = request.body.is_empty() && trailers.is_none();
        sender.send_request(head, is_whole).map(|sent| (sent, is_whole))
    };
    match sending.await {
        Ok(((response, stream), is_whole)) => {
            let rest = (!is_whole).then(|| request.body.clone());
            Ok((response, Upload { stream, rest, trailers }))
        }
        Err(error) => {
            // The connection takes no further requests; another will.
            lease.retire();
            Err(unsent(stream_error(&error)))
        }
    }
}

/// What is still to be sent of a request.
struct Upload {
    stream: SendStream<Bytes>,
    /// The rest of the body; `None` when nothing is left to send.
    rest: Option<Bytes>,
    trailers: Option<HeaderMap>,
}

impl Upload {
    /// Sends the next part, once the server's windows allow it.
    async fn step(&mut self) {
        let Some(rest) = &mut self.rest else { return std::future::pending().await };
        if !rest.is_empty() {
            // Reserved window is taken from other streams: only what can be sent at once.
            self.stream.reserve_capacity(rest.len().min(64 * 1024));
            let window = std::future::poll_fn(|cx| self.stream.poll_capacity(cx)).await;
            let Some(Ok(bytes)) = window else { return self.rest = None };
            let part = rest.split_to(bytes.min(rest.len()));
            let is_last = rest.is_empty() && self.trailers.is_none();
            if self.stream.send_data(part, is_last).is_err() || is_last {
                self.rest = None;
            }
            return;
        }
        self.rest = None;
        if let Some(trailers) = self.trailers.take() {
            // Fails only when the stream has ended, which the response tells.
            let _ = self.stream.send_trailers(trailers);
        }
    }
}

struct Exchange<'r> {
    lease: &'r Lease,
    options: &'r RequestOptions,
    upload: Upload,
}

impl Exchange<'_> {
    fn timed_out(&self, step: Step, limit: Duration) -> Failure {
        self.lease.retire_if_silent();
        ClientError::Timeout { step, limit }.into()
    }

    async fn head(
        &mut self,
        response: ResponseFuture,
    ) -> Result<(http::response::Parts, RecvStream), Failure> {
        let mut response = response;
        loop {
            let (step, limit) = match self.upload.rest {
                Some(_) => (Step::Progress, self.options.idle_timeout),
                None => (Step::Headers, self.options.headers_timeout),
            };
            tokio::select! {
                biased;
                response = &mut response => return Ok(response?.into_parts()),
                () = self.upload.step() => {}
                () = sleep(limit) => return Err(self.timed_out(step, limit)),
            }
        }
    }

    async fn body(
        mut self,
        head: http::response::Parts,
        mut body: RecvStream,
        sink: Option<&dyn BodySink>,
    ) -> Result<ClientResponse, Failure> {
        let limit_bytes = self.options.response_bytes_max;
        let too_large = || Failure::from(ClientError::ResponseTooLarge { limit_bytes });
        let stated = head.headers.get(CONTENT_LENGTH);
        let stated = stated.and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
        let is_too_large = stated.is_some_and(|bytes| bytes > limit_bytes as u64);
        if sink.is_none() && is_too_large && !body.is_end_stream() {
            return Err(too_large());
        }
        let mut whole = Vec::new();
        let idle = self.options.idle_timeout;
        loop {
            tokio::select! {
                biased;
                chunk = body.data() => {
                    let Some(chunk) = chunk else { break };
                    let chunk = chunk?;
                    let bytes = chunk.len();
                    if bytes == 0 {
                        continue;
                    }
                    if let Some(sink) = sink {
                        // As slow as it likes: the server is not asked for more meanwhile.
                        sink.take(chunk).await.map_err(|reason| ClientError::Sink { reason })?;
                        let _ = body.flow_control().release_capacity(bytes);
                        continue;
                    }
                    if whole.len() + chunk.len() > limit_bytes {
                        return Err(too_large());
                    }
                    whole.extend_from_slice(&chunk);
                    // Fails only for more than was received.
                    let _ = body.flow_control().release_capacity(bytes);
                }
                () = self.upload.step() => {}
                () = sleep(idle) => return Err(self.timed_out(Step::Progress, idle)),
            }
        }
        let trailers = tokio::select! {
            biased;
            trailers = body.trailers() => trailers?,
            () = sleep(idle) => return Err(self.timed_out(Step::Progress, idle)),
        };
        Ok(ClientResponse {
            status: head.status.as_u16(),
            headers: received(&head.headers),
            body: Bytes::from(whole),
            trailers: trailers.as_ref().map(received).unwrap_or_default(),
        })
    }
}
