//! Byte strings. Lengths and positions count bytes.

use crate::builtins::row::{Row, fail, number, string, wrong_type};
use crate::print::{Style, print};
use valk_heap::Value;
use valk_vm::{Arity, Outcome, Vm};

/// Longest string `make-string` makes, in bytes.
const MAKE_STRING_BYTES_MAX: i64 = 100 * 1024 * 1024;

pub(super) const TABLE: &[Row] = &[
    ("str", Arity::Any, str),
    ("make-string", Arity::Exactly(2), make_string),
    ("str/split", Arity::Exactly(2), split),
    ("str/replace", Arity::Exactly(3), replace),
    ("str/slice", Arity::Exactly(3), slice),
];

/// Longest string, in bytes.
pub const STRING_BYTES_MAX: usize = u32::MAX as usize;

/// A new string, if there is room.
pub fn new_string(vm: &mut Vm, bytes: &[u8]) -> Outcome {
    match vm.heap.room(bytes.len()) {
        Ok(()) if bytes.len() > STRING_BYTES_MAX => {
            fail(vm, &format!("a string has at most {STRING_BYTES_MAX} bytes"))
        }
        Ok(()) => vm.heap.string(bytes).into(),
        Err(_) => Outcome::NeedsRoom(bytes.len()),
    }
}

fn str(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let mut out = Vec::new();
    for value in arguments {
        print(&vm.heap, *value, Style::Display, &mut out);
    }
    new_string(vm, &out)
}

fn make_string(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    if arguments[0].is_error() {
        return arguments[0].into();
    }
    let Some(count) = arguments[0].as_integer() else {
        return fail(vm, "make-string: first argument must be a number");
    };
    if count < 0 {
        return fail(vm, "make-string: count must be non-negative");
    }
    let pattern = match (arguments[1].as_integer(), arguments[1].as_bytes(&vm.heap)) {
        (Some(code), _) => vec![code as u8],
        (None, Some(bytes)) => bytes.to_vec(),
        (None, None) if arguments[1].is_error() => return arguments[1].into(),
        (None, None) => {
            let text = "make-string: second argument must be string or number (char code)";
            return fail(vm, text);
        }
    };
    let size = count.saturating_mul(pattern.len() as i64);
    if size > MAKE_STRING_BYTES_MAX {
        let text = format!("make-string: requested size {size} exceeds 100MB limit");
        return fail(vm, &text);
    }
    new_string(vm, &pattern.repeat(count as usize))
}

/// Start of the first occurrence of `needle` at or after `from`.
fn find(text: &[u8], needle: &[u8], from: usize) -> Option<usize> {
    text[from..].windows(needle.len()).position(|window| window == needle).map(|at| at + from)
}

fn split(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let (text, delimiter) = (string!(vm, arguments[0]), string!(vm, arguments[1]));
    if delimiter.is_empty() {
        return fail(vm, "str/split: delimiter cannot be empty");
    }
    let (mut parts, mut start) = (Vec::new(), 0);
    while let Some(at) = find(&text, &delimiter, start) {
        parts.push(vm.heap.string(&text[start..at]));
        start = at + delimiter.len();
    }
    parts.push(vm.heap.string(&text[start..]));
    parts.iter().rev().fold(Value::NIL, |rest, &part| vm.heap.cons(part, rest, false)).into()
}

fn replace(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let text = string!(vm, arguments[0]);
    let (from, to) = (string!(vm, arguments[1]), string!(vm, arguments[2]));
    if from.is_empty() {
        return fail(vm, "str/replace: search string cannot be empty");
    }
    let (mut out, mut start) = (Vec::with_capacity(text.len()), 0);
    while let Some(at) = find(&text, &from, start) {
        out.extend_from_slice(&text[start..at]);
        out.extend_from_slice(&to);
        start = at + from.len();
    }
    out.extend_from_slice(&text[start..]);
    new_string(vm, &out)
}

fn slice(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    if !arguments[0].is_string() {
        return wrong_type(vm, arguments[0], "String");
    }
    let text = string!(vm, arguments[0]);
    let (start, end) = (number!(vm, arguments[1]), number!(vm, arguments[2]));
    let length = text.len() as i64;
    let (start, end) = (start.clamp(0, length) as usize, end.clamp(0, length) as usize);
    new_string(vm, if start < end { &text[start..end] } else { b"" })
}
