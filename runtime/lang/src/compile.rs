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
mod names;
mod node;
mod self_tail_call;

pub use expand::elements;
pub use names::{CONTEXT_MAKERS, LOADED_FORMS, Names, Rewrite};

use crate::source::Sources;
use emit::Emitter;
use expand::Expander;
use valk_heap::Value;
use valk_vm::Vm;

/// Compiles `form` to a closure that evaluates it in `environment` (nil: globally).
///
/// # Errors
/// An error value when no code can be made for the form.
pub fn compile(
    vm: &mut Vm,
    names: &Names,
    sources: &Sources,
    form: Value,
    environment: Value,
) -> Result<Value, Value> {
    let mut expander = Expander::new(vm, names, sources, form, environment);
    let root = expander.expand(form);
    let (arena, reflective) = (expander.arena, expander.reflective);
    let inside = !environment.is_nil();
    let mut code = None;
    if !inside && !reflective {
        code = Emitter::new(vm, &arena, false).thunk(root, false);
    }
    if code.is_none() {
        code = Emitter::new(vm, &arena, true).thunk(root, inside);
    }
    match code {
        Some(code) => Ok(vm.closure(code, &[environment])),
        None => Err(vm.error("this form has a function with too many parameters or list items")),
    }
}
