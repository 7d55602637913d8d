//! Definition, evaluation, choice, errors, reading.
//!
//! The compiler inlines literal uses of most of these; the functions here serve uses with computed
//! arguments and uses as values. Several hand a rebuilt literal form back to be evaluated.

use crate::builtins::data::reading;
use crate::builtins::row::{ReflectiveRow, Row, ask, fail, path_of, string, truth, wrong_type};
use crate::compile::elements;
use crate::runtime::Language;
use crate::source;
use valk_heap::{Kind, Value};
use valk_vm::{Arity, DEFINITION_FORBIDDEN, Outcome, Vm, environment, type_name};

pub(super) const TABLE: &[Row] = &[
    ("do", Arity::Any, do_),
    ("fun", Arity::Exactly(2), fun),
    ("and", Arity::Curried(2), and),
    ("or", Arity::Curried(2), or),
    ("not", Arity::Curried(1), not),
    ("error", Arity::Exactly(1), error),
    ("error?", Arity::Exactly(1), is_error),
    ("nil?", Arity::Curried(1), is_nil),
    ("list?", Arity::Exactly(1), is_list),
    ("ref?", Arity::Exactly(1), is_reference),
    ("read", Arity::Exactly(1), read),
    ("read-file", Arity::Exactly(1), read_file),
];

pub(super) const REFLECTIVE: &[ReflectiveRow] = &[
    ("def", Arity::MoreThan(1), define),
    ("=", Arity::MoreThan(1), assign),
    ("\\", Arity::Exactly(2), lambda),
    ("eval", Arity::Exactly(1), eval),
    ("select", Arity::Any, select),
    ("case", Arity::MoreThan(0), case),
    ("cond", Arity::Any, cond),
    ("when", Arity::MoreThan(0), when),
    ("unless", Arity::MoreThan(0), unless),
    ("let", Arity::Exactly(1), let_),
    ("penv", Arity::Any, penv),
];

/// A form that calls this builtin with these argument forms, whatever its name is bound to.
pub(super) fn own_form(vm: &mut Vm, name: &str, arguments: &[Value]) -> Value {
    let head = vm.builtin(name).expect("builtins know their own names");
    call(vm, head, arguments)
}

fn call(vm: &mut Vm, head: Value, arguments: &[Value]) -> Value {
    let arguments =
        arguments.iter().rev().fold(Value::NIL, |rest, &item| vm.heap.cons(item, rest, false));
    vm.heap.cons(head, arguments, false)
}

/// A call form of the name `name` with these argument forms.
pub(super) fn form(vm: &mut Vm, name: &str, arguments: &[Value]) -> Value {
    let head = vm.heap.intern(name.as_bytes());
    call(vm, head, arguments)
}

/// A form whose value is `value` itself.
pub(super) fn quoted(vm: &mut Vm, value: Value) -> Value {
    let code = value.is_symbol() || value.is_pair() && !value.is_quoted();
    if code { form(vm, "quote", &[value]) } else { value }
}

fn do_(_: &mut Vm, arguments: &[Value]) -> Outcome {
    arguments.last().copied().unwrap_or(Value::NIL).into()
}

fn fun(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let (spec, body) = (arguments[0], arguments[1]);
    if !spec.is_list() {
        return wrong_type(vm, spec, "List, Nil");
    }
    if !body.is_list() {
        return wrong_type(vm, body, "List, Nil");
    }
    if spec.is_nil() || !spec.head().is_symbol() {
        return fail(vm, "fun: the first list starts with the function's name");
    }
    if let Some(wrong) = elements(spec).into_iter().find(|item| !item.is_symbol()) {
        let text = format!("Cannot use a non symbol[{}] for bind", type_name(wrong));
        return fail(vm, &text);
    }
    Outcome::Evaluate(own_form(vm, "fun", &[spec.with_quoted(true), body.with_quoted(true)]))
}

/// Whether a condition holds; errors are told apart before.
pub(super) fn truthy(value: Value) -> bool {
    !value.is_false()
}

fn and(_: &mut Vm, arguments: &[Value]) -> Outcome {
    let (x, y) = (arguments[0], arguments[1]);
    if x.is_error() || !truthy(x) {
        return if x.is_error() { x.into() } else { truth(false) };
    }
    if y.is_error() { y.into() } else { truth(truthy(y)) }
}

fn or(_: &mut Vm, arguments: &[Value]) -> Outcome {
    let (x, y) = (arguments[0], arguments[1]);
    if x.is_error() || truthy(x) {
        return if x.is_error() { x.into() } else { truth(true) };
    }
    if y.is_error() { y.into() } else { truth(truthy(y)) }
}

fn not(_: &mut Vm, arguments: &[Value]) -> Outcome {
    let x = arguments[0];
    if x.is_error() { x.into() } else { truth(!truthy(x)) }
}

fn error(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let message = arguments[0];
    if !message.is_string() {
        return wrong_type(vm, message, "String");
    }
    vm.heap.error(message).into()
}

fn is_error(_: &mut Vm, arguments: &[Value]) -> Outcome {
    truth(arguments[0].is_error())
}

fn is_nil(_: &mut Vm, arguments: &[Value]) -> Outcome {
    truth(arguments[0].is_nil())
}

fn is_list(_: &mut Vm, arguments: &[Value]) -> Outcome {
    truth(arguments[0].is_list())
}

fn is_reference(_: &mut Vm, arguments: &[Value]) -> Outcome {
    truth(arguments[0].kind() == Kind::Host && type_name(arguments[0]) == "Reference")
}

fn read(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    ask!(vm, reading::source_bytes(arguments[0], vm));
    let text = string!(vm, arguments[0]);
    match valk_syntax::read_one(valk_diagnostics::FileId(u32::MAX), &text) {
        Ok(tree) => source::forms(vm, &tree, None)[0].into(),
        Err(error) => fail(vm, &error.legacy),
    }
}

fn read_file(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let path = path_of(&string!(vm, arguments[0]));
    if path.is_dir() {
        return fail(vm, &format!("Failed to read file ({})", path.display()));
    }
    let asset = path.to_str().and_then(valk_stdlib::asset);
    match (reading::read_file(vm, &path), asset) {
        (Ok(outcome), _) => outcome,
        (Err(_), Some(text)) => vm.heap.string(text.as_bytes()).into(),
        (Err(_), None) => fail(vm, &format!("Could not open file ({})", path.display())),
    }
}

/// Checks the targets of `def` and `=`: a list of symbols, one per value.
fn targets(vm: &mut Vm, name: &str, arguments: &[Value]) -> Result<Vec<Value>, Outcome> {
    let mut symbols = arguments[0];
    if symbols.is_symbol() && name == "def" {
        symbols = vm.heap.cons(symbols, Value::NIL, true);
    }
    if !symbols.is_list() {
        return Err(wrong_type(vm, symbols, "List, Nil"));
    }
    let symbols = elements(symbols);
    if let Some(wrong) = symbols.iter().find(|item| !item.is_symbol()) {
        let text = format!(
            "Builtin `{name}` requires that symbols parameter only has symbols found: {}",
            type_name(*wrong)
        );
        return Err(fail(vm, &text));
    }
    let (left, right) = (symbols.len(), arguments.len() - 1);
    if left != right {
        let text = format!("Invalid argument count, Actual[{left}] == Expected[{right}]");
        return Err(fail(vm, &text));
    }
    Ok(symbols)
}

/// The value a name is bound to: a bound symbol stands for its variable's value.
fn resolved(vm: &Vm, scope: Value, value: Value) -> Value {
    match value.as_symbol() {
        Some(id) if !value.is_keyword() => {
            let global = || vm.known_cell(vm.caller.module, id).and_then(|cell| vm.global(cell));
            environment::lookup(scope, value).or_else(global).unwrap_or(value)
        }
        _ => value,
    }
}

/// Binds a name in the module of the caller.
fn define_global(vm: &mut Vm, symbol: Value, value: Value) -> Result<(), Outcome> {
    let name = symbol.as_symbol().expect("targets are symbols");
    let (module, position) = (vm.caller.module, vm.caller.position);
    let modules = vm.extension::<Language>().modules.clone();
    if let Some((import, from)) = modules.define(module, name, position) {
        let text = crate::modules::defines_import(&vm.cell_name(name), &from);
        let place = super::modules::place(vm, import.position);
        return Err(fail(vm, &format!("{text}{}", crate::modules::at(place))));
    }
    let cell = vm.definition_cell(module, name);
    vm.set_global(cell, value);
    Ok(())
}

fn define(vm: &mut Vm, scope: Value, arguments: &[Value]) -> Outcome {
    if vm.definitions_forbidden || !vm.context.is_nil() {
        return fail(vm, DEFINITION_FORBIDDEN);
    }
    let symbols = match targets(vm, "def", arguments) {
        Ok(symbols) => symbols,
        Err(outcome) => return outcome,
    };
    for (symbol, value) in symbols.into_iter().zip(&arguments[1..]) {
        let value = resolved(vm, scope, *value);
        if value.is_error() {
            return value.into();
        }
        if let Err(problem) = define_global(vm, symbol, value) {
            return problem;
        }
    }
    Value::NIL.into()
}

fn assign(vm: &mut Vm, scope: Value, arguments: &[Value]) -> Outcome {
    let symbols = match targets(vm, "=", arguments) {
        Ok(symbols) => symbols,
        Err(outcome) => return outcome,
    };
    for (symbol, value) in symbols.into_iter().zip(&arguments[1..]) {
        let value = resolved(vm, scope, *value);
        if scope.is_nil() {
            if let Err(problem) = define_global(vm, symbol, value) {
                return problem;
            }
        } else {
            environment::bind(&mut vm.heap, scope, symbol, value);
        }
    }
    Value::NIL.into()
}

fn lambda(vm: &mut Vm, _: Value, arguments: &[Value]) -> Outcome {
    let (formals, body) = (arguments[0], arguments[1]);
    for list in [formals, body] {
        if !list.is_list() {
            return wrong_type(vm, list, "List, Nil");
        }
    }
    if let Some(wrong) = elements(formals).into_iter().find(|item| !item.is_symbol()) {
        let text = format!("Cannot use a non symbol[{}] for bind", type_name(wrong));
        return fail(vm, &text);
    }
    Outcome::Evaluate(own_form(vm, "\\", &[literal(formals), literal(body)]))
}

/// A list as a literal; nil is one already.
pub(super) fn literal(list: Value) -> Value {
    if list.is_pair() { list.with_quoted(true) } else { list }
}

fn eval(_: &mut Vm, _: Value, arguments: &[Value]) -> Outcome {
    let form = arguments[0];
    if form.is_pair() {
        Outcome::Evaluate(form.with_quoted(false))
    } else {
        Outcome::Evaluate(form)
    }
}

fn select(vm: &mut Vm, _: Value, arguments: &[Value]) -> Outcome {
    for clause in arguments {
        if !clause.is_list() {
            return wrong_type(vm, *clause, "List, Nil");
        }
        if elements(*clause).len() != 2 {
            return fail(vm, "Select clause must have condition and result");
        }
    }
    if arguments.is_empty() {
        return fail(vm, "No selection found");
    }
    let clauses: Vec<Value> = arguments.iter().map(|clause| literal(*clause)).collect();
    Outcome::Evaluate(own_form(vm, "select", &clauses))
}

fn cond(vm: &mut Vm, _: Value, arguments: &[Value]) -> Outcome {
    if arguments.is_empty() {
        // A form of one element would call this function again.
        return Value::NIL.into();
    }
    for clause in arguments {
        if !clause.is_list() {
            return wrong_type(vm, *clause, "List, Nil");
        }
        if elements(*clause).len() != 2 {
            return fail(vm, "cond: a clause is a condition and a result");
        }
    }
    let clauses: Vec<Value> = arguments.iter().map(|clause| literal(*clause)).collect();
    Outcome::Evaluate(own_form(vm, "cond", &clauses))
}

fn when(vm: &mut Vm, _: Value, arguments: &[Value]) -> Outcome {
    Outcome::Evaluate(guarded_body(vm, "when", arguments))
}

fn unless(vm: &mut Vm, _: Value, arguments: &[Value]) -> Outcome {
    Outcome::Evaluate(guarded_body(vm, "unless", arguments))
}

/// A literal `when` or `unless` with this condition and these bodies, which are code when they are
/// quoted lists.
fn guarded_body(vm: &mut Vm, name: &str, arguments: &[Value]) -> Value {
    let parts: Vec<Value> = arguments.iter().map(|argument| quoted(vm, *argument)).collect();
    form(vm, name, &parts)
}

fn case(vm: &mut Vm, _: Value, arguments: &[Value]) -> Outcome {
    for clause in &arguments[1..] {
        if !clause.is_pair() || elements(*clause).len() != 2 {
            return wrong_type(vm, *clause, "List");
        }
    }
    if arguments.len() == 1 {
        return fail(vm, "No case found");
    }
    let mut parts = vec![quoted(vm, arguments[0])];
    parts.extend(arguments[1..].iter().map(|clause| literal(*clause)));
    Outcome::Evaluate(own_form(vm, "case", &parts))
}

fn let_(vm: &mut Vm, _: Value, arguments: &[Value]) -> Outcome {
    if !arguments[0].is_list() {
        return wrong_type(vm, arguments[0], "List, Nil");
    }
    Outcome::Evaluate(own_form(vm, "let", &[literal(arguments[0])]))
}

fn penv(vm: &mut Vm, scope: Value, _: &[Value]) -> Outcome {
    let bindings: Vec<(Value, Value)> = if scope.is_nil() {
        let globals = vm.bindings_of(vm.caller.module);
        globals.into_iter().map(|(id, value)| (Value::symbol(id), value)).collect()
    } else {
        environment::bindings(scope)
    };
    let mut list = Value::NIL;
    for (symbol, value) in bindings.into_iter().rev() {
        let rest = vm.heap.cons(value, Value::NIL, false);
        let pair = vm.heap.cons(symbol, rest, false);
        list = vm.heap.cons(pair, list, false);
    }
    list.into()
}
