//! Assertions of tests written in the language: `test/assert`, `test/assert-eq`,
//! `test/assert-message`, and `test/take-failures` for the framework.
//!
//! 1. A failed assertion gives an error with its message. It is also noted, because `do` passes over
//!    errors that are not its last value.
//! 2. Notes belong to the program: functions on all its threads add to the same ones.
//!    `test/take-failures` gives those since it was called last, as text.
//! 3. [`NOTED_MAX`] failures are kept, the others are counted.

use crate::builtins::control::forms::truthy;
use crate::builtins::row::{Row, string};
use crate::elements;
use crate::print::{display, repr};
use crate::runtime::Language;
use crate::source;
use std::fmt::Write;
use std::sync::{Arc, Mutex, PoisonError};
use valk_heap::{ERROR_MESSAGE, Heap, Root, Value};
use valk_vm::{Arity, Outcome, Vm, equal};

pub(super) const TABLE: &[Row] = &[
    ("test/assert", Arity::Curried(2), assert),
    ("test/assert-eq", Arity::Curried(3), assert_equal),
    ("test/assert-message", Arity::Curried(3), assert_message),
    ("test/take-failures", Arity::Exactly(0), take_failures),
];

/// Failures that are kept until they are taken.
const NOTED_MAX: usize = 100;
/// Bytes of a value or form that are shown.
const SHOWN_BYTES_MAX: usize = 2000;

/// Failed assertions that the framework has not asked for yet; clones are handles of the same.
#[derive(Clone, Default)]
pub(crate) struct FailureNotes(Arc<Mutex<Notes>>);

#[derive(Default)]
struct Notes {
    kept: Vec<Failure>,
    omitted: usize,
}

struct Failure {
    error: Root,
    /// What was compared, as lines.
    compared: String,
}

/// Notes a failure and gives its error.
fn failed(vm: &mut Vm, error: Value, compared: String) -> Outcome {
    let error_root = vm.heap.root(error);
    let notes = vm.extension::<Language>().failures.clone();
    let mut notes = notes.0.lock().unwrap_or_else(PoisonError::into_inner);
    if notes.kept.len() < NOTED_MAX {
        notes.kept.push(Failure { error: error_root, compared });
    } else {
        notes.omitted += 1;
        vm.heap.release(error_root);
    }
    error.into()
}

/// `(test/assert condition message)`: 1 when the condition is true.
fn assert(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let condition = arguments[0];
    if condition.is_error() {
        return failed(vm, condition, String::new());
    }
    let message = string!(vm, arguments[1]);
    if truthy(condition) {
        return Value::ONE.into();
    }
    let error = vm.error(&String::from_utf8_lossy(&message));
    failed(vm, error, String::new())
}

/// `(test/assert-eq expected actual message)`: 1 when the two are equal.
fn assert_equal(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let (expected, actual) = (arguments[0], arguments[1]);
    if equal(&vm.heap, expected, actual) {
        return Value::ONE.into();
    }
    let message = string!(vm, arguments[2]);
    let compared = comparison(&vm.heap, expected, actual);
    let error = vm.error(&String::from_utf8_lossy(&message));
    failed(vm, error, compared)
}

/// `(test/assert-message expected error message)`: 1 when the error has the expected message.
fn assert_message(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let actual = arguments[1];
    let actual = if actual.is_error() { actual.field(ERROR_MESSAGE) } else { actual };
    assert_equal(vm, &[arguments[0], actual, arguments[2]])
}

/// The texts of the failures since the last call, a quoted list.
fn take_failures(vm: &mut Vm, _: &[Value]) -> Outcome {
    let notes = vm.extension::<Language>().failures.clone();
    let notes = std::mem::take(&mut *notes.0.lock().unwrap_or_else(PoisonError::into_inner));
    let mut texts: Vec<String> = notes.kept.into_iter().map(|failure| text(vm, failure)).collect();
    if notes.omitted > 0 {
        texts.push(format!("and {} further failed assertions", notes.omitted));
    }
    let mut list = Value::NIL;
    for text in texts.iter().rev() {
        let text = vm.heap.string(text.as_bytes());
        list = vm.heap.cons(text, list, true);
    }
    list.into()
}

/// Where an assertion failed, its message and form, and what it compared.
fn text(vm: &mut Vm, failure: Failure) -> String {
    let error = vm.heap.release(failure.error);
    let message = error.field(ERROR_MESSAGE);
    let message = message.as_bytes(&vm.heap).map(String::from_utf8_lossy).unwrap_or_default();
    let mut text = message.into_owned();
    if let Some(span) = source::location(error) {
        let sources = vm.extension::<Language>().sources.clone();
        let sources = sources.read();
        if let Some(place) = sources.place(span) {
            text.insert_str(0, &format!("{place}: "));
        }
        let form = sources
            .map
            .file(span.file)
            .and_then(|file| file.text().get(span.start as usize..span.end as usize));
        if let Some(form) = form {
            // One line, whatever the layout.
            let form = String::from_utf8_lossy(form);
            let form = form.split_whitespace().collect::<Vec<&str>>().join(" ");
            let _ = write!(text, "\n  {}", shortened(form));
        }
    }
    text + &failure.compared
}

/// The two values, and where lists begin to differ.
fn comparison(heap: &Heap, expected: Value, actual: Value) -> String {
    let [wanted, got] = shown(heap, [expected, actual]).map(shortened);
    let mut text = format!("\n  expected: {wanted}\n  actual:   {got}");
    let path = difference(heap, expected, actual);
    if !path.is_empty() {
        let path: Vec<String> = path.iter().map(usize::to_string).collect();
        let _ = write!(text, "\n  they differ from element {} on", path.join(", in it element "));
    }
    text
}

/// The positions, counted from 1, that lead to the first difference of two lists; none when they are
/// not both lists.
fn difference(heap: &Heap, expected: Value, actual: Value) -> Vec<usize> {
    let (mut path, mut at) = (Vec::new(), (expected, actual));
    while at.0.is_list() && at.1.is_list() && !(at.0.is_nil() && at.1.is_nil()) {
        let lists = [at.0, at.1].map(elements);
        let pairs = lists[0].iter().zip(&lists[1]);
        let same = pairs.take_while(|(one, other)| equal(heap, **one, **other)).count();
        path.push(same + 1);
        match (lists[0].get(same), lists[1].get(same)) {
            (Some(one), Some(other)) => at = (*one, *other),
            _ => break,
        }
    }
    path
}

/// The display forms of two values; when these are the same, the forms that tell types apart.
fn shown(heap: &Heap, values: [Value; 2]) -> [String; 2] {
    let plain = values.map(|value| String::from_utf8_lossy(&display(heap, value)).into_owned());
    if plain[0] == plain[1] { values.map(|value| repr(heap, value)) } else { plain }
}

fn shortened(mut text: String) -> String {
    if text.len() > SHOWN_BYTES_MAX {
        let omitted = text.len() - SHOWN_BYTES_MAX;
        text.truncate(text.floor_char_boundary(SHOWN_BYTES_MAX));
        let _ = write!(text, "… ({omitted} bytes more)");
    }
    text
}
