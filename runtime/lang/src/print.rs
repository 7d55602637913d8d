//! Printed forms of values: *display* for `str` and `print`, *repr* for the REPL and
//! error reports. Any depth, any length, bytes kept as they are.

use std::io::Write as _;
use valk_heap::{ERROR_MESSAGE, Heap, Kind, Value};
use valk_vm::persistent::{map, vector};
use valk_vm::{as_decimal, closure_code};

/// Bytes of an error's text that are printed; the value keeps all of it.
pub const ERROR_TEXT_BYTES_MAX: usize = 10_000;

/// Which of the printed forms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Strings as their bytes.
    Display,
    /// Strings quoted, numbers as `Num[…]`.
    Repr,
    /// As in source: like [`Style::Repr`], but numbers as their digits.
    Source,
}

/// What is still to be printed.
enum Work {
    Value(Value),
    Rest(Value, u8),
    Text(&'static [u8]),
}

/// Appends the printed form of `value` to `out`.
pub fn print(heap: &Heap, value: Value, style: Style, out: &mut Vec<u8>) {
    print_while(heap, value, style, out, |_| ());
}

/// The same; after each part `between` sees what was appended so far and may take it away.
pub(crate) fn print_while(
    heap: &Heap,
    value: Value,
    style: Style,
    out: &mut Vec<u8>,
    mut between: impl FnMut(&mut Vec<u8>),
) {
    let mut work = Vec::new();
    let mut next = Some(Work::Value(value));
    while let Some(item) = next {
        match item {
            Work::Text(text) => out.extend_from_slice(text),
            Work::Value(value) if value.is_pair() => {
                let (open, close) = if value.is_quoted() { (b'{', b'}') } else { (b'(', b')') };
                out.push(open);
                work.push(Work::Rest(value.tail(), close));
                work.push(Work::Value(value.head()));
            }
            Work::Value(value) => atom(heap, value, style, out, &mut work),
            Work::Rest(rest, close) if rest.is_pair() => {
                out.push(b' ');
                work.push(Work::Rest(rest.tail(), close));
                work.push(Work::Value(rest.head()));
            }
            // Every list ends in nil: nothing in the language makes another.
            Work::Rest(_, close) => out.push(close),
        }
        between(out);
        next = work.pop();
    }
}

fn atom(heap: &Heap, value: Value, style: Style, out: &mut Vec<u8>, work: &mut Vec<Work>) {
    let repr = style != Style::Display;
    match value.kind() {
        Kind::Integer => {
            let number = value.as_integer().expect("kind says integer");
            if style == Style::Repr {
                write!(out, "Num[{number}]").expect("a vector takes what it is given");
            } else {
                decimal(number, out);
            }
        }
        Kind::Decimal => {
            let number = as_decimal(value).expect("kind says decimal");
            let written = if style == Style::Repr {
                write!(out, "Num[{number}]")
            } else {
                write!(out, "{number}")
            };
            written.expect("a vector takes what it is given");
        }
        Kind::Symbol => {
            let id = value.as_symbol().expect("kind says symbol");
            out.extend_from_slice(heap.symbols().name(id));
        }
        Kind::String if repr => quote(value.bytes(heap), style, out),
        Kind::String => out.extend_from_slice(value.bytes(heap)),
        Kind::Nil | Kind::Pair => out.extend_from_slice(b"()"),
        Kind::Error => {
            out.extend_from_slice(if repr { b"Error[" } else { b"Error: " });
            shortened(value.field(ERROR_MESSAGE).bytes(heap), out);
            out.extend_from_slice(if repr { b"]" } else { b"" });
        }
        Kind::Builtin => out.extend_from_slice(b"<builtin>"),
        Kind::Closure | Kind::Partial if repr => function(heap, value, out, work),
        Kind::Continuation => out.extend_from_slice(b"<continuation>"),
        Kind::Closure | Kind::Partial => out.extend_from_slice(b"<lambda>"),
        Kind::Host if value.aux() == valk_vm::AUX_HANDLE => out.extend_from_slice(b"<handle>"),
        Kind::Host => {
            let name = value.host_object(heap).map_or("object", |host| host.type_name());
            let text = if repr {
                format!("Reference[{name}:0x{:x}]", value.address())
            } else {
                format!("<ref:{name}>")
            };
            out.extend_from_slice(text.as_bytes());
        }
        Kind::Map => {
            let entries = map::entries(heap, value);
            let parts = entries.into_iter().flat_map(|(key, value)| [key, value]).collect();
            constructor(b"(map/of", parts, out, work);
        }
        Kind::Vector => constructor(b"(vec/of", vector::elements(heap, value), out, work),
        Kind::Undefined | Kind::Cell | Kind::Environment | Kind::Record => {
            out.extend_from_slice(b"<undefined>");
        }
    }
}

/// Appends the digits of a number.
pub(crate) fn decimal(number: i64, out: &mut Vec<u8>) {
    let mut digits = [0; 20];
    let (mut at, mut left) = (digits.len(), number.unsigned_abs());
    loop {
        at -= 1;
        digits[at] = b'0' + (left % 10) as u8;
        left /= 10;
        if left == 0 {
            break;
        }
    }
    if number < 0 {
        out.push(b'-');
    }
    out.extend_from_slice(&digits[at..]);
}

/// The text of an error; of a long one the beginning, and a mark that says so.
fn shortened(text: &[u8], out: &mut Vec<u8>) {
    if text.len() <= ERROR_TEXT_BYTES_MAX {
        return out.extend_from_slice(text);
    }
    // Not within a character.
    let continues = |at: &usize| text[*at] & 0xc0 == 0x80;
    let end = (ERROR_TEXT_BYTES_MAX - 3..=ERROR_TEXT_BYTES_MAX).rev().find(|at| !continues(at));
    let end = end.unwrap_or(ERROR_TEXT_BYTES_MAX);
    out.extend_from_slice(&text[..end]);
    out.extend_from_slice(format!("… [{end} of {} bytes]", text.len()).as_bytes());
}

/// A call that makes the value again.
fn constructor(call: &[u8], parts: Vec<Value>, out: &mut Vec<u8>, work: &mut Vec<Work>) {
    out.extend_from_slice(call);
    work.push(Work::Text(b")"));
    for part in parts.into_iter().rev() {
        work.push(Work::Value(part));
        work.push(Work::Text(b" "));
    }
}

/// The repr of a function: its remaining formals and its body.
fn function(heap: &Heap, value: Value, out: &mut Vec<u8>, work: &mut Vec<Work>) {
    let (closure, bound) = if value.kind() == Kind::Partial {
        (value.field(0), value.field_count() - 1)
    } else {
        (value, 0)
    };
    if closure.kind() != Kind::Closure {
        return out.extend_from_slice(b"<builtin>");
    }
    let code = closure_code(heap, closure);
    let mut formals = code.formals;
    for _ in 0..bound {
        formals = formals.tail();
    }
    out.extend_from_slice(b"(\\ ");
    work.push(Work::Text(b")"));
    work.push(Work::Value(code.body));
    work.push(Work::Text(b" "));
    work.push(Work::Value(formals));
}

/// Escapes as the reader understands them; in a repr the single quote is escaped too.
fn quote(bytes: &[u8], style: Style, out: &mut Vec<u8>) {
    out.push(b'"');
    for &byte in bytes {
        let escape = match byte {
            0x07 => b'a',
            0x08 => b'b',
            0x0c => b'f',
            b'\n' => b'n',
            b'\r' => b'r',
            b'\t' => b't',
            0x0b => b'v',
            b'\\' | b'"' => byte,
            b'\'' if style == Style::Repr => byte,
            _ => {
                out.push(byte);
                continue;
            }
        };
        out.extend_from_slice(&[b'\\', escape]);
    }
    out.push(b'"');
}

/// The display form as bytes.
pub fn display(heap: &Heap, value: Value) -> Vec<u8> {
    let mut out = Vec::new();
    print(heap, value, Style::Display, &mut out);
    out
}

/// The repr form as text; bytes that are no UTF-8 become replacement characters.
pub fn repr(heap: &Heap, value: Value) -> String {
    let mut out = Vec::new();
    print(heap, value, Style::Repr, &mut out);
    String::from_utf8_lossy(&out).into_owned()
}
