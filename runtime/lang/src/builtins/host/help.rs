//! `help`: the reference, asked from a program.

use crate::builtins::row::{Row, fail, wrong_type};
use crate::reference::{contents, lookup, suggest};
use crate::runtime::Language;
use valk_heap::{Kind, Value};
use valk_vm::{Arity, Outcome, Vm};

pub(super) const TABLE: &[Row] = &[("help", Arity::AtMost(1), help)];

fn help(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let text = match arguments.first() {
        Some(value) if !value.is_nil() => match asked(vm, *value) {
            Ok(name) => match lookup(&name) {
                Some(entry) => entry.render(),
                None => return unknown(vm, &name),
            },
            Err(outcome) => return outcome,
        },
        _ => contents(),
    };
    let output = &mut vm.extension::<Language>().output;
    output.write(text.as_bytes());
    output.flush();
    Value::NIL.into()
}

/// The name that is asked for: a symbol, a string, a list of one symbol, or the name of a function.
fn asked(vm: &mut Vm, value: Value) -> Result<String, Outcome> {
    let mut value = value;
    if value.is_pair() && value.tail().is_nil() && value.head().is_symbol() {
        value = value.head();
    }
    if let Some(bytes) = value.as_bytes(&vm.heap) {
        return Ok(String::from_utf8_lossy(bytes).into_owned());
    }
    if let Some(symbol) = value.as_symbol() {
        return Ok(String::from_utf8_lossy(vm.heap.symbols().name(symbol)).into_owned());
    }
    if Vm::is_function(value) {
        let name = function_name(vm, value);
        return name.ok_or_else(|| fail(vm, "help: this function has no name"));
    }
    Err(wrong_type(vm, value, "Symbol, String, Function, List"))
}

/// A builtin's own name; otherwise a global that holds the function, one with an entry if possible.
fn function_name(vm: &Vm, function: Value) -> Option<String> {
    let text = |symbol| String::from_utf8_lossy(vm.heap.symbols().name(symbol)).into_owned();
    if function.kind() == Kind::Builtin {
        return function.as_builtin().map(|index| text(vm.native(index).name));
    }
    let globals = vm.global_bindings();
    let same = globals.into_iter().filter(|(_, value)| *value == function);
    let names: Vec<String> = same.map(|(symbol, _)| text(symbol)).collect();
    let known = names.iter().find(|name| lookup(name).is_some());
    known.or(names.first()).cloned()
}

fn unknown(vm: &mut Vm, name: &str) -> Outcome {
    let names = suggest(name);
    let hint = if names.is_empty() {
        "(help) lists all names".to_owned()
    } else {
        format!("did you mean {}?", names.join(", "))
    };
    fail(vm, &format!("help: there is no entry for {name}; {hint}"))
}
