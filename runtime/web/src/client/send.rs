//! Sending requests.

use super::arguments::{Checked, count, fields, outcome, port, system, text};
use super::client_of;
use super::connect::connected;
use super::options::apply;
use super::outgoing::{DEADLINE_EXCEEDED, add_context};
use super::request::for_server;
use super::response::value_of;
use super::sink::FunctionSink;
use std::sync::Arc;
use std::time::Duration;
use valk_aio::{End, System, cancel, failed, new_operation, settle, settled, spawn_task};
use valk_heap::Value;
use valk_http2::{BodySink, ClientError, ClientRequest, Step};
use valk_lang::builtins::{fail, wrong_type};
use valk_vm::{Arity, NativeFn, Outcome, Vm};

pub(super) const TABLE: &[(&str, Arity, NativeFn)] = &[
    ("http2/client-request", Arity::Any, client_request),
    ("http2/client-request-with-headers", Arity::Any, client_request_with_headers),
    ("http2/client-send", Arity::Any, client_send),
    ("http2/client-fetch", Arity::Any, client_fetch),
];

/// The argument at `index`; nil without it.
fn optional(arguments: &[Value], index: usize) -> Value {
    arguments.get(index).copied().unwrap_or(Value::NIL)
}

/// The request that `host port path` begin, over TLS. It names the host without the port, as it did
/// in older programs.
fn plain(vm: &mut Vm, arguments: &[Value]) -> Checked<ClientRequest> {
    let host = text(vm, arguments[1])?;
    let port = port(vm, arguments[2])?;
    let path = text(vm, arguments[3])?;
    let request = ClientRequest::get(true, &host, port, &path);
    Ok(ClientRequest { authority: Some(request.bracketed_host()), ..request })
}

/// `(http2/client-request system host port path [options])`: a handle of the response.
fn client_request(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let run = |vm: &mut Vm| -> Checked<Outcome> {
        count(vm, arguments, 4, 5)?;
        let system = system(vm, arguments[0])?;
        let request = plain(vm, arguments)?;
        let (request, taker) = apply(vm, "http2/client-request", optional(arguments, 4), request)?;
        Ok(start(vm, system, request, taker))
    };
    outcome(run(vm))
}

/// `(http2/client-request-with-headers system host port path headers [options])`.
fn client_request_with_headers(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let run = |vm: &mut Vm| -> Checked<Outcome> {
        count(vm, arguments, 5, 6)?;
        let system = system(vm, arguments[0])?;
        let request = plain(vm, arguments)?;
        if !arguments[4].is_list() {
            return Err(wrong_type(vm, arguments[4], "List"));
        }
        let headers = fields(&vm.heap, arguments[4]);
        let request = ClientRequest { headers, ..request };
        let name = "http2/client-request-with-headers";
        let (request, taker) = apply(vm, name, optional(arguments, 5), request)?;
        Ok(start(vm, system, request, taker))
    };
    outcome(run(vm))
}

/// `(http2/client-send system host port request [options])`, or
/// `(http2/client-send connection request [options])`.
fn client_send(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let run = |vm: &mut Vm| -> Checked<Outcome> {
        count(vm, arguments, 2, 5)?;
        if let Some((system, base)) = connected(vm, arguments[0]) {
            count(vm, arguments, 2, 3)?;
            let request = for_server(vm, arguments[1], &base.host, base.port)?;
            let (request, taker) = apply(vm, "http2/client-send", optional(arguments, 2), request)?;
            // Where to, and whom to believe there, was decided when it was connected.
            let mut options = valk_http2::RequestOptions::clone(&request.options);
            options.trust = base.options.trust.clone();
            let (is_tls, options) = (base.is_tls, Arc::new(options));
            return Ok(start(vm, system, ClientRequest { is_tls, options, ..request }, taker));
        }
        count(vm, arguments, 4, 5)?;
        let system = system(vm, arguments[0])?;
        let host = text(vm, arguments[1])?;
        let port = port(vm, arguments[2])?;
        let request = for_server(vm, arguments[3], &host, port)?;
        let (request, taker) = apply(vm, "http2/client-send", optional(arguments, 4), request)?;
        Ok(start(vm, system, request, taker))
    };
    outcome(run(vm))
}

/// `(http2/client-fetch system url [options])`.
fn client_fetch(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let run = |vm: &mut Vm| -> Checked<Outcome> {
        count(vm, arguments, 2, 3)?;
        let system = system(vm, arguments[0])?;
        let url = text(vm, arguments[1])?;
        let request = match ClientRequest::from_url(&url) {
            Ok(request) => request,
            Err(error) => return Err(fail(vm, &error.to_string())),
        };
        let (request, taker) = apply(vm, "http2/client-fetch", optional(arguments, 2), request)?;
        Ok(start(vm, system, request, taker))
    };
    outcome(run(vm))
}

/// Sends a request; the handle of its response. `taker` is the function that takes its body.
fn start(vm: &mut Vm, system: System, request: ClientRequest, taker: Option<Value>) -> Outcome {
    let mut request = request;
    let deadline = add_context(vm, &mut request);
    if deadline.is_some_and(|left| left.is_zero()) {
        return failed(vm, DEADLINE_EXCEEDED).into();
    }
    let deadline = deadline.filter(|left| limit(&mut request, *left));
    if system.is_stopping() {
        return settled(vm, End::Cancelled).into();
    }
    let (client, shared) = match client_of(vm, &system) {
        Ok(client) => client,
        Err(problem) => return failed(vm, problem).into(),
    };
    let (handle, abandoned) = new_operation(vm);
    let root = vm.heap.root(handle);
    let taker = taker.map(|function| FunctionSink::new(vm, &shared, function));
    spawn_task(vm, async move {
        let sink = taker.as_ref().map(|taker| taker as &dyn BodySink);
        let sent = tokio::select! {
            biased;
            () = abandoned => None,
            () = system.stop_requested() => None,
            sent = client.send_to(request, sink) => Some(sent),
        };
        drop(taker);
        let vm = &mut *shared.borrow_mut();
        let handle = vm.heap.release(root);
        match sent {
            None => {
                cancel(vm, handle);
            }
            Some(Ok(response)) => {
                let response = value_of(vm, response);
                settle(vm, handle, End::Completed(response));
            }
            Some(Err(error)) => {
                let text = text_of(&error, deadline);
                let error = vm.error(&text);
                settle(vm, handle, End::Failed(error));
            }
        }
    });
    handle.into()
}

/// Shortens the time of a request to `left`. False if it is shorter already.
fn limit(request: &mut ClientRequest, left: Duration) -> bool {
    let is_tighter = request.options.total_timeout.is_none_or(|limit| left < limit);
    if is_tighter {
        Arc::make_mut(&mut request.options).total_timeout = Some(left);
    }
    is_tighter
}

fn text_of(error: &ClientError, deadline: Option<Duration>) -> String {
    match error {
        ClientError::Timeout { step: Step::Total, .. } if deadline.is_some() => {
            DEADLINE_EXCEEDED.to_owned()
        }
        error => error.to_string(),
    }
}
