//! Requests as references, and their accessors.

use crate::url::{pairs, query_of};
use std::borrow::Cow;
use std::sync::Arc;
use valk_heap::{HostObject, Tracer, Value};
use valk_http2::Request;
use valk_lang::builtins::fail;
use valk_vm::persistent::map;
use valk_vm::{Arity, NativeFn, Outcome, Vm};

/// A request in the heap, as a handler sees it.
pub(super) struct RequestObject {
    pub(super) request: Arc<Request>,
    /// What routes took from the path, by name.
    parameters: Vec<(String, String)>,
    /// What prefixes left of the path, percent-encoded.
    path: Option<String>,
}

impl RequestObject {
    /// A request that no router has seen.
    pub(super) fn new(request: Request) -> RequestObject {
        RequestObject { request: Arc::new(request), parameters: Vec::new(), path: None }
    }

    /// The path that a router looks at.
    pub(super) fn path_left(&self) -> &str {
        self.path.as_deref().unwrap_or(self.request.path())
    }

    /// The request behind a route with these parameters, and behind a prefix that leaves this path;
    /// nothing if that is the same.
    pub(super) fn routed(
        &self,
        parameters: Vec<(String, String)>,
        path: Option<String>,
    ) -> Option<RequestObject> {
        if parameters.is_empty() && path.is_none() {
            return None;
        }
        let mut all = self.parameters.clone();
        all.retain(|(name, _)| parameters.iter().all(|(newer, _)| newer != name));
        all.extend(parameters);
        let path = path.or_else(|| self.path.clone());
        Some(RequestObject { request: Arc::clone(&self.request), parameters: all, path })
    }
}

impl HostObject for RequestObject {
    fn trace(&mut self, _: &mut Tracer<'_>) {}
    fn type_name(&self) -> &'static str {
        "http_request"
    }
    fn external_bytes(&self) -> usize {
        size_of::<Request>() + self.request.body().len()
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
    ("req/params", Arity::Any, parameters),
    ("req/query", Arity::Any, query),
    ("req/form", Arity::Any, form),
    ("req/json", Arity::Any, json),
];

/// A value made from the request.
type Accessor = fn(&mut Vm, Value) -> Value;

/// Checks the arguments of an accessor and runs it.
fn access(vm: &mut Vm, name: &str, arguments: &[Value], get: Accessor) -> Outcome {
    let [request] = arguments else {
        let given = arguments.len();
        return fail(vm, &format!("req/{name}: expected 1 argument (request), got {given}"));
    };
    if request.host::<RequestObject>(&vm.heap).is_none() {
        return fail(vm, &format!("req/{name}: argument must be http request"));
    }
    get(vm, *request).into()
}

/// A string made from a part of the request.
fn part(vm: &mut Vm, request: Value, get: fn(&Request) -> Option<&[u8]>) -> Value {
    let object = request.host::<RequestObject>(&vm.heap).expect("checked by access");
    match get(&object.request).map(<[u8]>::to_vec) {
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
        Value::fixnum(i64::from(object.request.stream_id()))
    })
}

fn headers(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    access(vm, "headers", arguments, |vm, request| {
        let object = request.host::<RequestObject>(&vm.heap).expect("checked by access");
        let fields: Vec<(Vec<u8>, Vec<u8>)> = object
            .request
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
    let value = object.request.header(&String::from_utf8_lossy(name)).map(Cow::into_owned);
    match value {
        Some(bytes) => vm.heap.string(&bytes).into(),
        None => Value::NIL.into(),
    }
}

/// The pairs of a request that programs see as a map, or one of them by its name.
fn named(
    vm: &mut Vm,
    name: &str,
    arguments: &[Value],
    get: impl FnOnce(&RequestObject) -> Vec<(String, String)>,
) -> Outcome {
    let (request, wanted) = match *arguments {
        [request] => (request, None),
        [request, wanted] => (request, Some(wanted)),
        _ => {
            let given = arguments.len();
            return fail(
                vm,
                &format!("req/{name}: expected 1-2 arguments (request [name]), got {given}"),
            );
        }
    };
    let Some(object) = request.host::<RequestObject>(&vm.heap) else {
        return fail(vm, &format!("req/{name}: first argument must be http request"));
    };
    let pairs = get(object);
    let Some(wanted) = wanted else {
        let mut all = map::new(&mut vm.heap);
        for (name, value) in pairs {
            let (name, value) = (vm.heap.string(name.as_bytes()), vm.heap.string(value.as_bytes()));
            all = map::set(&mut vm.heap, all, name, value);
        }
        return all.into();
    };
    let Some(wanted) = wanted.as_bytes(&vm.heap) else {
        return fail(vm, &format!("req/{name}: second argument must be string"));
    };
    match pairs.iter().rev().find(|(name, _)| name.as_bytes() == wanted) {
        Some((_, value)) => vm.heap.string(value.as_bytes()).into(),
        None => Value::NIL.into(),
    }
}

fn parameters(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    named(vm, "params", arguments, |object| object.parameters.clone())
}

fn query(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    named(vm, "query", arguments, |object| pairs(query_of(object.request.path())))
}

fn form(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    named(vm, "form", arguments, |object| pairs(&String::from_utf8_lossy(object.request.body())))
}

fn json(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let text = match body(vm, arguments) {
        Outcome::Value(text) if text.is_nil() => {
            return fail(vm, "req/json: the request has no body");
        }
        Outcome::Value(text) if !text.is_error() => text,
        other => return other,
    };
    let decode = vm.builtin("json/decode-map").expect("a core builtin");
    Outcome::Call(decode, vec![text])
}
