//! Which library modules a text needs, those that define a name it mentions, and how they are run.
//!
//! 1. A name counts when the library has no value for it. So a module runs once, and not again because
//!    a program has defined one of its names itself.
//! 2. What a needed module mentions counts as well; a module comes before those that need it.
//! 3. A module is code of the library: its names mean what they mean there, whatever the program binds
//!    them to. When it has run its own names are public. In the program they are bound to what it
//!    defines, as far as the program has not bound them itself.
//!
//! A name that only code made at run time mentions is not found: such programs load the module.

use crate::builtins::row::{ReflectiveRow, string};
use crate::compile::{LIBRARY_FORM, LIBRARY_NAMES, elements};
use crate::loader::read;
use valk_diagnostics::FileId;
use valk_heap::{Kind, Value};
use valk_stdlib::{Module, defining, definitions};
use valk_syntax::read_all;
use valk_vm::{Arity, ModuleId, Outcome, Vm};

/// Builtins that only the forms of modules call.
pub(crate) const REFLECTIVE: &[ReflectiveRow] = &[
    (LIBRARY_FORM, Arity::Exactly(1), library_form),
    (LIBRARY_NAMES, Arity::Exactly(2), library_names),
];

/// The modules that define these symbols, as far as they are unbound, in the order of running.
fn needed(vm: &mut Vm, symbols: &[Box<str>]) -> Vec<&'static Module> {
    let (mut seen, mut needed) = (Vec::new(), Vec::new());
    add(vm, symbols, &mut seen, &mut needed);
    needed
}

/// The same for the names that a text mentions.
pub(crate) fn needed_by(vm: &mut Vm, text: &[u8]) -> Vec<&'static Module> {
    let mentioned = read_all(FileId(0), text).tree.symbols;
    needed(vm, &mentioned)
}

fn add(
    vm: &mut Vm,
    symbols: &[Box<str>],
    seen: &mut Vec<&'static Module>,
    needed: &mut Vec<&'static Module>,
) {
    for symbol in symbols {
        let Some(module) = defining(symbol) else { continue };
        let id = vm.intern(symbol);
        if vm.library_value(id).is_some() || seen.contains(&module) {
            continue;
        }
        seen.push(module);
        let mentioned = read_all(FileId(0), module.text.as_bytes()).tree.symbols;
        add(vm, &mentioned, seen, needed);
        needed.push(module);
    }
}

/// Makes the names of a module that has run public. In the program they take the place of what it has
/// bound itself if `binds_anew`.
pub(crate) fn publish(vm: &mut Vm, module: &Module, binds_anew: bool) {
    for name in definitions(module) {
        let name = vm.intern(name);
        let before = vm.global(name);
        let is_the_programs = before.is_some() && before != vm.library_value(name);
        vm.publish(name);
        if let Some(before) = before.filter(|_| is_the_programs && !binds_anew) {
            vm.set_global(name, before);
        }
    }
}

/// Forms that run a module as code of the library and make its names public, for code of any module to
/// evaluate in this order.
pub(crate) fn forms(vm: &mut Vm, module: &Module, binds_anew: bool) -> Vec<Value> {
    let form_of_library = vm.builtin(LIBRARY_FORM).expect("registered");
    let names_of_library = vm.builtin(LIBRARY_NAMES).expect("registered");
    let mut forms = Vec::new();
    for form in elements(read(vm, module.name, module.text.as_bytes()).list(vm)) {
        // In an object no code is looked for.
        let held = vm.heap.fields(Kind::Record, &[form]);
        forms.push(call(vm, &[form_of_library, held]));
    }
    let name = vm.heap.string(module.name.as_bytes());
    forms.push(call(vm, &[names_of_library, name, Value::fixnum(i64::from(binds_anew))]));
    forms
}

fn call(vm: &mut Vm, items: &[Value]) -> Value {
    items.iter().rev().fold(Value::NIL, |rest, &item| vm.heap.cons(item, rest, false))
}

/// Evaluates the form in an object as the library's.
fn library_form(_: &mut Vm, _: Value, arguments: &[Value]) -> Outcome {
    Outcome::EvaluateIn(ModuleId::LIBRARY, arguments[0].field(0))
}

/// See [`publish`].
fn library_names(vm: &mut Vm, _: Value, arguments: &[Value]) -> Outcome {
    let name = string!(vm, arguments[0]);
    let module = valk_stdlib::MODULES.iter().find(|module| module.name.as_bytes() == name);
    publish(vm, module.expect("forms() names it"), arguments[1] != Value::ZERO);
    Value::NIL.into()
}
