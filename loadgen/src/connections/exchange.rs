//! One request and its complete response on an HTTP/2 connection, with its clocks.

use std::future::poll_fn;

use bytes::Bytes;
use h2::SendStream;
use h2::client::SendRequest;
use http::Request;

use crate::recording::clock::{Clock, Stamps};
use crate::recording::error_kind::ErrorKind;
use crate::requests::checks::BodyCheck;
use crate::requests::template::Template;

/// The kind of a failure, and whether a response head had arrived.
pub type Failure = (ErrorKind, bool);

/// A complete answer that passed the checks.
#[derive(Clone, Copy, Debug)]
pub struct Answer {
    /// Its clocks.
    pub stamps: Stamps,
    /// Length of its body.
    pub body_bytes: u64,
    /// Its status.
    pub status: u16,
}

/// Most bytes that wait for the server's window in one stream.
pub const UPLOAD_PART: usize = 64 * 1024;

/// Sends a request of the template and reads the response to its end.
///
/// A body shorter or longer than its `content-length` is found by h2 and arrives as a protocol error.
///
/// # Errors
/// The kind of whatever went wrong.
pub async fn exchange(
    sender: &mut SendRequest<Bytes>,
    template: &Template,
    path: usize,
    intended: u64,
    clock: Clock,
) -> Result<Answer, Failure> {
    let before_head = |e: h2::Error| (ErrorKind::from(&e), false);
    // Pending while the server's limit of concurrent streams is reached.
    poll_fn(|cx| sender.poll_ready(cx)).await.map_err(before_head)?;
    let request: Request<()> = template.request(path);
    let (response, stream) =
        sender.send_request(request, template.body.is_empty()).map_err(before_head)?;
    let sent = clock.now_ns();
    // The response may come before the whole body has left; then the rest is of no interest.
    let upload = upload(stream, template.body.clone());
    let mut response = std::pin::pin!(response);
    let head = tokio::select! {
        biased;
        head = &mut response => head,
        _ = upload => response.await,
    };
    let head = head.map_err(before_head)?;
    let first = clock.now_ns();
    let (head, mut body) = head.into_parts();
    let mut check = BodyCheck::default();
    let mut last = first;
    if !body.is_end_stream() {
        while let Some(chunk) = body.data().await {
            let chunk = chunk.map_err(|e| (ErrorKind::from(&e), true))?;
            check.feed(&template.checks, &chunk);
            // Fails only when the stream is already closed, when there is no window to return.
            let _ = body.flow_control().release_capacity(chunk.len());
        }
        last = clock.now_ns();
    }
    let status = head.status.as_u16();
    if let Some(kind) = check.verdict(&template.checks, status) {
        return Err((kind, true));
    }
    let stamps = Stamps { intended, sent, first, last };
    Ok(Answer { stamps, body_bytes: check.bytes(), status })
}

/// Sends a body as the server's windows allow. Nothing comes back if the stream ended before it.
async fn upload(mut stream: SendStream<Bytes>, mut rest: Bytes) -> Option<()> {
    while !rest.is_empty() {
        stream.reserve_capacity(rest.len().min(UPLOAD_PART));
        let granted = poll_fn(|cx| stream.poll_capacity(cx)).await?.ok()?;
        let part = rest.split_to(granted.min(rest.len()));
        stream.send_data(part, rest.is_empty()).ok()?;
    }
    Some(())
}
