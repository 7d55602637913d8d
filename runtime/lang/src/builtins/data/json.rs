//! JSON (RFC 8259) and values.
//!
//! | JSON | value |
//! |---|---|
//! | object | quoted property list: `:key value …`, in the order of the text |
//! | array | quoted list |
//! | string, integer | String, Number |
//! | true, false, null | 1, 0, nil |
//!
//! `json/decode-map` makes maps with strings as keys, and vectors: they come back as themselves,
//! and names from outside do not become symbols, which live for ever.
//!
//! 1. A list that starts with a keyword is an object, any other an array, nil is `null`: an empty
//!    object or array does not come back as itself, nor do booleans.
//! 2. Decoding refuses numbers that are no 64-bit integers and nesting beyond what the parser
//!    allows (128 levels); encoding refuses what has no JSON form and says what it met.

use super::strings::new_string;
use crate::builtins::row::{Row, fail, string};
use crate::compile::elements;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use std::fmt;
use valk_heap::{Kind, Value};
use valk_vm::persistent::{map, vector};
use valk_vm::{Arity, Outcome, Vm, type_name};

pub(super) const TABLE: &[Row] = &[
    ("json/encode", Arity::Exactly(1), encode),
    ("json/decode", Arity::Exactly(1), decode),
    ("json/decode-map", Arity::Exactly(1), decode_map),
];

/// Deepest nesting that is encoded, in lists.
pub(crate) const DEPTH_MAX: usize = 128;

/// What was read, in the order of the text.
enum Json {
    Null,
    Number(i64),
    Text(String),
    Array(Vec<Json>),
    Object(Vec<(String, Json)>),
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Json, D::Error> {
        deserializer.deserialize_any(JsonVisitor)
    }
}

struct JsonVisitor;

impl<'de> Visitor<'de> for JsonVisitor {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON with integers only")
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Number(i64::from(value)))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Json, E> {
        Ok(Json::Number(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Json, E> {
        let number = i64::try_from(value);
        number.map(Json::Number).map_err(|_| E::custom("a number does not fit 64 bits"))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Json, E> {
        Err(E::custom(format_args!("{value} is no 64-bit integer")))
    }

    fn visit_str<E>(self, value: &str) -> Result<Json, E> {
        Ok(Json::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Json, A::Error> {
        let mut array = Vec::new();
        while let Some(item) = items.next_element()? {
            array.push(item);
        }
        Ok(Json::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Json, A::Error> {
        let mut object = Vec::new();
        while let Some(entry) = entries.next_entry()? {
            object.push(entry);
        }
        Ok(Json::Object(object))
    }
}

fn decode(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let text = string!(vm, arguments[0]);
    match serde_json::from_slice::<Json>(&text) {
        Ok(json) => value(vm, &json).into(),
        Err(error) => fail(vm, &format!("json/decode: {error}")),
    }
}

fn decode_map(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let text = string!(vm, arguments[0]);
    match serde_json::from_slice::<Json>(&text) {
        Ok(json) => collection(vm, &json).into(),
        Err(error) => fail(vm, &format!("json/decode-map: {error}")),
    }
}

/// The value for what was read, of maps and vectors; as deep as the parser allows.
fn collection(vm: &mut Vm, json: &Json) -> Value {
    match json {
        Json::Array(items) => {
            let items: Vec<Value> = items.iter().map(|item| collection(vm, item)).collect();
            vector::from_slice(&mut vm.heap, &items)
        }
        Json::Object(entries) => {
            let mut object = map::new(&mut vm.heap);
            for (key, item) in entries {
                let key = vm.heap.string(key.as_bytes());
                let item = collection(vm, item);
                object = map::set(&mut vm.heap, object, key, item);
            }
            object
        }
        plain => value(vm, plain),
    }
}

/// The value for what was read; as deep as the parser allows.
fn value(vm: &mut Vm, json: &Json) -> Value {
    match json {
        Json::Null => Value::NIL,
        Json::Number(number) => vm.heap.integer(*number),
        Json::Text(text) => vm.heap.string(text.as_bytes()),
        Json::Array(items) => items.iter().rev().fold(Value::NIL, |rest, item| {
            let item = value(vm, item);
            vm.heap.cons(item, rest, true)
        }),
        Json::Object(entries) => entries.iter().rev().fold(Value::NIL, |rest, (key, item)| {
            let item = value(vm, item);
            let rest = vm.heap.cons(item, rest, true);
            let key = vm.heap.intern(format!(":{key}").as_bytes());
            vm.heap.cons(key, rest, true)
        }),
    }
}

fn encode(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    if arguments[0].is_error() {
        return arguments[0].into();
    }
    let mut out = Vec::new();
    match write(vm, arguments[0], 0, &mut out) {
        Ok(()) => new_string(vm, &out),
        Err(problem) => fail(vm, &format!("json/encode: {problem}")),
    }
}

/// Appends the JSON of a value.
fn write(vm: &Vm, value: Value, depth: usize, out: &mut Vec<u8>) -> Result<(), String> {
    if let Some(number) = value.as_integer() {
        out.extend_from_slice(number.to_string().as_bytes());
        return Ok(());
    }
    if let Some(bytes) = value.as_bytes(&vm.heap) {
        return write_text(bytes, out);
    }
    if let Some(symbol) = value.as_symbol() {
        return write_text(name(vm.heap.symbols().name(symbol)), out);
    }
    if value.is_nil() {
        out.extend_from_slice(b"null");
        return Ok(());
    }
    if depth == DEPTH_MAX {
        return Err(format!("values are nested deeper than {DEPTH_MAX}"));
    }
    match value.kind() {
        Kind::Vector => write_array(vm, &vector::elements(&vm.heap, value), depth, out),
        Kind::Map => write_map(vm, value, depth, out),
        Kind::Pair if value.head().is_keyword() => write_object(vm, &elements(value), depth, out),
        Kind::Pair => write_array(vm, &elements(value), depth, out),
        _ => Err(format!("{} has no JSON form", type_name(value))),
    }
}

fn write_array(vm: &Vm, items: &[Value], depth: usize, out: &mut Vec<u8>) -> Result<(), String> {
    out.push(b'[');
    for (i, item) in items.iter().enumerate() {
        if i > 0 {
            out.push(b',');
        }
        write(vm, *item, depth + 1, out)?;
    }
    out.push(b']');
    Ok(())
}

fn write_map(vm: &Vm, value: Value, depth: usize, out: &mut Vec<u8>) -> Result<(), String> {
    out.push(b'{');
    for (i, (key, item)) in map::entries(&vm.heap, value).into_iter().enumerate() {
        if i > 0 {
            out.push(b',');
        }
        match (key.as_bytes(&vm.heap), key.as_symbol()) {
            (Some(text), _) => write_text(text, out)?,
            (None, Some(symbol)) => write_text(name(vm.heap.symbols().name(symbol)), out)?,
            (None, None) => {
                return Err(format!(
                    "a key of an object is a String or a Symbol, got {}",
                    type_name(key)
                ));
            }
        }
        out.push(b':');
        write(vm, item, depth + 1, out)?;
    }
    out.push(b'}');
    Ok(())
}

/// A symbol's name without the colon of a keyword.
fn name(symbol: &[u8]) -> &[u8] {
    symbol.strip_prefix(b":").unwrap_or(symbol)
}

fn write_object(vm: &Vm, items: &[Value], depth: usize, out: &mut Vec<u8>) -> Result<(), String> {
    if !items.len().is_multiple_of(2) {
        return Err("a property list ends with a key".to_owned());
    }
    out.push(b'{');
    for (i, pair) in items.chunks_exact(2).enumerate() {
        let symbol = pair[0].as_symbol().filter(|_| pair[0].is_keyword());
        let Some(symbol) = symbol else {
            return Err(format!(
                "a key of a property list is a keyword, got {}",
                type_name(pair[0])
            ));
        };
        if i > 0 {
            out.push(b',');
        }
        write_text(name(vm.heap.symbols().name(symbol)), out)?;
        out.push(b':');
        write(vm, pair[1], depth + 1, out)?;
    }
    out.push(b'}');
    Ok(())
}

fn write_text(bytes: &[u8], out: &mut Vec<u8>) -> Result<(), String> {
    let text = std::str::from_utf8(bytes)
        .map_err(|error| format!("a string is not UTF-8 at byte {}", error.valid_up_to()))?;
    serde_json::to_writer(out, text).map_err(|error| error.to_string())
}
