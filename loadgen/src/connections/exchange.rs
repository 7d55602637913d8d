//! One request and its complete response on an HTTP/2 connection, with its clocks.

use std::future::poll_fn;

use bytes::Bytes;
use h2::client::SendRequest;
use http::Request;

use crate::recording::clock::{Clock, Stamps};
use crate::recording::error_kind::ErrorKind;

/// The kind of a failure, and the protocol if a response head had arrived.
pub type Failure = (ErrorKind, Option<&'static str>);

/// A complete answer.
#[derive(Clone, Copy, Debug)]
pub struct Answer {
    /// Its clocks.
    pub stamps: Stamps,
    /// Length of its body.
    pub body_bytes: u64,
}

/// Sends a request without a body and reads the response to its end.
///
/// A body shorter or longer than its `content-length` is found by h2 and arrives as a protocol error.
///
/// # Errors
/// The kind of whatever went wrong.
pub async fn exchange(
    sender: &mut SendRequest<Bytes>,
    request: Request<()>,
    intended: u64,
    clock: Clock,
) -> Result<Answer, Failure> {
    let before_head = |e: h2::Error| (ErrorKind::from(&e), None);
    // Pending while the server's limit of concurrent streams is reached.
    poll_fn(|cx| sender.poll_ready(cx)).await.map_err(before_head)?;
    let (response, _) = sender.send_request(request, true).map_err(before_head)?;
    let sent = clock.now_ns();
    let response = response.await.map_err(before_head)?;
    let first = clock.now_ns();
    let protocol = Some("HTTP/2");
    let (head, mut body) = response.into_parts();
    let mut body_bytes = 0;
    let mut last = first;
    if !body.is_end_stream() {
        while let Some(chunk) = body.data().await {
            let chunk = chunk.map_err(|e| (ErrorKind::from(&e), protocol))?;
            body_bytes += chunk.len() as u64;
            // Fails only when the stream is already closed, when there is no window to return.
            let _ = body.flow_control().release_capacity(chunk.len());
        }
        last = clock.now_ns();
    }
    if let Some(kind) = ErrorKind::of_status(head.status.as_u16()) {
        return Err((kind, protocol));
    }
    Ok(Answer { stamps: Stamps { intended, sent, first, last }, body_bytes })
}
