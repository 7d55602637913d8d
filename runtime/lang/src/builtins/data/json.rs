//! JSON (RFC 8259) and values.
//!
//! | JSON | value |
//! |---|---|
//! | object | quoted property list: `:key value …`, in the order of the text |
//! | array | quoted list |
//! | string | String |
//! | number | Number; with a fraction or an exponent, Decimal |
//! | true, false, null | 1, 0, nil |
//!
//! `json/decode-map` makes maps with strings as keys, and vectors: they come back as themselves,
//! and names from outside do not become symbols, which live for ever.
//!
//! 1. A list that starts with a keyword is an object, any other an array, nil is `null`: an empty
//!    object or array does not come back as itself, nor do booleans.
//! 2. Of equal keys of an object the last wins, in the place of the first, when it is decoded: the text is
//!    someone else's. When a value is encoded the first counts, as it does for `plist/get`.
//! 3. A fraction is read exactly, or rounded half to even at the 18th digit after the point.
//! 4. Decoding refuses numbers outside their range and nesting beyond what the parser allows (128
//!    levels), each with its place; encoding refuses what has no JSON form and says what it met.

use super::json_fractions::Fractions;
use super::room::{Tally, Text};
use crate::builtins::row::{Row, fail, string};
use crate::compile::elements;
use crate::print::Style;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use std::collections::{HashMap, HashSet};
use std::fmt;
use valk_heap::{Heap, Kind, Value};
use valk_vm::persistent::{map, vector};
use valk_vm::{Arity, Outcome, Vm, decimal_value, is_number, type_name};

pub(super) const TABLE: &[Row] = &[
    ("json/encode", Arity::Exactly(1), encode),
    ("json/decode", Arity::Exactly(1), decode),
    ("json/decode-map", Arity::Exactly(1), decode_map),
];

/// Most entries of an object whose keys are compared one by one.
const SEARCHED_MAX: usize = 16;
/// Deepest nesting that is encoded, in lists.
pub(crate) const DEPTH_MAX: usize = 128;

/// What a text is made into.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    /// Property lists and lists.
    Lists,
    /// Maps and vectors.
    Collections,
}

/// Makes values of a text while it is read.
struct Reader<'v> {
    vm: &'v mut Vm,
    shape: Shape,
    tally: Tally,
    fractions: Fractions<'v>,
}

/// Bytes that a decimal takes.
const DECIMAL_BYTES: usize = 32;
/// Bytes that an element of an array takes at most beside itself, here and in a list or vector.
const ELEMENT_BYTES: usize = 48;
/// Bytes that an entry of an object takes at most beside key and value, here and in a list or map.
const ENTRY_BYTES: usize = 192;
/// Bytes that an empty collection takes.
const COLLECTION_BYTES: usize = 512;

impl Reader<'_> {
    /// Counts so many bytes. False when they have no room: what they are for is counted, not made.
    fn fits(&mut self, bytes: usize) -> bool {
        self.tally.add(&self.vm.heap, bytes)
    }

    fn list(&mut self, items: impl DoubleEndedIterator<Item = Value>) -> Value {
        items.rev().fold(Value::NIL, |rest, item| self.vm.heap.cons(item, rest, true))
    }

    /// An object of keys and values; of equal keys the last wins, in the place of the first.
    fn object(&mut self, entries: Vec<(Value, Value)>) -> Value {
        if self.shape == Shape::Collections {
            let empty = map::new(&mut self.vm.heap);
            return entries
                .into_iter()
                .fold(empty, |object, (key, item)| map::set(&mut self.vm.heap, object, key, item));
        }
        let entries = if entries.len() > SEARCHED_MAX {
            let mut places = HashMap::with_capacity(entries.len());
            last_of_equal(entries, |key, place| *places.entry(key).or_insert(place))
        } else {
            let mut keys = Vec::with_capacity(entries.len());
            last_of_equal(entries, |key, place| {
                let found = keys.iter().position(|known| *known == key);
                found.unwrap_or_else(|| {
                    keys.push(key);
                    place
                })
            })
        };
        self.list(entries.into_iter().flat_map(|(key, item)| [key, item]))
    }
}

/// The entries without those of whose key another one follows; that takes the first one's place.
/// `place_of` tells the place of a key: the one it is given, unless the key was there before.
fn last_of_equal(
    entries: Vec<(Value, Value)>,
    mut place_of: impl FnMut(Value, usize) -> usize,
) -> Vec<(Value, Value)> {
    let mut kept: Vec<(Value, Value)> = Vec::with_capacity(entries.len());
    for (key, item) in entries {
        let place = place_of(key, kept.len());
        match kept.get_mut(place) {
            Some(entry) => entry.1 = item,
            None => kept.push((key, item)),
        }
    }
    kept
}

impl<'de> DeserializeSeed<'de> for &mut Reader<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for &mut Reader<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::NIL)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::fixnum(i64::from(value)))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(self.vm.heap.integer(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        let number = i64::try_from(value);
        let number = number.map_err(|_| E::custom("a number does not fit 64 bits"))?;
        self.visit_i64(number)
    }

    /// The binary fraction itself is of no use: it has lost digits.
    fn visit_f64<E: Error>(self, _: f64) -> Result<Value, E> {
        let text = self.fractions.following();
        if text == "-0" {
            return Ok(Value::ZERO);
        }
        if !text.contains(['.', 'e', 'E']) {
            return Err(E::custom("a number does not fit 64 bits"));
        }
        let number = valk_decimal::parse_scientific(text);
        let number = number.map_err(|problem| E::custom(format_args!("a number {problem}")))?;
        let fits = self.fits(DECIMAL_BYTES);
        Ok(if fits { decimal_value(&mut self.vm.heap, number) } else { Value::NIL })
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        let fits = self.fits(Heap::string_bytes(value.len()));
        Ok(if fits { self.vm.heap.string(value.as_bytes()) } else { Value::NIL })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut array = Vec::new();
        while let Some(item) = items.next_element_seed(&mut *self)? {
            if self.fits(ELEMENT_BYTES) {
                array.push(item);
            }
        }
        if self.shape == Shape::Lists {
            return Ok(self.list(array.into_iter()));
        }
        let fits = self.fits(COLLECTION_BYTES);
        Ok(if fits { vector::from_slice(&mut self.vm.heap, &array) } else { Value::NIL })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut object = Vec::new();
        while let Some(key) = entries.next_key_seed(Key(&mut *self))? {
            let item = entries.next_value_seed(&mut *self)?;
            if self.fits(ENTRY_BYTES) {
                object.push((key, item));
            }
        }
        let is_made = self.shape == Shape::Lists || self.fits(COLLECTION_BYTES);
        Ok(if is_made { self.object(object) } else { Value::NIL })
    }
}

/// Makes the keys of objects: keywords or strings.
struct Key<'r, 'v>(&'r mut Reader<'v>);

impl<'de> DeserializeSeed<'de> for Key<'_, '_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Key<'_, '_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key of an object")
    }

    fn visit_str<E>(self, key: &str) -> Result<Value, E> {
        if !self.0.fits(Heap::string_bytes(key.len())) {
            return Ok(Value::NIL);
        }
        let heap = &mut self.0.vm.heap;
        Ok(match self.0.shape {
            Shape::Lists => heap.intern(format!(":{key}").as_bytes()),
            Shape::Collections => heap.string(key.as_bytes()),
        })
    }
}

fn decode(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    decode_as(vm, "json/decode", Shape::Lists, arguments[0])
}

fn decode_map(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    decode_as(vm, "json/decode-map", Shape::Collections, arguments[0])
}

fn decode_as(vm: &mut Vm, name: &str, shape: Shape, text: Value) -> Outcome {
    // The reader makes values while it reads, so it needs a text beside the heap.
    let text = string!(vm, text);
    let fractions = Fractions::new(&text);
    let mut reader = Reader { vm, shape, tally: Tally::default(), fractions };
    let mut source = serde_json::Deserializer::from_slice(&text);
    let read = reader.deserialize(&mut source).and_then(|value| source.end().map(|()| value));
    let refusal = reader.tally.refusal(&reader.vm.heap);
    match (read, refusal) {
        (Err(error), _) => fail(vm, &format!("{name}: {error}")),
        (Ok(_), Some(refusal)) => refusal,
        (Ok(value), None) => value.into(),
    }
}

fn encode(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    if arguments[0].is_error() {
        return arguments[0].into();
    }
    let mut out = Text::default();
    match write(vm, arguments[0], 0, &mut out) {
        Ok(()) => out.string(vm),
        Err(problem) => fail(vm, &format!("json/encode: {problem}")),
    }
}

/// Appends the JSON of a value.
fn write(vm: &Vm, value: Value, depth: usize, out: &mut Text) -> Result<(), String> {
    if is_number(value) {
        out.print(&vm.heap, value, Style::Display);
        return Ok(());
    }
    if let Some(bytes) = value.as_bytes(&vm.heap) {
        return write_text(vm, bytes, out);
    }
    if let Some(symbol) = value.as_symbol() {
        return write_text(vm, name(vm.heap.symbols().name(symbol)), out);
    }
    if value.is_nil() {
        out.push(&vm.heap, b"null");
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

fn write_array(vm: &Vm, items: &[Value], depth: usize, out: &mut Text) -> Result<(), String> {
    out.push(&vm.heap, b"[");
    for (i, item) in items.iter().enumerate() {
        if i > 0 {
            out.push(&vm.heap, b",");
        }
        write(vm, *item, depth + 1, out)?;
    }
    out.push(&vm.heap, b"]");
    Ok(())
}

fn write_map(vm: &Vm, value: Value, depth: usize, out: &mut Text) -> Result<(), String> {
    let mut fields = Fields::new();
    for (key, item) in map::entries(&vm.heap, value) {
        let name = match (key.as_bytes(&vm.heap), key.as_symbol()) {
            (Some(text), _) => text,
            (None, Some(symbol)) => name(vm.heap.symbols().name(symbol)),
            (None, None) => {
                return Err(format!(
                    "a key of an object is a String or a Symbol, got {}",
                    type_name(key)
                ));
            }
        };
        fields.write(vm, (name, item), depth, out)?;
    }
    fields.end(vm, out);
    Ok(())
}

/// A symbol's name without the colon of a keyword.
fn name(symbol: &[u8]) -> &[u8] {
    symbol.strip_prefix(b":").unwrap_or(symbol)
}

fn write_object(vm: &Vm, items: &[Value], depth: usize, out: &mut Text) -> Result<(), String> {
    if !items.len().is_multiple_of(2) {
        return Err("a property list ends with a key".to_owned());
    }
    let mut fields = Fields::new();
    for pair in items.chunks_exact(2) {
        let symbol = pair[0].as_symbol().filter(|_| pair[0].is_keyword());
        let Some(symbol) = symbol else {
            return Err(format!(
                "a key of a property list is a keyword, got {}",
                type_name(pair[0])
            ));
        };
        fields.write(vm, (name(vm.heap.symbols().name(symbol)), pair[1]), depth, out)?;
    }
    fields.end(vm, out);
    Ok(())
}

/// The fields of an object that is being written. Of equal names the first counts, as where values are
/// looked up.
struct Fields<'v> {
    /// The names, as long as they are few.
    few: Vec<&'v [u8]>,
    /// All names, when they are many.
    many: HashSet<&'v [u8]>,
}

impl<'v> Fields<'v> {
    fn new() -> Fields<'v> {
        Fields { few: Vec::new(), many: HashSet::new() }
    }

    /// Notes a name. False when it was there before.
    fn add(&mut self, name: &'v [u8]) -> bool {
        if self.few.len() < SEARCHED_MAX {
            let is_new = !self.few.contains(&name);
            if is_new {
                self.few.push(name);
            }
            return is_new;
        }
        if self.many.is_empty() {
            self.many.extend(&self.few);
        }
        self.many.insert(name)
    }

    fn write(
        &mut self,
        vm: &'v Vm,
        (name, item): (&'v [u8], Value),
        depth: usize,
        out: &mut Text,
    ) -> Result<(), String> {
        let opening: &[u8] = if self.few.is_empty() { b"{" } else { b"," };
        if !self.add(name) {
            return Ok(());
        }
        out.push(&vm.heap, opening);
        write_text(vm, name, out)?;
        out.push(&vm.heap, b":");
        write(vm, item, depth + 1, out)
    }

    fn end(self, vm: &Vm, out: &mut Text) {
        out.push(&vm.heap, if self.few.is_empty() { b"{}" } else { b"}" });
    }
}

fn write_text(vm: &Vm, bytes: &[u8], out: &mut Text) -> Result<(), String> {
    let text = std::str::from_utf8(bytes)
        .map_err(|error| format!("a string is not UTF-8 at byte {}", error.valid_up_to()))?;
    let needs_escape = |byte: &u8| *byte < b' ' || matches!(*byte, b'"' | b'\\');
    if !bytes.iter().any(needs_escape) {
        out.push(&vm.heap, b"\"");
        out.push(&vm.heap, bytes);
        out.push(&vm.heap, b"\"");
        return Ok(());
    }
    let escaped = serde_json::to_vec(text).map_err(|error| error.to_string())?;
    out.push(&vm.heap, &escaped);
    Ok(())
}
