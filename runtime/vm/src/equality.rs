//! Structural equality (spec 01 §2.3), without recursion.

use crate::code::Code;
use valk_heap::{Heap, Kind, Value};

/// The code of a closure.
pub fn closure_code(heap: &Heap, closure: Value) -> &Code {
    closure.field(0).host::<Code>(heap).expect("field 0 of a closure is its code")
}

/// True when `==` holds between the two values. The quoted bit of lists and the captured
/// environment of functions are ignored; different types are different.
pub fn equal(heap: &Heap, a: Value, b: Value) -> bool {
    if a == b {
        return true;
    }
    let mut pending = vec![(a, b)];
    while let Some((mut a, mut b)) = pending.pop() {
        while a.is_pair() && b.is_pair() {
            if a.with_quoted(false) == b.with_quoted(false) {
                (a, b) = (Value::NIL, Value::NIL);
                break;
            }
            let (x, y) = (a.head(), b.head());
            if x != y {
                if x.is_pair() && y.is_pair() {
                    pending.push((x, y));
                } else if !same_atom(heap, x, y, &mut pending) {
                    return false;
                }
            }
            (a, b) = (a.tail(), b.tail());
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
        (Kind::String, Kind::String) => a.bytes(heap) == b.bytes(heap),
        (Kind::Error, Kind::Error) => {
            pending.push((a.field(valk_heap::ERROR_MESSAGE), b.field(valk_heap::ERROR_MESSAGE)));
            true
        }
        (Kind::Closure, Kind::Closure) => {
            let (x, y) = (closure_code(heap, a), closure_code(heap, b));
            pending.push((x.formals, y.formals));
            pending.push((x.body, y.body));
            true
        }
        (Kind::Partial, Kind::Partial) => {
            let same_count = a.field_count() == b.field_count();
            if same_count {
                pending.extend((0..a.field_count()).map(|i| (a.field(i), b.field(i))));
            }
            same_count
        }
        _ => a == b,
    }
}
