//! The compiler: one form to a closure without parameters.
//!
//! `expand` turns the form into core forms, `emit` those into instructions. Variables live in
//! registers; when a form asks for variables by name at run time, or needs more registers than a
//! frame has, it is emitted again with environment objects instead.

mod delimit;
mod emit;
mod expand;
mod forms;
mod frame;
mod functions;
mod macros;
mod names;
mod node;
mod scan;
mod self_tail_call;
mod template;

pub use expand::elements;
pub use macros::{DEFMACRO_SHAPE, is_macro, new_macro};
pub use names::{
    CONTEXT_MAKERS, LIBRARY_FORM, LIBRARY_NAMES, LOAD_STEP, MACRO_MAKER, MODULE_STEP, Names,
    Rewrite,
};
pub use scan::definitions;

use crate::modules::SharedModules;
use crate::source::SharedSources;
use emit::Emitter;
use expand::Expander;
use valk_heap::Value;
use valk_vm::{ModuleId, Vm};

/// What the compiler asks about a program.
pub struct Tables<'a> {
    /// The names it knows.
    pub names: &'a Names,
    /// Where forms were written.
    pub sources: &'a SharedSources,
    /// Who defines and imports what.
    pub modules: &'a SharedModules,
}

/// Compiles `form` to a closure that evaluates it in `environment` (nil: globally); what is not bound
/// there means what it does in `module`.
///
/// # Errors
/// An error value when no code can be made for the form.
pub fn compile(
    vm: &mut Vm,
    tables: &Tables<'_>,
    form: Value,
    environment: Value,
    module: ModuleId,
) -> Result<Value, Value> {
    let mut expander = Expander::new(vm, tables, form, environment, module);
    let root = expander.expand(form);
    let (arena, reflective, fresh) = expander.finish();
    let inside = !environment.is_nil();
    let mut code = None;
    if !inside && !reflective {
        code = Emitter::new(vm, &arena, &fresh, module, false).thunk(root, false);
    }
    if code.is_none() {
        code = Emitter::new(vm, &arena, &fresh, module, true).thunk(root, inside);
    }
    match code {
        Some(code) => Ok(vm.closure(code, &[environment])),
        None => Err(vm.error("this form has a function with too many parameters or list items")),
    }
}

/// What a form expands to: in one step, or until it calls no macro. Variables that macros introduce have
/// names that show the expansion.
///
/// # Errors
/// The error of a macro.
pub fn macroexpand(
    vm: &mut Vm,
    tables: &Tables<'_>,
    form: Value,
    (environment, module): (Value, ModuleId),
    once: bool,
) -> Result<Value, Value> {
    let mut expander = Expander::new(vm, tables, form, environment, module);
    let mut form = form;
    for _ in 0..macros::EXPANSIONS_NESTED_MAX {
        if !form.is_pair() {
            break;
        }
        let Some(expanded) = expander.expand_once(form) else { break };
        form = expanded?;
        if once {
            break;
        }
    }
    drop(expander);
    Ok(macros::readable(vm, form))
}
