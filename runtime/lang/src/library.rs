//! Which library modules a text needs: those that define a name it mentions.
//!
//! 1. A name counts when it is bound to nothing. So a module runs once, and not again because a
//!    program has defined one of its names itself.
//! 2. What a needed module mentions counts as well; a module comes before those that need it.
//!
//! A name that only code made at run time mentions is not found: such programs load the module.

use valk_diagnostics::FileId;
use valk_stdlib::{Module, defining};
use valk_syntax::read_all;
use valk_vm::Vm;

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
        if vm.global(id).is_some() || seen.contains(&module) {
            continue;
        }
        seen.push(module);
        let mentioned = read_all(FileId(0), module.text.as_bytes()).tree.symbols;
        add(vm, &mentioned, seen, needed);
        needed.push(module);
    }
}
