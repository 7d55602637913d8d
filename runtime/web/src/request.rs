//! Requests as references, and their accessors.

use std::borrow::Cow;
use valk_heap::{HostObject, Tracer, Value};
use valk_http2::Request;
use valk_lang::builtins::fail;
use valk_vm::{Arity, NativeFn, Outcome, Vm};

/// A request in the heap.
pub(super) struct RequestObject(pub(super) Request);

impl HostObject for RequestObject {
    fn trace(&mut self, _: &mut Tracer<'_>) {}
    fn type_name(&self) -> &'static str {
        "http_request"
    }
    fn external_bytes(&self) -> usize {
        size_of::<Request>() + self.0.body().len()
    }
}

pub(super) const TABLE: &[(&str, Arity, NativeFn)] = &[
    ("req/method", Arity::Any, method),
    ("req/path", Arity::Any, path),
    ("req/authority", Arity::Any, authority),
    ("req/scheme", Arity::Any, scheme),
    ("req/headers", Arity::Any, headers),
    ("req/header", Arity::Any, header),
    ("req/body", Arity::Any, body),
    ("req/stream-id", Arity::Any, stream_id),
];

/// A value made from the request.
type Accessor = fn(&mut Vm, Value) -> Value;

/// Checks the arguments of an accessor and runs it.
fn access(vm: &mut Vm, name: &str, arguments: &[Value], get: Accessor) -> Outcome {
    let [request] = arguments else {
        let given = arguments.len();
        return fail(vm, &format!("req/{name}: expected 1 argument (request), got {given}"));
    };
    if request.is_error() {
        return (*request).into();
    }
    if request.host::<RequestObject>(&vm.heap).is_none() {
        return fail(vm, &format!("req/{name}: argument must be http request"));
    }
    get(vm, *request).into()
}

/// A string made from a part of the request.
fn part(vm: &mut Vm, request: Value, get: fn(&Request) -> Option<&[u8]>) -> Value {
    let object = request.host::<RequestObject>(&vm.heap).expect("checked by access");
    match get(&object.0).map(<[u8]>::to_vec) {
        Some(bytes) => vm.heap.string(&bytes),
        None => Value::NIL,
    }
}

fn method(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    access(vm, "method", arguments, |vm, r| part(vm, r, |r| Some(r.method().as_bytes())))
}

fn path(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    access(vm, "path", arguments, |vm, r| part(vm, r, |r| Some(r.path().as_bytes())))
}

fn authority(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    access(vm, "authority", arguments, |vm, r| part(vm, r, |r| r.authority().map(str::as_bytes)))
}

fn scheme(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    access(vm, "scheme", arguments, |vm, r| part(vm, r, |r| Some(r.scheme().as_bytes())))
}

fn body(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    access(vm, "body", arguments, |vm, r| {
        part(vm, r, |r| Some(&r.body()[..]).filter(|body| !body.is_empty()))
    })
}

fn stream_id(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    access(vm, "stream-id", arguments, |vm, r| {
        let object = r.host::<RequestObject>(&vm.heap).expect("checked by access");
        Value::fixnum(i64::from(object.0.stream_id()))
    })
}

fn headers(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    access(vm, "headers", arguments, |vm, request| {
        let object = request.host::<RequestObject>(&vm.heap).expect("checked by access");
        let fields: Vec<(Vec<u8>, Vec<u8>)> = object
            .0
            .headers()
            .map(|(name, value)| (name.as_bytes().to_vec(), value.to_vec()))
            .collect();
        fields.iter().rev().fold(Value::NIL, |rest, (name, value)| {
            let value = vm.heap.string(value);
            let tail = vm.heap.cons(value, Value::NIL, true);
            let name = vm.heap.string(name);
            let pair = vm.heap.cons(name, tail, true);
            vm.heap.cons(pair, rest, true)
        })
    })
}

fn header(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let [request, name] = arguments else {
        let given = arguments.len();
        return fail(vm, &format!("req/header: expected 2 arguments (request name), got {given}"));
    };
    let Some(object) = request.host::<RequestObject>(&vm.heap) else {
        return fail(vm, "req/header: first argument must be http request");
    };
    let Some(name) = name.as_bytes(&vm.heap) else {
        return fail(vm, "req/header: second argument must be string");
    };
    let value = object.0.header(&String::from_utf8_lossy(name)).map(Cow::into_owned);
    match value {
        Some(bytes) => vm.heap.string(&bytes).into(),
        None => Value::NIL.into(),
    }
}
