//! Text: strings seen as Unicode code points.
//!
//! 1. Positions and lengths count code points from 0, unlike `len` and `str/slice`, which count
//!    bytes.
//! 2. A string that is not UTF-8 is an error where text is required; the error says at which byte.
//!    Searching (`str/index` apart) works on bytes and takes any string.

use super::positions::Positions;
use super::room::{CELL_BYTES, Pieces, Text};
use super::strings::new_string;
use crate::builtins::row::{Row, ask, bytes, fail, number, text, truth, wrong_type};
use crate::compile::elements;
use crate::print::{Style, display};
use unicode_normalization::UnicodeNormalization;
use valk_heap::Value;
use valk_vm::{Arity, Outcome, Vm};

pub(super) const TABLE: &[Row] = &[
    ("str/length", Arity::Exactly(1), length),
    ("str/ref", Arity::Exactly(2), reference),
    ("str/chars", Arity::Exactly(1), chars),
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

/// Most bytes that a byte of a text becomes in another case.
const CASE_GROWTH_MAX: usize = 3;

fn length(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let text = text!(vm, "str/length", arguments[0]);
    if arguments[0].is_ascii(&vm.heap) {
        return Value::fixnum(text.len() as i64).into();
    }
    let positions = Positions::of(vm, arguments[0]);
    Value::fixnum(positions.length() as i64).into()
}

fn reference(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let text = text!(vm, "str/ref", arguments[0]);
    let position = number!(vm, arguments[1]);
    let is_ascii = arguments[0].is_ascii(&vm.heap);
    let at = usize::try_from(position).ok();
    if is_ascii && let Some(at) = at.filter(|at| *at < text.len()) {
        return vm.heap.slice(arguments[0], at..at + 1).into();
    }
    let positions = Positions::of(vm, arguments[0]);
    let found = at.and_then(|at| positions.range(arguments[0].bytes(&vm.heap), at));
    match found {
        Some(range) => vm.heap.slice(arguments[0], range).into(),
        None => {
            let length = positions.length();
            fail(vm, &format!("str/ref: position {position} is outside a text of length {length}"))
        }
    }
}

/// The code points as strings.
fn chars(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let text = text!(vm, "str/chars", arguments[0]);
    let mut pieces = Pieces::default();
    for (at, character) in text.char_indices() {
        pieces.push(&vm.heap, at..at + character.len_utf8());
    }
    pieces.list(vm, arguments[0], true)
}

fn upcase(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let text = text!(vm, "str/upcase", arguments[0]);
    ask!(vm, CASE_GROWTH_MAX * text.len());
    let upper = text.to_uppercase();
    new_string(vm, upper.as_bytes())
}

fn downcase(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let text = text!(vm, "str/downcase", arguments[0]);
    ask!(vm, CASE_GROWTH_MAX * text.len());
    let lower = text.to_lowercase();
    new_string(vm, lower.as_bytes())
}

/// Unicode normalization forms (UAX #15), named by a keyword or string such as `:nfc`.
fn normalize(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let text = text!(vm, "str/normalize", arguments[0]);
    if arguments[1].is_error() {
        return arguments[1].into();
    }
    let form = display(&vm.heap, arguments[1]);
    let mut out = Text::default();
    let mut push = |character| out.push_char(&vm.heap, character);
    match form.trim_ascii_start().to_ascii_lowercase().as_slice() {
        b":nfc" | b"nfc" => text.nfc().for_each(&mut push),
        b":nfd" | b"nfd" => text.nfd().for_each(&mut push),
        b":nfkc" | b"nfkc" => text.nfkc().for_each(&mut push),
        b":nfkd" | b"nfkd" => text.nfkd().for_each(&mut push),
        _ => {
            let found = String::from_utf8_lossy(&form).into_owned();
            let text =
                format!("str/normalize: the form is :nfc, :nfd, :nfkc or :nfkd, got {found}");
            return fail(vm, &text);
        }
    }
    out.string(vm)
}

fn index(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let text = text!(vm, "str/index", arguments[0]);
    let part = text!(vm, "str/index", arguments[1]);
    match memchr::memmem::find(text.as_bytes(), part.as_bytes()) {
        Some(at) if arguments[0].is_ascii(&vm.heap) => Value::fixnum(at as i64).into(),
        Some(at) => Value::fixnum(text[..at].chars().count() as i64).into(),
        None => Value::NIL.into(),
    }
}

fn contains(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let (text, part) = (bytes!(vm, arguments[0]), bytes!(vm, arguments[1]));
    truth(memchr::memmem::find(text, part).is_some())
}

fn starts_with(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let (text, part) = (bytes!(vm, arguments[0]), bytes!(vm, arguments[1]));
    truth(text.starts_with(part))
}

fn ends_with(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let (text, part) = (bytes!(vm, arguments[0]), bytes!(vm, arguments[1]));
    truth(text.ends_with(part))
}

fn trim(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let text = text!(vm, "str/trim", arguments[0]);
    let start = text.len() - text.trim_start().len();
    let range = start..start + text.trim().len();
    ask!(vm, vm.heap.slice_bytes(arguments[0], range.len()));
    vm.heap.slice(arguments[0], range).into()
}

/// The display forms of a list's elements with a separator between them.
fn join(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    if !arguments[0].is_list() {
        return wrong_type(vm, arguments[0], "List, Nil");
    }
    let separator = bytes!(vm, arguments[1]);
    let mut out = Text::default();
    let mut rest = arguments[0];
    while rest.is_pair() {
        out.print(&vm.heap, rest.head(), Style::Display);
        rest = rest.tail();
        if rest.is_pair() {
            out.push(&vm.heap, separator);
        }
    }
    out.string(vm)
}

/// Asks for the room of a list of so many small numbers.
macro_rules! ask_cells {
    ($vm:expr, $count:expr) => {
        ask!($vm, $count * CELL_BYTES)
    };
}

fn bytes(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let count = bytes!(vm, arguments[0]).len();
    ask_cells!(vm, count);
    let mut list = Value::NIL;
    for at in (0..count).rev() {
        let byte = arguments[0].bytes(&vm.heap)[at];
        list = vm.heap.cons(Value::fixnum(i64::from(byte)), list, true);
    }
    list.into()
}

fn code_points(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let text = text!(vm, "str/code-points", arguments[0]);
    // Four times the bytes of the characters while the list is made.
    ask_cells!(vm, text.len() + text.len() / 4);
    let points: Vec<u32> = text.chars().map(u32::from).collect();
    let mut list = Value::NIL;
    for point in points.into_iter().rev() {
        list = vm.heap.cons(Value::fixnum(i64::from(point)), list, true);
    }
    list.into()
}

/// The elements of a list of numbers, or the outcome that says what is wrong.
fn number_list(vm: &mut Vm, value: Value) -> Result<Vec<i64>, Outcome> {
    if !value.is_list() {
        return Err(wrong_type(vm, value, "List, Nil"));
    }
    let mut numbers = Vec::new();
    for item in elements(value) {
        match item.as_integer() {
            Some(number) => numbers.push(number),
            None => return Err(wrong_type(vm, item, "Number")),
        }
    }
    Ok(numbers)
}

fn from_bytes(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let numbers = match number_list(vm, arguments[0]) {
        Ok(numbers) => numbers,
        Err(outcome) => return outcome,
    };
    ask!(vm, 2 * numbers.len());
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
    let mut text = Text::default();
    for number in numbers {
        match u32::try_from(number).ok().and_then(char::from_u32) {
            Some(character) => text.push_char(&vm.heap, character),
            None => {
                let text = format!("str/from-code-points: {number} is no Unicode scalar value");
                return fail(vm, &text);
            }
        }
    }
    text.string(vm)
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
