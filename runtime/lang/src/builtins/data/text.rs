//! Text: strings seen as Unicode code points.
//!
//! 1. Positions and lengths count code points from 0, unlike `len` and `str/slice`, which count
//!    bytes.
//! 2. A string that is not UTF-8 is an error where text is required; the error says at which byte.
//!    Searching (`str/index` apart) works on bytes and takes any string.

use super::strings::new_string;
use crate::builtins::row::{Row, fail, number, string, truth};
use crate::compile::elements;
use crate::print::{Style, print};
use unicode_normalization::UnicodeNormalization;
use valk_heap::Value;
use valk_vm::{Arity, Outcome, Vm};

pub(super) const TABLE: &[Row] = &[
    ("str/length", Arity::Exactly(1), length),
    ("str/ref", Arity::Exactly(2), reference),
    ("str/upcase", Arity::Exactly(1), upcase),
    ("str/downcase", Arity::Exactly(1), downcase),
    ("str/normalize", Arity::Exactly(2), normalize),
    ("str/index", Arity::Exactly(2), index),
    ("str/contains?", Arity::Exactly(2), contains),
    ("str/starts-with?", Arity::Exactly(2), starts_with),
    ("str/ends-with?", Arity::Exactly(2), ends_with),
    ("str/trim", Arity::Exactly(1), trim),
    ("str/join", Arity::Exactly(2), join),
    ("str/bytes", Arity::Exactly(1), bytes),
    ("str/from-bytes", Arity::Exactly(1), from_bytes),
    ("str/code-points", Arity::Exactly(1), code_points),
    ("str/from-code-points", Arity::Exactly(1), from_code_points),
    ("char/letter?", Arity::Exactly(1), is_letter),
    ("char/digit?", Arity::Exactly(1), is_digit),
    ("char/space?", Arity::Exactly(1), is_space),
    ("char/upper?", Arity::Exactly(1), is_upper),
    ("char/lower?", Arity::Exactly(1), is_lower),
];

/// Bytes of a list cell.
const CELL_BYTES: usize = 16;

/// Takes a text argument or leaves the builtin with the error.
macro_rules! text {
    ($vm:expr, $name:expr, $value:expr) => {
        match String::from_utf8(string!($vm, $value)) {
            Ok(text) => text,
            Err(error) => {
                let at = error.utf8_error().valid_up_to();
                return fail($vm, &format!("{}: the string is not UTF-8 at byte {at}", $name));
            }
        }
    };
}

fn length(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let text = text!(vm, "str/length", arguments[0]);
    Value::fixnum(text.chars().count() as i64).into()
}

fn reference(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let text = text!(vm, "str/ref", arguments[0]);
    let position = number!(vm, arguments[1]);
    let found = usize::try_from(position).ok().and_then(|at| text.chars().nth(at));
    match found {
        Some(found) => vm.heap.string(found.encode_utf8(&mut [0; 4]).as_bytes()).into(),
        None => {
            let length = text.chars().count();
            fail(vm, &format!("str/ref: position {position} is outside a text of length {length}"))
        }
    }
}

fn upcase(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let text = text!(vm, "str/upcase", arguments[0]);
    new_string(vm, text.to_uppercase().as_bytes())
}

fn downcase(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let text = text!(vm, "str/downcase", arguments[0]);
    new_string(vm, text.to_lowercase().as_bytes())
}

/// Unicode normalization forms (UAX #15), named by a keyword or string such as `:nfc`.
fn normalize(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let text = text!(vm, "str/normalize", arguments[0]);
    if arguments[1].is_error() {
        return arguments[1].into();
    }
    let mut form = Vec::new();
    print(&vm.heap, arguments[1], Style::Display, &mut form);
    let normal: String = match form.trim_ascii_start().to_ascii_lowercase().as_slice() {
        b":nfc" | b"nfc" => text.nfc().collect(),
        b":nfd" | b"nfd" => text.nfd().collect(),
        b":nfkc" | b"nfkc" => text.nfkc().collect(),
        b":nfkd" | b"nfkd" => text.nfkd().collect(),
        _ => {
            let found = String::from_utf8_lossy(&form).into_owned();
            let text =
                format!("str/normalize: the form is :nfc, :nfd, :nfkc or :nfkd, got {found}");
            return fail(vm, &text);
        }
    };
    new_string(vm, normal.as_bytes())
}

fn index(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let text = text!(vm, "str/index", arguments[0]);
    let part = text!(vm, "str/index", arguments[1]);
    match text.find(&part) {
        Some(at) => Value::fixnum(text[..at].chars().count() as i64).into(),
        None => Value::NIL.into(),
    }
}

fn contains(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let (text, part) = (string!(vm, arguments[0]), string!(vm, arguments[1]));
    truth(part.is_empty() || memchr::memmem::find(&text, &part).is_some())
}

fn starts_with(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let (text, part) = (string!(vm, arguments[0]), string!(vm, arguments[1]));
    truth(text.starts_with(&part))
}

fn ends_with(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let (text, part) = (string!(vm, arguments[0]), string!(vm, arguments[1]));
    truth(text.ends_with(&part))
}

fn trim(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let text = text!(vm, "str/trim", arguments[0]);
    new_string(vm, text.trim().as_bytes())
}

/// The display forms of a list's elements with a separator between them.
fn join(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    if !arguments[0].is_list() {
        return crate::builtins::row::wrong_type(vm, arguments[0], "List, Nil");
    }
    let separator = string!(vm, arguments[1]);
    let mut out = Vec::new();
    for (i, item) in elements(arguments[0]).into_iter().enumerate() {
        if i > 0 {
            out.extend_from_slice(&separator);
        }
        print(&vm.heap, item, Style::Display, &mut out);
    }
    new_string(vm, &out)
}

/// A quoted list of small numbers.
fn numbers(vm: &mut Vm, numbers: impl DoubleEndedIterator<Item = i64>, count: usize) -> Outcome {
    if vm.heap.room(count * CELL_BYTES).is_err() {
        return Outcome::NeedsRoom(count * CELL_BYTES);
    }
    let list = numbers.rev().fold(Value::NIL, |rest, number| {
        let number = Value::fixnum(number);
        vm.heap.cons(number, rest, true)
    });
    list.into()
}

fn bytes(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let bytes = string!(vm, arguments[0]);
    let count = bytes.len();
    numbers(vm, bytes.into_iter().map(i64::from), count)
}

fn code_points(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let text = text!(vm, "str/code-points", arguments[0]);
    let count = text.chars().count();
    numbers(vm, text.chars().map(|c| i64::from(u32::from(c))), count)
}

/// The elements of a list of numbers, or the outcome that says what is wrong.
fn number_list(vm: &mut Vm, value: Value) -> Result<Vec<i64>, Outcome> {
    if !value.is_list() {
        return Err(crate::builtins::row::wrong_type(vm, value, "List, Nil"));
    }
    let mut numbers = Vec::new();
    for item in elements(value) {
        match item.as_integer() {
            Some(number) => numbers.push(number),
            None => return Err(crate::builtins::row::wrong_type(vm, item, "Number")),
        }
    }
    Ok(numbers)
}

fn from_bytes(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let numbers = match number_list(vm, arguments[0]) {
        Ok(numbers) => numbers,
        Err(outcome) => return outcome,
    };
    let mut bytes = Vec::with_capacity(numbers.len());
    for number in numbers {
        match u8::try_from(number) {
            Ok(byte) => bytes.push(byte),
            Err(_) => {
                let text =
                    format!("str/from-bytes: a byte is a number from 0 to 255, got {number}");
                return fail(vm, &text);
            }
        }
    }
    new_string(vm, &bytes)
}

fn from_code_points(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let numbers = match number_list(vm, arguments[0]) {
        Ok(numbers) => numbers,
        Err(outcome) => return outcome,
    };
    let mut text = String::new();
    for number in numbers {
        match u32::try_from(number).ok().and_then(char::from_u32) {
            Some(c) => text.push(c),
            None => {
                let text = format!("str/from-code-points: {number} is no Unicode scalar value");
                return fail(vm, &text);
            }
        }
    }
    new_string(vm, text.as_bytes())
}

/// Whether a text is not empty and all of its characters are of a kind.
macro_rules! kind {
    ($function:ident, $name:literal, $predicate:expr) => {
        fn $function(vm: &mut Vm, arguments: &[Value]) -> Outcome {
            let text = text!(vm, $name, arguments[0]);
            truth(!text.is_empty() && text.chars().all($predicate))
        }
    };
}

kind!(is_letter, "char/letter?", char::is_alphabetic);
kind!(is_digit, "char/digit?", |c: char| c.is_ascii_digit());
kind!(is_space, "char/space?", char::is_whitespace);
kind!(is_upper, "char/upper?", char::is_uppercase);
kind!(is_lower, "char/lower?", char::is_lowercase);
