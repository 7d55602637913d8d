//! Macros at run time: `gensym`, the expansion of forms, and what `defmacro` comes to.

use crate::builtins::row::{ReflectiveRow, Row, fail, wrong_type};
use crate::compile::{DEFMACRO_SHAPE, MACRO_MAKER, Tables, macroexpand, new_macro};
use crate::runtime::Language;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use valk_heap::Value;
use valk_vm::{Arity, Outcome, Vm};

pub(super) const TABLE: &[Row] = &[
    ("defmacro", Arity::Any, not_literal),
    ("gensym", Arity::AtMost(1), gensym),
    (MACRO_MAKER, Arity::Exactly(1), make),
];

pub(super) const REFLECTIVE: &[ReflectiveRow] = &[
    ("macroexpand", Arity::Exactly(1), expand),
    ("macroexpand-1", Arity::Exactly(1), expand_once),
];

fn not_literal(vm: &mut Vm, _: &[Value]) -> Outcome {
    fail(vm, DEFMACRO_SHAPE)
}

fn make(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    new_macro(vm, arguments[0]).into()
}

/// A symbol that no text contains and that is given once.
fn gensym(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let name = match arguments {
        [] => "g".to_string(),
        [name, ..] => match (name.as_symbol(), name.as_bytes(&vm.heap)) {
            (Some(symbol), _) => vm.cell_name(symbol),
            (_, Some(text)) => String::from_utf8_lossy(text).into_owned(),
            _ => return wrong_type(vm, *name, "String, Symbol"),
        },
    };
    let count = Arc::clone(&vm.extension::<Language>().symbols_made);
    // Relaxed: the number alone counts.
    let number = count.fetch_add(1, Ordering::Relaxed);
    let symbol = vm.intern(&format!("{name}#g{number}"));
    Value::symbol(symbol).into()
}

fn expanded(vm: &mut Vm, scope: Value, form: Value, once: bool) -> Outcome {
    let language = vm.extension::<Language>();
    let names = language.names();
    let (sources, modules) = (language.sources.clone(), language.modules.clone());
    let tables = Tables { names: &names, sources: &sources, modules: &modules };
    let place = (scope, vm.caller.module);
    match macroexpand(vm, &tables, form, place, once) {
        Ok(form) | Err(form) => form.into(),
    }
}

fn expand(vm: &mut Vm, scope: Value, arguments: &[Value]) -> Outcome {
    expanded(vm, scope, arguments[0], false)
}

fn expand_once(vm: &mut Vm, scope: Value, arguments: &[Value]) -> Outcome {
    expanded(vm, scope, arguments[0], true)
}
