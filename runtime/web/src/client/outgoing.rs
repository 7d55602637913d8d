//! What a request takes along of the context that it is sent in: the counterpart of
//! [`context`](crate::context), which reads it.

use bytes::Bytes;
use std::time::Duration;
use valk_http2::ClientRequest;
use valk_lang::{current_trace, remaining_deadline};
use valk_vm::Vm;

/// The error of a request whose context's deadline has passed.
pub(super) const DEADLINE_EXCEEDED: &str = ":deadline-exceeded";

/// Adds the fields of the running fiber's context that the request does not have. Gives the time
/// until the deadline, if there is one.
pub(super) fn add_context(vm: &mut Vm, request: &mut ClientRequest) -> Option<Duration> {
    let deadline = remaining_deadline(vm);
    let mut add = |name: &str, value: String| {
        let is_given = request.headers.iter().any(|(given, _)| given.eq_ignore_ascii_case(name));
        if !is_given {
            request.headers.push((name.to_owned(), Bytes::from(value)));
        }
    };
    if let Some((trace, span)) = current_trace(vm) {
        add("x-trace-id", trace.to_string());
        add("x-span-id", span.to_string());
        add("traceparent", format!("00-{trace:032x}-{span:016x}-01"));
    }
    if let Some(deadline) = deadline {
        // 0 says nothing to a server.
        add("x-deadline-ms", deadline.as_millis().max(1).to_string());
    }
    deadline
}
