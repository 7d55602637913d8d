//! Handler results to responses.
//!
//! A property list or a map gives the response: `:status` (number or numeric string), `:body`,
//! `:content-type`, `:cache-control`, and `:headers`, a list of `{name value}` lists or a map; nil is an
//! empty 200. An error value, as the whole or as a part, is a 500 with its message. Anything else is a
//! mistake of the handler: a 500 that says so. Each 500 is a line of the log, and so is a key that means
//! nothing.

use super::LOG_TARGET;
use bytes::Bytes;
use std::fmt::Display;
use valk_heap::{ERROR_MESSAGE, Heap, Kind, Value};
use valk_http2::Response;
use valk_lang::{display, elements, nearest, repr};
use valk_vm::persistent::map;
use valk_vm::{Vm, type_name};

/// Content type of a response that names none.
const TEXT: &str = "text/plain; charset=utf-8";

/// Content type of a stream that names none.
const BYTES: &str = "application/octet-stream";

/// What a response may say.
const KEYS: [&str; 5] = [":status", ":body", ":content-type", ":cache-control", ":headers"];

/// Characters of a handler's value that the log shows.
const SHOWN_CHARACTERS: usize = 200;

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

/// The response for a handler that had none in its time.
pub(super) fn out_of_time() -> Response {
    Response::text(503, "the handler gave no response in time\n")
}

/// The response for a handler's value. `who` names the handler and its request in the log.
pub(super) fn response(vm: &mut Vm, value: Value, who: &dyn Display) -> Response {
    match from_value(vm, value) {
        Ok(response) => response,
        Err(Problem::Error(error)) => {
            let text = shortened(repr(&vm.heap, error));
            tracing::warn!(target: LOG_TARGET, "{who} returned an error: {text}; answered 500");
            Response::text(500, bytes(&vm.heap, error.field(ERROR_MESSAGE)))
        }
        Err(Problem::Mistake(text)) => {
            let returned = String::from_utf8_lossy(&display(&vm.heap, value)).into_owned();
            let returned = shortened(returned);
            tracing::warn!(target: LOG_TARGET, "{who} returned {returned}: {text}; answered 500");
            Response::text(500, text)
        }
    }
}

/// The beginning of a text that may be a whole page.
fn shortened(text: String) -> String {
    match text.char_indices().nth(SHOWN_CHARACTERS) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text,
    }
}

/// Why a value is no response.
enum Problem {
    /// It is an error value, or has one as a part.
    Error(Value),
    /// It is something else.
    Mistake(String),
}

impl From<String> for Problem {
    fn from(text: String) -> Problem {
        Problem::Mistake(text)
    }
}

/// Keys and values in turn: those of a property list or a map.
fn items(vm: &Vm, value: Value) -> Result<Vec<Value>, Problem> {
    if value.is_error() {
        return Err(Problem::Error(value));
    }
    if value.kind() == Kind::Map {
        let entries = map::entries(&vm.heap, value).into_iter();
        return Ok(entries.flat_map(|(key, value)| [key, value]).collect());
    }
    if value.is_list() {
        return Ok(elements(value));
    }
    let found = type_name(value);
    let text = format!("handler: a response must be a property list or a map, got {found}");
    Err(Problem::Mistake(text))
}

/// The head of a streamed response, from a property list or a map: as a response without a body.
pub(super) fn stream_head(vm: &mut Vm, value: Value) -> Result<Response, String> {
    match with_default_type(vm, value, BYTES) {
        Ok(head) => Ok(Response { body: Bytes::new(), ..head }),
        Err(Problem::Error(error)) => Err(display_text(&vm.heap, error)),
        Err(Problem::Mistake(text)) => Err(text.trim_start_matches("handler: ").to_owned()),
    }
}

fn display_text(heap: &Heap, value: Value) -> String {
    String::from_utf8_lossy(&display(heap, value)).into_owned()
}

fn from_value(vm: &mut Vm, value: Value) -> Result<Response, Problem> {
    with_default_type(vm, value, TEXT)
}

/// The response of a value, whose content type is `default` unless it says otherwise.
fn with_default_type(
    vm: &mut Vm,
    value: Value,
    default: &'static str,
) -> Result<Response, Problem> {
    let items = items(vm, value)?;
    if let Some(error) = items.iter().find(|item| item.is_error()) {
        return Err(Problem::Error(*error));
    }
    check_keys(vm, &items)?;
    let get = |vm: &Vm, key: &str| {
        let is_key = |item: Value| {
            item.as_symbol().is_some_and(|symbol| vm.heap.symbols().name(symbol) == key.as_bytes())
        };
        items.chunks_exact(2).find(|pair| is_key(pair[0])).map(|pair| pair[1])
    };
    let status = match get(vm, ":status") {
        None => 200,
        Some(value) => status(&vm.heap, value)?,
    };
    let mut response = Response::new(status);
    let mut has_type = false;
    if let Some(headers) = get(vm, ":headers") {
        for (name, value) in fields(vm, headers)? {
            let name = String::from_utf8_lossy(&bytes(&vm.heap, name)).into_owned();
            has_type |= name.eq_ignore_ascii_case("content-type");
            response = response.with_header(name, bytes(&vm.heap, value));
        }
    }
    let content_type = get(vm, ":content-type").map(|value| bytes(&vm.heap, value));
    // Where there is no content the default would change what a cache knows of the resource.
    let default = (!matches!(status, 204 | 304)).then_some(Bytes::from_static(default.as_bytes()));
    if let Some(content_type) = content_type.or(default).filter(|_| !has_type) {
        response = response.with_header("content-type", content_type);
    }
    if let Some(value) = get(vm, ":cache-control") {
        response = response.with_header("cache-control", bytes(&vm.heap, value));
    }
    if let Some(body) = get(vm, ":body").filter(|body| !body.is_nil()) {
        if Vm::is_function(body) {
            return Err(Problem::Mistake("handler: :body must be text, got Function".to_owned()));
        }
        response = response.with_body(bytes(&vm.heap, body));
    }
    Ok(response)
}

/// Checks that keys are symbols, and tells of those that mean nothing.
fn check_keys(vm: &Vm, items: &[Value]) -> Result<(), String> {
    for pair in items.chunks(2) {
        let Some(symbol) = pair[0].as_symbol() else {
            let found = display_text(&vm.heap, pair[0]);
            return Err(format!(
                "handler: the keys of a response are such as :status, got {found}"
            ));
        };
        let name = String::from_utf8_lossy(vm.heap.symbols().name(symbol)).into_owned();
        if !name.starts_with(':') || pair.len() == 1 {
            let text =
                format!("handler: a response is keys and values such as :status 200, got {name}");
            return Err(text);
        }
        if !KEYS.contains(&name.as_str()) {
            let hint = nearest(&name, KEYS.into_iter())
                .first()
                .map(|near| format!("; did you mean {near}?"));
            let hint = hint.unwrap_or_default();
            tracing::warn!(target: LOG_TARGET, "a response has the key {name}, which means nothing{hint}");
        }
    }
    Ok(())
}

/// Names and values of `:headers`.
fn fields(vm: &Vm, headers: Value) -> Result<Vec<(Value, Value)>, Problem> {
    let pairs = match headers.kind() {
        Kind::Map => map::entries(&vm.heap, headers),
        _ if headers.is_list() => {
            let pair = |header| match elements(header)[..] {
                [name, value] => Ok((name, value)),
                _ => Err("handler: each of :headers must be a list {name value}".to_owned()),
            };
            elements(headers).into_iter().map(pair).collect::<Result<_, String>>()?
        }
        _ => {
            let found = type_name(headers);
            let text =
                format!("handler: :headers must be a list of {{name value}} or a map, got {found}");
            return Err(Problem::Mistake(text));
        }
    };
    let error = pairs.iter().flat_map(|(name, value)| [*name, *value]).find(|part| part.is_error());
    error.map_or(Ok(pairs), |error| Err(Problem::Error(error)))
}

fn status(heap: &Heap, value: Value) -> Result<u16, String> {
    let number = value.as_integer().or_else(|| {
        let text = std::str::from_utf8(value.as_bytes(heap)?).ok()?;
        text.parse().ok()
    });
    number.and_then(|n| u16::try_from(n).ok()).filter(|n| (200..600).contains(n)).ok_or_else(|| {
        let found = display_text(heap, value);
        format!("handler: :status must be a number from 200 to 599, got {found}")
    })
}
