//! Structural equality, without recursion.

use crate::code::{Code, FIRST_CAPTURE};
use crate::persistent::{map, vector};
use crate::values::number::number_as_decimal;
use std::collections::HashSet;
use valk_heap::{Heap, Kind, Value};

/// Host stack that is left when more is taken.
const STACK_RED_ZONE_BYTES: usize = 64 * 1024;
/// How much is taken then.
const STACK_PIECE_BYTES: usize = 1024 * 1024;

/// Calls with enough of the host's stack, for recursion as deep as data is nested.
pub(crate) fn with_stack<T>(call: impl FnOnce() -> T) -> T {
    stacker::maybe_grow(STACK_RED_ZONE_BYTES, STACK_PIECE_BYTES, call)
}

/// The code of a closure.
pub fn closure_code(heap: &Heap, closure: Value) -> &Code {
    closure.field(0).host::<Code>(heap).expect("field 0 of a closure is its code")
}

/// True when `==` holds between the two values. The quoted bit of lists is ignored; different types are
/// different, but for an integer and a decimal that are the same number. Functions are equal when they were written alike and the values they capture are equal;
/// two variables that such functions capture are compared once, so a function that captures itself
/// does no harm.
pub fn equal(heap: &Heap, a: Value, b: Value) -> bool {
    if a == b {
        return true;
    }
    if a.is_string() && b.is_string() {
        return a.bytes(heap) == b.bytes(heap);
    }
    let mut pending = vec![(a, b)];
    let mut variables = HashSet::new();
    while let Some((mut a, mut b)) = pending.pop() {
        while a.is_pair() && b.is_pair() {
            if a.with_quoted(false) == b.with_quoted(false) {
                (a, b) = (Value::NIL, Value::NIL);
                break;
            }
            let (x, y) = (a.head(), b.head());
            if x != y {
                if x.is_pair() && y.is_pair() || x.kind() == Kind::Cell {
                    pending.push((x, y));
                } else if !same_atom(heap, x, y, &mut pending) {
                    return false;
                }
            }
            (a, b) = (a.tail(), b.tail());
        }
        if matches!(a.kind(), Kind::Cell | Kind::Environment) && !variables.insert((a, b)) {
            continue;
        }
        if a != b && !same_atom(heap, a, b, &mut pending) {
            return false;
        }
    }
    true
}

/// Compares two values of which at most one is a pair; parts still to compare go to `pending`.
fn same_atom(heap: &Heap, a: Value, b: Value, pending: &mut Vec<(Value, Value)>) -> bool {
    match (a.kind(), b.kind()) {
        (Kind::Integer, Kind::Integer) => a.as_integer() == b.as_integer(),
        (Kind::Integer | Kind::Decimal, Kind::Integer | Kind::Decimal) => {
            number_as_decimal(a) == number_as_decimal(b)
        }
        (Kind::String, Kind::String) => a.bytes(heap) == b.bytes(heap),
        (Kind::Error, Kind::Error) => {
            pending.push((a.field(valk_heap::ERROR_MESSAGE), b.field(valk_heap::ERROR_MESSAGE)));
            true
        }
        (Kind::Closure, Kind::Closure) => {
            let (x, y) = (closure_code(heap, a), closure_code(heap, b));
            pending.push((x.formals, y.formals));
            pending.push((x.body, y.body));
            let same_count = a.field_count() == b.field_count();
            if same_count {
                let captures = FIRST_CAPTURE..a.field_count();
                pending.extend(captures.map(|at| (a.field(at), b.field(at))));
            }
            same_count
        }
        (Kind::Cell, Kind::Cell) => {
            pending.push((a.field(0), b.field(0)));
            true
        }
        (Kind::Environment, Kind::Environment) => {
            pending.extend((0..a.field_count()).map(|at| (a.field(at), b.field(at))));
            true
        }
        (Kind::Partial, Kind::Partial) => {
            let same_count = a.field_count() == b.field_count();
            if same_count {
                pending.extend((0..a.field_count()).map(|i| (a.field(i), b.field(i))));
            }
            same_count
        }
        (Kind::Vector, Kind::Vector) => {
            let same_size = vector::size(a) == vector::size(b);
            if same_size {
                pending
                    .extend(vector::elements(heap, a).into_iter().zip(vector::elements(heap, b)));
            }
            same_size
        }
        (Kind::Map, Kind::Map) => map::size(a) == map::size(b) && same_keys(heap, a, b, pending),
        _ => a == b,
    }
}

/// Whether two maps of one size have the same keys; their values go to `pending`.
fn same_keys(heap: &Heap, a: Value, b: Value, pending: &mut Vec<(Value, Value)>) -> bool {
    let other = map::View::new(heap, b);
    let entries = map::entries(heap, a);
    // Maps as keys of maps as keys … are the one thing that is compared by recursion.
    with_stack(|| {
        entries.into_iter().all(|(key, value)| match other.get(key) {
            Some(known) => {
                pending.push((value, known));
                true
            }
            None => false,
        })
    })
}
