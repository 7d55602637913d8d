//! Responses as references, and their accessors.

use super::arguments::{Checked, bytes, count, fields, outcome};
use bytes::Bytes;
use valk_heap::{HostObject, Tracer, Value};
use valk_http2::ClientResponse;
use valk_lang::builtins::{fail, new_string, wrong_type};
use valk_vm::{Arity, NativeFn, Outcome, Vm};

/// A response in the heap.
struct ResponseObject {
    /// Text, since a made-up response may have anything.
    status: Vec<u8>,
    headers: Vec<(String, Bytes)>,
    body: Bytes,
    trailers: Vec<(String, Bytes)>,
}

impl HostObject for ResponseObject {
    fn trace(&mut self, _: &mut Tracer<'_>) {}
    fn type_name(&self) -> &'static str {
        "success"
    }
    fn external_bytes(&self) -> usize {
        let of = |fields: &[(String, Bytes)]| {
            fields
                .iter()
                .map(|(name, value)| name.len() + value.len() + size_of::<(String, Bytes)>())
                .sum()
        };
        let (headers, trailers): (usize, usize) = (of(&self.headers), of(&self.trailers));
        self.status.len() + headers + self.body.len() + trailers
    }
}

pub(super) const TABLE: &[(&str, Arity, NativeFn)] = &[
    ("http2/response-status", Arity::Exactly(1), status),
    ("http2/response-body", Arity::Exactly(1), body),
    ("http2/response-headers", Arity::Exactly(1), headers),
    ("http2/response-header", Arity::Exactly(2), header),
    ("http2/response-trailers", Arity::Exactly(1), trailers),
    ("http2/mock-response", Arity::Any, mock),
];

/// A response that arrived, as a value.
pub(super) fn value_of(vm: &mut Vm, response: ClientResponse) -> Value {
    let ClientResponse { status, headers, body, trailers } = response;
    let status = status.to_string().into_bytes();
    vm.heap.host(Box::new(ResponseObject { status, headers, body, trailers }))
}

fn response(vm: &mut Vm, value: Value) -> Checked<&ResponseObject> {
    if value.host::<ResponseObject>(&vm.heap).is_none() {
        return Err(fail(vm, "Argument must be a success ref holding a response"));
    }
    Ok(value.host::<ResponseObject>(&vm.heap).expect("checked above"))
}

fn status(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let status = response(vm, arguments[0]).map(|response| response.status.clone());
    outcome(status.map(|status| new_string(vm, &status)))
}

fn body(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let body = response(vm, arguments[0]).map(|response| response.body.clone());
    outcome(body.map(|body| new_string(vm, &body)))
}

fn headers(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let headers = response(vm, arguments[0]).map(|response| response.headers.clone());
    outcome(headers.map(|headers| pairs(vm, &headers)))
}

fn trailers(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let trailers = response(vm, arguments[0]).map(|response| response.trailers.clone());
    outcome(trailers.map(|trailers| pairs(vm, &trailers)))
}

/// A list of `(name value)`, the field that came last in front.
fn pairs(vm: &mut Vm, fields: &[(String, Bytes)]) -> Outcome {
    let pair = |rest: Value, (name, value): &(String, Bytes)| {
        let value = vm.heap.string(value);
        let tail = vm.heap.cons(value, Value::NIL, false);
        let name = vm.heap.string(name.as_bytes());
        let pair = vm.heap.cons(name, tail, false);
        vm.heap.cons(pair, rest, false)
    };
    fields.iter().fold(Value::NIL, pair).into()
}

/// `(http2/response-header r name)`: the first value of a field, nil without it.
fn header(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let find = |vm: &mut Vm| -> Checked<Outcome> {
        let name = bytes(vm, arguments[1])?;
        let headers = &response(vm, arguments[0])?.headers;
        let named = |field: &&(String, Bytes)| field.0.as_bytes().eq_ignore_ascii_case(&name);
        let value = headers.iter().find(named).map(|(_, value)| value.clone());
        Ok(match value {
            Some(value) => new_string(vm, &value),
            None => Value::NIL.into(),
        })
    };
    outcome(find(vm))
}

/// `(http2/mock-response status body [headers])`: a response that nothing sent.
fn mock(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let make = |vm: &mut Vm| -> Checked<Outcome> {
        if count(vm, arguments, 2, 3).is_err() {
            let text = "http2/mock-response expects 2 or 3 arguments (status body [headers])";
            return Err(fail(vm, text));
        }
        let status = bytes(vm, arguments[0])?;
        let body = Bytes::from(bytes(vm, arguments[1])?);
        let list = arguments.get(2).copied().unwrap_or(Value::NIL);
        if !list.is_list() {
            return Err(wrong_type(vm, list, "List"));
        }
        let (headers, trailers) = (fields(&vm.heap, list), Vec::new());
        Ok(vm.heap.host(Box::new(ResponseObject { status, headers, body, trailers })).into())
    };
    outcome(make(vm))
}
