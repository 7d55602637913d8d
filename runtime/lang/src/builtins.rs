//! The core builtins: rows in tables, one table per family, families in three groups.

mod control;
mod data;
mod errors_taken;
pub(crate) mod host;
pub(crate) mod row;

pub(crate) use control::assertions::FailureNotes;
pub(crate) use control::context::IdCounter;
pub use control::context::{DEADLINE_EXCEEDED, RequestContext, current_trace, remaining_deadline};
pub(crate) use control::modules;
pub use data::strings::{STRING_BYTES_MAX, new_string};
pub use host::memory::collector_report;
pub use host::process::{EXIT_CODE as process_exit_code, milliseconds};
pub(crate) use row::path_of;
pub use row::{fail, truth, wrong_type};

use valk_vm::{Arity, NativeFn, NativeKind, Vm};

/// Builtins that only the library's own code calls.
pub const OF_LIBRARY: [&str; 5] =
    ["box/begin-update", "box/end-update", "box/replace", "box/replace-for", "map/part"];

/// Registers every core builtin.
pub fn register(vm: &mut Vm) {
    let tables = [control::TABLES, data::TABLES, host::TABLES];
    for (name, arity, run) in tables.into_iter().flatten().copied().flatten() {
        vm.define_native(name, *arity, NativeKind::Plain(*run));
    }
    for (name, arity, run) in control::REFLECTIVE_TABLES.iter().copied().flatten() {
        vm.define_native(name, *arity, NativeKind::Reflective(*run));
    }
    take_errors(vm, errors_taken::TAKERS);
    let exit = vm.intern("exit");
    let exit = vm.global(exit).expect("registered above");
    let shutdown = vm.intern("shutdown");
    vm.define_public(shutdown, exit);
    vm.guard_primitives();
    let vector_get = vm.builtin("vec/get").expect("registered above");
    vm.set_vector_get(vector_get);
}

/// Registers further plain builtins, for crates above.
pub fn register_table(vm: &mut Vm, table: &[(&'static str, Arity, NativeFn)]) {
    for (name, arity, run) in table {
        vm.define_native(name, *arity, NativeKind::Plain(*run));
    }
}

/// Lets builtins of these names run when there are errors among their arguments, which are the
/// result otherwise.
///
/// # Panics
/// When a name is that of no builtin.
pub fn take_errors(vm: &mut Vm, names: &[&str]) {
    for name in names {
        let builtin = vm.builtin(name).unwrap_or_else(|| panic!("no builtin is named {name}"));
        vm.take_errors(builtin);
    }
}
