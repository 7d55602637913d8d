//! `aio/let` and `aio/do`: sequences of operations as code.
//!
//! 1. Their quoted arguments are rewritten to functions in functions, so every variable is visible in
//!    all that follows. What is written literally the compiler rewrites, so it sees the variables
//!    around it; what is computed is rewritten when it is called and sees global ones.
//! 2. What is rewritten to are builtins whose names no program can write (they contain spaces).
//! 3. A handle as the last value is adopted; a value is the result as it is.

use super::{Checked, exactly, now, outcome};
use crate::combinators::chain::ChainKind;
use crate::combinators::group::{self, GroupKind};
use crate::combinators::{self};
use crate::handle::{completed, is_handle};
use valk_heap::Value;
use valk_lang::builtins::fail;
use valk_lang::{elements, register_rewrite};
use valk_vm::{Arity, NativeFn, Outcome, Vm};

pub(super) const TABLE: &[(&str, Arity, NativeFn)] = &[
    ("aio/do", Arity::Any, do_),
    ("aio/let", Arity::Any, let_),
    (RUN, Arity::Exactly(1), run),
    (BIND, Arity::Exactly(2), bind),
    (BIND_ALL, Arity::MoreThan(0), bind_all),
];

/// Calls a function of no parameters; its value or its handle's end is the result.
const RUN: &str = "aio run body";
/// Calls a function with the value of a handle.
const BIND: &str = "aio bind one";
/// Calls a function with the values of several handles.
const BIND_ALL: &str = "aio bind all";
/// The group over handles that were made one after the other.
const TRAVERSED: &str = "aio/traverse over handles";

/// A list of code.
fn form(vm: &mut Vm, items: &[Value]) -> Value {
    items.iter().rev().fold(Value::NIL, |rest, &item| vm.heap.cons(item, rest, false))
}

/// A call of a builtin, whatever its name is bound to.
fn call(vm: &mut Vm, name: &str, arguments: &[Value]) -> Value {
    let head = vm.builtin(name).expect("builtins that forms are rewritten to are registered");
    let items: Vec<Value> = std::iter::once(head).chain(arguments.iter().copied()).collect();
    form(vm, &items)
}

/// A form whose value is `value` itself.
fn quoted(vm: &mut Vm, value: Value) -> Value {
    if value.is_symbol() || value.is_pair() && !value.is_quoted() {
        let quote = vm.heap.intern(b"quote");
        return form(vm, &[quote, value]);
    }
    value
}

/// The function with these parameters and this body.
fn lambda(vm: &mut Vm, parameters: &[Value], body: Value) -> Value {
    let parameters =
        parameters.iter().rev().fold(Value::NIL, |rest, &item| vm.heap.cons(item, rest, true));
    let body = call(vm, "do", &[body]);
    call(vm, "\\", &[parameters, body.with_quoted(true)])
}

/// The variable and the expression of a statement `(<- var expr)` or `(var <- expr)`.
fn binding(vm: &mut Vm, statement: Value) -> Option<(Value, Value)> {
    if !statement.is_pair() || statement.is_quoted() {
        return None;
    }
    let arrow = vm.heap.intern(b"<-");
    match elements(statement)[..] {
        [first, variable, expression] if first == arrow && variable.is_symbol() => {
            Some((variable, expression))
        }
        [variable, second, expression] if second == arrow && variable.is_symbol() => {
            Some((variable, expression))
        }
        _ => None,
    }
}

/// The statements as one form.
fn sequence(vm: &mut Vm, statements: &[Value]) -> Value {
    let bound = statements
        .iter()
        .enumerate()
        .find_map(|(place, statement)| binding(vm, *statement).map(|bound| (place, bound)));
    let Some((place, (variable, expression))) = bound else {
        return call(vm, "do", statements);
    };
    let behind = &statements[place + 1..];
    let last = if behind.is_empty() {
        expression
    } else {
        let body = sequence(vm, behind);
        let function = lambda(vm, &[variable], body);
        call(vm, BIND, &[expression, function])
    };
    let items: Vec<Value> = statements[..place].iter().copied().chain([last]).collect();
    call(vm, "do", &items)
}

/// The code that runs `body` as an operation.
fn running(vm: &mut Vm, body: Value) -> Value {
    let function = lambda(vm, &[], body);
    call(vm, RUN, &[function])
}

/// A quoted list that is written where an argument stands.
fn is_literal(form: Value) -> bool {
    form.is_nil() || form.is_pair() && form.is_quoted()
}

/// Has the compiler rewrite what is written literally, so that it sees the variables around it.
pub(super) fn register_rewrites(vm: &mut Vm) {
    register_rewrite(vm, "aio/do", |vm, arguments| match *arguments {
        [statements] if statements.is_pair() && is_literal(statements) => {
            let body = sequence(vm, &elements(statements));
            Some(running(vm, body))
        }
        _ => None,
    });
    register_rewrite(vm, "aio/let", |vm, arguments| match *arguments {
        [bindings, result] if is_literal(bindings) && is_literal(result) => {
            let code = nested(vm, bindings, result).ok()?;
            Some(running(vm, code))
        }
        _ => None,
    });
}

fn do_(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let start = |vm: &mut Vm| -> Checked<Outcome> {
        let text = "aio/do: expected 1 argument (qexpr of statements)";
        let [statements] = exactly(vm, arguments, text)?;
        if !statements.is_pair() {
            let text = "aio/do: argument must be a qexpr {stmt1 stmt2 ...}";
            return Err(fail(vm, text));
        }
        let body = sequence(vm, &elements(statements));
        Ok(Outcome::Evaluate(running(vm, body)))
    };
    outcome(start(vm))
}

/// The bindings in groups, each a list of variables and expressions.
fn groups(vm: &mut Vm, bindings: Value) -> Checked<Vec<Vec<(Value, Value)>>> {
    const TEXT: &str = "aio/let: bindings must be {((var expr) … :then (var expr) …)}";
    let mut items = elements(bindings);
    // One more list around them, or none.
    if let [inner] = items[..]
        && inner.is_pair()
        && inner.head().is_pair()
    {
        items = elements(inner);
    }
    let barrier = vm.heap.intern(b":then");
    let mut groups = vec![Vec::new()];
    for item in items {
        if item == barrier {
            groups.push(Vec::new());
            continue;
        }
        let pair = if item.is_pair() { elements(item) } else { Vec::new() };
        match pair[..] {
            [variable, expression] if variable.is_symbol() => {
                groups.last_mut().expect("there is a first one").push((variable, expression));
            }
            _ => return Err(fail(vm, TEXT)),
        }
    }
    groups.retain(|group| !group.is_empty());
    Ok(groups)
}

/// The body as code: one expression is evaluated, any other quoted list is data.
fn body(vm: &mut Vm, body: Value) -> Value {
    match elements(body)[..] {
        [expression] if body.is_quoted() && expression.is_pair() && !expression.is_quoted() => {
            expression
        }
        _ => quoted(vm, body),
    }
}

fn let_(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let start = |vm: &mut Vm| -> Checked<Outcome> {
        let text = "aio/let: expected 2 arguments (bindings body)";
        let [bindings, result] = exactly(vm, arguments, text)?;
        if !bindings.is_list() {
            return Err(fail(vm, "aio/let: bindings must be {((var expr) … :then (var expr) …)}"));
        }
        let code = nested(vm, bindings, result)?;
        Ok(Outcome::Evaluate(running(vm, code)))
    };
    outcome(start(vm))
}

/// The groups of bindings as functions in functions around the body.
fn nested(vm: &mut Vm, bindings: Value, result: Value) -> Checked<Value> {
    let groups = groups(vm, bindings)?;
    let mut code = body(vm, result);
    for group in groups.into_iter().rev() {
        let (variables, expressions): (Vec<Value>, Vec<Value>) = group.into_iter().unzip();
        let function = lambda(vm, &variables, code);
        let arguments: Vec<Value> = std::iter::once(function).chain(expressions).collect();
        code = call(vm, BIND_ALL, &arguments);
    }
    Ok(code)
}

fn run(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let result = combinators::call(vm, arguments[0], &[], false);
    now(vm, result)
}

/// The value itself if it is a handle, else a handle that has it.
fn as_handle(vm: &mut Vm, value: Value) -> Value {
    if is_handle(vm, value) { value } else { completed(vm, value) }
}

fn bind(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let [source, function] = [arguments[0], arguments[1]];
    let source = as_handle(vm, source);
    let result = combinators::chain(vm, ChainKind::Then, source, function);
    now(vm, result)
}

fn bind_all(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let handles: Vec<Value> = arguments[1..].iter().map(|value| as_handle(vm, *value)).collect();
    let all = group::start(vm, GroupKind::All, &handles);
    let result = combinators::chain(vm, ChainKind::Spread, all, arguments[0]);
    now(vm, result)
}

/// Calls `function` with each element of `list`, and then the group over what it returned.
pub(super) fn traverse(vm: &mut Vm, function: Value, list: Value) -> Outcome {
    let arguments = [function, list].map(|value| quoted(vm, value));
    let map = vm.intern("map");
    let map = vm.library_value(map).expect("the library has it");
    let mapped = form(vm, &[map, arguments[0], arguments[1]]);
    Outcome::Evaluate(call(vm, TRAVERSED, &[mapped]))
}
