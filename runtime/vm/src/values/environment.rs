//! Environments: variables looked up by name.
//!
//! Frames keep variables in registers. An environment object exists only for code that can be
//! asked about names at run time (`eval` of computed code, `penv`, computed `\`), and for a
//! builtin that was handed around as a value and turns out to need its caller's names.
//!
//! An environment has a parent ([`Value::NIL`] for the globals) and a list
//! `(symbol cell symbol cell …)`, newest binding first. Cells may be shared with closures.

use valk_heap::{Heap, Kind, Value};

const PARENT: usize = 0;
const BINDINGS: usize = 1;

/// A new scope inside `parent`.
pub fn new_environment(heap: &mut Heap, parent: Value) -> Value {
    heap.fields(Kind::Environment, &[parent, Value::NIL])
}

/// The cell of `symbol` in exactly this scope.
pub(crate) fn own_cell(environment: Value, symbol: Value) -> Option<Value> {
    let mut bindings = environment.field(BINDINGS);
    while bindings.is_pair() {
        let rest = bindings.tail();
        if bindings.head() == symbol {
            return Some(rest.head());
        }
        bindings = rest.tail();
    }
    None
}

/// The names declared here and in enclosing scopes, bound yet or not.
pub fn names(mut environment: Value) -> Vec<Value> {
    let mut found = Vec::new();
    while environment.kind() == Kind::Environment {
        let mut bindings = environment.field(BINDINGS);
        while bindings.is_pair() {
            found.push(bindings.head());
            bindings = bindings.tail().tail();
        }
        environment = environment.field(PARENT);
    }
    found
}

/// The value of `symbol` here or in an enclosing scope; globals are the caller's business.
pub fn lookup(mut environment: Value, symbol: Value) -> Option<Value> {
    while environment.kind() == Kind::Environment {
        if let Some(cell) = own_cell(environment, symbol) {
            let value = cell.field(0);
            if !value.is_undefined() {
                return Some(value);
            }
        }
        environment = environment.field(PARENT);
    }
    None
}

/// Binds `symbol` in exactly this scope.
pub fn bind(heap: &mut Heap, environment: Value, symbol: Value, value: Value) {
    if let Some(cell) = own_cell(environment, symbol) {
        heap.write(cell, 0, value);
    } else {
        let cell = heap.fields(Kind::Cell, &[value]);
        bind_cell(heap, environment, symbol, cell);
    }
}

/// Adds a binding whose cell other code shares.
pub fn bind_cell(heap: &mut Heap, environment: Value, symbol: Value, cell: Value) {
    let rest = heap.cons(cell, environment.field(BINDINGS), false);
    let bindings = heap.cons(symbol, rest, false);
    heap.write(environment, BINDINGS, bindings);
}

/// The bindings of exactly this scope, newest first, as `(symbol value)` pairs.
pub fn bindings(environment: Value) -> Vec<(Value, Value)> {
    let mut found = Vec::new();
    let mut rest = environment.field(BINDINGS);
    while rest.is_pair() {
        found.push((rest.head(), rest.tail().head().field(0)));
        rest = rest.tail().tail();
    }
    // A variable that is not bound yet is none.
    found.retain(|(_, value)| !value.is_undefined());
    found
}
