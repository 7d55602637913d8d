//! Handler results to responses.
//!
//! A property list gives the response: `:status` (number or numeric string), `:body`,
//! `:content-type`, `:cache-control`, and `:headers`, a list of `{name value}` lists. An error value
//! is a 500 with its message. Anything else is an empty 200.

use bytes::Bytes;
use valk_heap::{ERROR_MESSAGE, Heap, Value};
use valk_http2::Response;
use valk_lang::{display, elements};
use valk_vm::{Vm, equal};

/// Content type of a response that names none.
const TEXT: &str = "text/plain; charset=utf-8";

/// Bytes of a string value, display form of anything else.
fn bytes(heap: &Heap, value: Value) -> Bytes {
    match value.as_bytes(heap) {
        Some(bytes) => Bytes::copy_from_slice(bytes),
        None => Bytes::from(display(heap, value)),
    }
}

/// The response for a handler whose work was cancelled.
pub(super) fn cancelled() -> Response {
    Response::text(503, "Request cancelled")
}

/// The response for a handler's value.
pub(super) fn response(vm: &mut Vm, value: Value) -> Response {
    if value.is_error() {
        let body = bytes(&vm.heap, value.field(ERROR_MESSAGE));
        return Response::text(500, body);
    }
    if !value.is_pair() {
        return Response::text(200, Bytes::new());
    }
    match from_list(vm, &elements(value)) {
        Ok(response) => response,
        Err(problem) => Response::text(500, problem),
    }
}

fn from_list(vm: &mut Vm, items: &[Value]) -> Result<Response, String> {
    let get = |vm: &mut Vm, key: &str| {
        let key = vm.heap.intern(key.as_bytes());
        let pair = items.chunks_exact(2).find(|pair| equal(&vm.heap, pair[0], key));
        pair.map(|pair| pair[1])
    };
    let status = match get(vm, ":status") {
        None => 200,
        Some(value) => status(&vm.heap, value)?,
    };
    let mut response = Response::new(status);
    let mut has_type = false;
    if let Some(headers) = get(vm, ":headers") {
        for header in elements(headers) {
            let parts = elements(header);
            let [name, value] = parts[..] else {
                return Err("handler: each of :headers must be a list {name value}".to_string());
            };
            let name = String::from_utf8_lossy(&bytes(&vm.heap, name)).into_owned();
            has_type |= name.eq_ignore_ascii_case("content-type");
            response = response.with_header(name, bytes(&vm.heap, value));
        }
    }
    let content_type = get(vm, ":content-type").map(|value| bytes(&vm.heap, value));
    if !has_type {
        let content_type = content_type.unwrap_or(Bytes::from_static(TEXT.as_bytes()));
        response = response.with_header("content-type", content_type);
    }
    if let Some(value) = get(vm, ":cache-control") {
        response = response.with_header("cache-control", bytes(&vm.heap, value));
    }
    if let Some(body) = get(vm, ":body").filter(|body| !body.is_nil()) {
        response = response.with_body(bytes(&vm.heap, body));
    }
    Ok(response)
}

fn status(heap: &Heap, value: Value) -> Result<u16, String> {
    let number = value.as_integer().or_else(|| {
        let text = std::str::from_utf8(value.as_bytes(heap)?).ok()?;
        text.parse().ok()
    });
    number.and_then(|n| u16::try_from(n).ok()).filter(|n| (200..600).contains(n)).ok_or_else(|| {
        let found = String::from_utf8_lossy(&display(heap, value)).into_owned();
        format!("handler: :status must be a number from 200 to 599, got {found}")
    })
}
