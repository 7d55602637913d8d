//! Byte strings. Lengths and positions count bytes.

use super::room::{Pieces, Text};
use crate::builtins::row::{Row, ask, bytes, fail, number, wrong_type};
use crate::print::Style;
use memchr::{memchr_iter, memmem};
use valk_heap::Value;
use valk_vm::{Arity, Outcome, Vm};

/// Longest string `make-string` makes, in bytes.
const MAKE_STRING_BYTES_MAX: i64 = 100 * 1024 * 1024;

pub(super) const TABLE: &[Row] = &[
    ("str", Arity::Any, str),
    ("make-string", Arity::Exactly(2), make_string),
    ("str/split", Arity::Exactly(2), split),
    ("str/split-lines", Arity::Exactly(1), split_lines),
    ("str/replace", Arity::Exactly(3), replace),
    ("str/slice", Arity::Exactly(3), slice),
];

/// Longest string, in bytes.
pub const STRING_BYTES_MAX: usize = u32::MAX as usize;

/// `str` appends to a first argument of at least so many bytes instead of copying it.
const APPEND_BYTES_MIN: usize = 128;

/// A new string, if there is room.
pub fn new_string(vm: &mut Vm, bytes: &[u8]) -> Outcome {
    match vm.heap.room(bytes.len()) {
        Ok(()) if bytes.len() > STRING_BYTES_MAX => too_long(vm),
        Ok(()) => vm.heap.string(bytes).into(),
        Err(_) => Outcome::NeedsRoom(bytes.len()),
    }
}

pub(super) fn too_long(vm: &mut Vm) -> Outcome {
    fail(vm, &format!("a string has at most {STRING_BYTES_MAX} bytes"))
}

/// The string with more bytes behind its own.
///
/// # Errors
/// What a builtin answers when that is too long, or when there is no room.
pub(super) fn appended(vm: &mut Vm, string: Value, more: &[u8]) -> Result<Value, Outcome> {
    if string.bytes(&vm.heap).len() + more.len() > STRING_BYTES_MAX {
        return Err(too_long(vm));
    }
    let bytes = vm.heap.append_bytes(string, more.len());
    vm.heap.room(bytes).map_err(|_| Outcome::NeedsRoom(bytes))?;
    Ok(vm.heap.append(string, more))
}

/// Text that is built up from left to right is appended to, so that it takes linear time.
fn str(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let first = arguments.first().copied();
    let long = first.filter(|value| {
        value.as_bytes(&vm.heap).is_some_and(|bytes| bytes.len() >= APPEND_BYTES_MIN)
    });
    let rest = if long.is_some() { &arguments[1..] } else { arguments };
    let mut out = Text::default();
    for value in rest {
        out.print(&vm.heap, *value, Style::Display);
    }
    match long {
        Some(long) if rest.is_empty() => long.into(),
        Some(long) => out.append_to(vm, long).map_or_else(|instead| instead, Value::into),
        None => out.string(vm),
    }
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
    ask!(vm, size as usize);
    let fill = |bytes: &mut [u8]| {
        bytes
            .chunks_exact_mut(pattern.len().max(1))
            .for_each(|chunk| chunk.copy_from_slice(&pattern));
    };
    vm.heap.string_from(size as usize, fill).into()
}

fn split(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let (text, delimiter) = (bytes!(vm, arguments[0]), bytes!(vm, arguments[1]));
    if delimiter.is_empty() {
        return fail(vm, "str/split: delimiter cannot be empty");
    }
    let (mut pieces, mut start) = (Pieces::default(), 0);
    let mut cut = |at: usize| {
        pieces.push(&vm.heap, start..at);
        start = at + delimiter.len();
    };
    match delimiter {
        [byte] => memchr_iter(*byte, text).for_each(&mut cut),
        _ => memmem::find_iter(text, delimiter).for_each(&mut cut),
    }
    cut(text.len());
    pieces.list(vm, arguments[0], false)
}

/// Lines without their ends, which are LF or CR LF; what follows the last end is a line unless it is
/// empty.
fn split_lines(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let text = bytes!(vm, arguments[0]);
    let (mut pieces, mut start) = (Pieces::default(), 0);
    for at in memchr_iter(b'\n', text) {
        let end = if text[start..at].ends_with(b"\r") { at - 1 } else { at };
        pieces.push(&vm.heap, start..end);
        start = at + 1;
    }
    if start < text.len() {
        pieces.push(&vm.heap, start..text.len());
    }
    pieces.list(vm, arguments[0], true)
}

fn replace(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let text = bytes!(vm, arguments[0]);
    let (from, to) = (bytes!(vm, arguments[1]), bytes!(vm, arguments[2]));
    if from.is_empty() {
        return fail(vm, "str/replace: search string cannot be empty");
    }
    let (mut out, mut start) = (Text::default(), 0);
    for at in memmem::find_iter(text, from) {
        out.push(&vm.heap, &text[start..at]);
        out.push(&vm.heap, to);
        start = at + from.len();
    }
    if start == 0 {
        return arguments[0].into();
    }
    out.push(&vm.heap, &text[start..]);
    out.string(vm)
}

fn slice(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let Some(text) = arguments[0].as_bytes(&vm.heap) else {
        return wrong_type(vm, arguments[0], "String");
    };
    let length = text.len() as i64;
    let (start, end) = (number!(vm, arguments[1]), number!(vm, arguments[2]));
    let (start, end) = (start.clamp(0, length) as usize, end.clamp(0, length) as usize);
    let range = start..end.max(start);
    ask!(vm, vm.heap.slice_bytes(arguments[0], range.len()));
    vm.heap.slice(arguments[0], range).into()
}
