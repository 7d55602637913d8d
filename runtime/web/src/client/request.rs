//! Requests that are put together before they are sent.

use super::arguments::{Checked, bytes, outcome, text};
use bytes::Bytes;
use std::sync::{Mutex, PoisonError};
use valk_heap::{HostObject, Tracer, Value};
use valk_http2::ClientRequest;
use valk_lang::builtins::fail;
use valk_vm::{Arity, NativeFn, Outcome, Vm};

/// A request in the heap. Threads may share it.
struct RequestObject(Mutex<Parts>);

#[derive(Clone)]
struct Parts {
    method: String,
    scheme: String,
    authority: String,
    path: String,
    headers: Vec<(String, Bytes)>,
    body: Bytes,
}

impl HostObject for RequestObject {
    fn trace(&mut self, _: &mut Tracer<'_>) {}
    fn type_name(&self) -> &'static str {
        "http2_request"
    }
}

pub(super) const TABLE: &[(&str, Arity, NativeFn)] = &[
    ("http2/request", Arity::Exactly(4), request),
    ("http2/request-add-header", Arity::Exactly(3), add_header),
    ("http2/request-set-body", Arity::Exactly(2), set_body),
];

/// `(http2/request method scheme authority path)`.
fn request(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let make = |vm: &mut Vm| -> Checked<Outcome> {
        let parts = Parts {
            method: text(vm, arguments[0])?,
            scheme: text(vm, arguments[1])?,
            authority: text(vm, arguments[2])?,
            path: text(vm, arguments[3])?,
            headers: Vec::new(),
            body: Bytes::new(),
        };
        Ok(vm.heap.host(Box::new(RequestObject(Mutex::new(parts)))).into())
    };
    outcome(make(vm))
}

/// Does something with the parts of a request.
fn with_parts<T>(vm: &mut Vm, value: Value, act: impl FnOnce(&mut Parts) -> T) -> Checked<T> {
    let Some(object) = value.host::<RequestObject>(&vm.heap) else {
        return Err(fail(vm, "expected a request, which http2/request makes"));
    };
    Ok(act(&mut object.0.lock().unwrap_or_else(PoisonError::into_inner)))
}

/// `(http2/request-add-header r name value)`: nil. Method and path are no fields: those that begin
/// with a colon are passed over.
fn add_header(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let add = |vm: &mut Vm| -> Checked<Outcome> {
        let (name, value) = (text(vm, arguments[1])?, bytes(vm, arguments[2])?);
        with_parts(vm, arguments[0], |parts| {
            if !name.starts_with(':') {
                parts.headers.push((name, Bytes::from(value)));
            }
        })?;
        Ok(Value::NIL.into())
    };
    outcome(add(vm))
}

/// `(http2/request-set-body r body)`: r.
fn set_body(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let set = |vm: &mut Vm| -> Checked<Outcome> {
        let body = Bytes::from(bytes(vm, arguments[1])?);
        with_parts(vm, arguments[0], |parts| parts.body = body)?;
        Ok(arguments[0].into())
    };
    outcome(set(vm))
}

/// The request of a value, for a server.
pub(super) fn for_server(
    vm: &mut Vm,
    value: Value,
    host: &str,
    port: u16,
) -> Checked<ClientRequest> {
    let Parts { method, scheme, authority, path, headers, body } =
        with_parts(vm, value, |parts| parts.clone())?;
    let is_tls = match scheme.as_str() {
        "https" => true,
        "http" => false,
        _ => {
            let text = format!("a request has the scheme https or http, got {scheme:?}");
            return Err(fail(vm, &text));
        }
    };
    let authority = Some(authority).filter(|authority| !authority.is_empty());
    let plain = ClientRequest::get(is_tls, host, port, &path);
    Ok(ClientRequest { method, authority, headers, body, ..plain })
}
