//! Files and modules: `load`, `module`, `export`, `import`.
//!
//! 1. The forms of a file or module are compiled one after another, each when those before it have been
//!    evaluated. A step is a call of a hidden builtin with the first form as an argument and the list
//!    of all that are left, in an object, beside it; as a tail call it takes no room.
//! 2. An error in a loaded file is told and passed over; in a module it is the end of the module and of
//!    the `import`.
//! 3. What `import` does for its specifications in order may be interrupted by the evaluation of a
//!    module. What is left to do is handed to that module's steps.

use super::forms::own_form;
use crate::builtins::row::{ReflectiveRow, fail, path_of, string, wrong_type};
use crate::compile::{LOAD_STEP, MODULE_STEP, definitions, elements};
use crate::diagnose::{diagnose, message};
use crate::imports::{self, Binding, Target};
use crate::loader::{self, Loaded};
use crate::modules::{State, at};
use crate::reports::report;
use crate::runtime::Language;
use crate::source::{self, Place};
use valk_heap::{Kind, SymbolId, Value};
use valk_vm::{Arity, ModuleId, Outcome, Position, Vm};

pub(super) const REFLECTIVE: &[ReflectiveRow] = &[
    ("load", Arity::Exactly(1), load),
    ("module", Arity::MoreThan(0), module),
    ("export", Arity::Any, export),
    ("import", Arity::MoreThan(0), import),
    (LOAD_STEP, Arity::Exactly(2), load_step),
    (MODULE_STEP, Arity::Exactly(2), module_step),
];

/// The module on whose behalf this builtin defines something: one of the library while that is being
/// loaded, else that of the program's code.
fn acting(vm: &mut Vm) -> ModuleId {
    let caller = vm.caller;
    let modules = vm.extension::<Language>().modules.clone();
    let running = caller.running;
    let is_loading = || matches!(modules.table().module(running).state, State::Loading { .. });
    if running.is_library() && is_loading() { running } else { caller.module }
}

/// Where a form was written, in words.
pub(crate) fn place(vm: &mut Vm, position: Option<Position>) -> Option<Place> {
    vm.extension::<Language>().sources.read().place(source::span_of(position?))
}

fn list(vm: &mut Vm, items: &[Value]) -> Value {
    items.iter().rev().fold(Value::NIL, |rest, &item| vm.heap.cons(item, rest, true))
}

// ---- load ----

fn load(vm: &mut Vm, _: Value, arguments: &[Value]) -> Outcome {
    let path = path_of(&string!(vm, arguments[0]));
    let written = vm.caller.position;
    match loader::load(vm, &path, written) {
        Ok(Loaded::Present) => Value::NIL.into(),
        Ok(Loaded::Forms(forms)) => next_loaded(vm, forms),
        Err(text) => fail(vm, &text),
    }
}

fn next_loaded(vm: &mut Vm, forms: Value) -> Outcome {
    if forms.is_nil() {
        return Value::NIL.into();
    }
    let left = vm.heap.fields(Kind::Record, &[forms]);
    Outcome::Evaluate(own_form(vm, LOAD_STEP, &[forms.head(), left]))
}

/// What comes of a loaded form: errors are told, other values remembered.
fn load_step(vm: &mut Vm, _: Value, arguments: &[Value]) -> Outcome {
    let [value, left] = [arguments[0], arguments[1].field(0)];
    if value.is_error() {
        let running = vm.extension::<Language>().sources.read().position(left);
        let diagnostic = diagnose(vm, value, running.map(source::span_of));
        report(vm, value, &diagnostic);
    } else {
        let symbol = vm.intern("VALK_LAST_VALUE");
        vm.set_global(symbol, value);
    }
    next_loaded(vm, left.tail())
}

// ---- module, export ----

fn module(vm: &mut Vm, _: Value, arguments: &[Value]) -> Outcome {
    let Some(name) = arguments[0].as_symbol() else {
        return wrong_type(vm, arguments[0], "Symbol");
    };
    let (outer, position) = (vm.caller.module, vm.caller.position);
    match declare(vm, name, outer, position) {
        Ok(id) => {
            let forms = list(vm, &arguments[1..]);
            name_definitions(vm, id, forms);
            next_in_module(vm, id, forms, Value::NIL)
        }
        Err(text) => fail(vm, &text),
    }
}

/// Begins a module that is declared in `outer`.
///
/// # Errors
/// When another text has declared one of this name.
pub(crate) fn declare(
    vm: &mut Vm,
    name: SymbolId,
    outer: ModuleId,
    position: Option<Position>,
) -> Result<ModuleId, String> {
    let name = vm.cell_name(name);
    let modules = vm.extension::<Language>().modules.clone();
    let earlier = modules.table().named(&name);
    if let Some(text) = earlier.and_then(|earlier| redeclared(vm, &name, earlier, position)) {
        return Err(text);
    }
    let (id, fiber) = (vm.add_module(false), vm.running_fiber());
    let mut table = modules.table();
    table.begin(id, &name, None, fiber, position);
    if outer != ModuleId::PROGRAM {
        table.module(outer).stands_for.get_or_insert(id);
    }
    Ok(id)
}

/// Why a module may not have this name; nothing when the same text declares it again.
fn redeclared(
    vm: &mut Vm,
    name: &str,
    earlier: ModuleId,
    position: Option<Position>,
) -> Option<String> {
    let modules = vm.extension::<Language>().modules.clone();
    let declared = modules.table().module(earlier).declared;
    let (first, second) = (place(vm, declared), place(vm, position));
    let same = first.as_ref().map(|place| &place.file) == second.as_ref().map(|place| &place.file);
    let text = format!("module: `{name}` is declared{} and again{}", at(first), at(second));
    (!same).then_some(text)
}

/// Makes the names that a module defines its own, before the first of its forms is compiled.
pub(crate) fn name_definitions(vm: &mut Vm, id: ModuleId, forms: Value) {
    let language = vm.extension::<Language>();
    let (modules, sources) = (language.modules.clone(), language.sources.clone());
    for form in elements(forms) {
        for (name, list) in definitions(vm, form) {
            vm.definition_cell(id, name);
            if let Some(position) = sources.read().position(list) {
                modules.table().module(id).definitions.entry(name).or_insert(position);
            }
        }
    }
}

/// Goes on with the first of these forms. `after` is what `import` has to do in the end, nil for nothing.
fn next_in_module(vm: &mut Vm, id: ModuleId, forms: Value, after: Value) -> Outcome {
    if forms.is_nil() {
        return finish_module(vm, id, after);
    }
    let number = Value::fixnum(i64::from(id.0));
    let left = vm.heap.fields(Kind::Record, &[forms, number, after]);
    Outcome::EvaluateIn(id, own_form(vm, MODULE_STEP, &[forms.head(), left]))
}

fn module_step(vm: &mut Vm, _: Value, arguments: &[Value]) -> Outcome {
    let [value, left] = [arguments[0], arguments[1]];
    let id = ModuleId(left.field(1).as_fixnum() as u32);
    if value.is_error() {
        let message = message(vm, value);
        let position = source::location(value).map(source::position_of);
        let modules = vm.extension::<Language>().modules.clone();
        modules.table().end(id, State::Failed(message, position));
        return value.into();
    }
    next_in_module(vm, id, left.field(0).tail(), left.field(2))
}

/// A module all of whose forms have been evaluated: looks whether it has what it exports.
fn finish_module(vm: &mut Vm, id: ModuleId, after: Value) -> Outcome {
    let modules = vm.extension::<Language>().modules.clone();
    if let Some(text) = imports::missing_export(vm, id) {
        let position = modules.table().module(id).declared;
        modules.table().end(id, State::Failed(text.clone(), position));
        return fail(vm, &text);
    }
    modules.table().end(id, State::Ready);
    if after.is_nil() {
        return Value::NIL.into();
    }
    let importer = ModuleId(after.field(0).as_fixnum() as u32);
    let position = imports::position_from(after.field(2));
    import_all(vm, importer, position, after.field(1))
}

fn export(vm: &mut Vm, _: Value, arguments: &[Value]) -> Outcome {
    let id = acting(vm);
    match export_names(vm, id, arguments) {
        Ok(()) => Value::NIL.into(),
        Err(text) => fail(vm, &text),
    }
}

/// Exports the names that are given as symbols or in lists.
///
/// # Errors
/// When something else is given.
pub(crate) fn export_names(vm: &mut Vm, id: ModuleId, given: &[Value]) -> Result<(), String> {
    let mut names: Vec<SymbolId> = Vec::new();
    for argument in given {
        let items = if argument.is_list() { elements(*argument) } else { vec![*argument] };
        for item in items {
            let name = item.as_symbol().filter(|_| !item.is_keyword());
            names.push(name.ok_or("export: expected names, such as (export area perimeter)")?);
        }
    }
    if id != ModuleId::PROGRAM {
        let modules = vm.extension::<Language>().modules.clone();
        let mut table = modules.table();
        let exports = &mut table.module(id).exports;
        for name in names {
            if !exports.contains(&name) {
                exports.push(name);
            }
        }
    }
    Ok(())
}

// ---- import ----

fn import(vm: &mut Vm, _: Value, arguments: &[Value]) -> Outcome {
    let (importer, position) = (acting(vm), vm.caller.position);
    let specifications = list(vm, arguments);
    import_all(vm, importer, position, specifications)
}

/// Imports what is left, up to the first module that has to be evaluated before.
fn import_all(
    vm: &mut Vm,
    importer: ModuleId,
    position: Option<Position>,
    mut left: Value,
) -> Outcome {
    while left.is_pair() {
        let binding = match Binding::of(vm, left.head()) {
            Ok(binding) => binding,
            Err(text) => return fail(vm, &text),
        };
        match imports::target(vm, &binding, position) {
            Err(text) => return fail(vm, &text),
            Ok(Target::Always) => {}
            Ok(Target::Module(id)) => {
                if let Err(text) = imports::bind(vm, importer, id, &binding, position) {
                    return fail(vm, &text);
                }
            }
            Ok(Target::Unread(id, forms)) => {
                // The same specification again: then the module is there.
                let position = imports::position_value(vm, position);
                let number = Value::fixnum(i64::from(importer.0));
                let after = vm.heap.fields(Kind::Record, &[number, left, position]);
                name_definitions(vm, id, forms);
                return next_in_module(vm, id, forms, after);
            }
        }
        left = left.tail();
    }
    Value::NIL.into()
}
