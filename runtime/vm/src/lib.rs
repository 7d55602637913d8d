//! Register bytecode and the VM that runs it.
//!
//! `code` is what is executed: instructions, code objects, verifier, listing, primitives. `frames` is
//! where it is executed: fibers, their stacks and what a frame tells. `interpreter` and `jit` execute
//! it. `vm` holds what belongs together, `builtin` is how functions written in Rust are called,
//! `values` and `persistent` are values with behaviour: environments, equality, maps and vectors.
//!
//! Knows values and forms only as data; how forms become code is the business of the crate above.

mod builtin;
mod code;
mod frames;
mod interpreter;
mod jit;
pub mod persistent;
mod values;
mod vm;

pub use builtin::{
    Answer, Arity, Blocking, Native, NativeFn, NativeKind, Outcome, ReflectiveFn,
    too_many_arguments,
};
pub use code::listing::{listing, listings};
pub use code::opcode::{FROM_CAPTURE, Opcode};
pub use code::primitives;
pub use code::{
    Assembler, Code, CodeKind, FIRST_CAPTURE, Label, Position, REGISTERS_MAX, Variable,
    WINDOW_SLOTS,
};
pub use frames::trace::{TRACE_FRAMES_MAX, TraceFrame, names_in_scope, trace};
pub use interpreter::arithmetic::{AUX_HANDLE, operate, type_name};
pub use interpreter::calls::INTERRUPTED;
pub use jit::{JIT_CALLS_DEFAULT, JIT_FUNCTIONS_MAX, JIT_NEVER, NativeCode};
pub use valk_heap::PreemptFlag;
pub use values::environment;
pub use values::equality::{closure_code, equal};
pub use values::number::{as_decimal, decimal_value, is_number, number_as_decimal};
pub use vm::counters::Counters;
pub use vm::{
    Caller, CollectedHook, CompileHook, DEFINITION_FORBIDDEN, DetachedFiber, FiberId, ModuleId,
    ParkedVm, Step, Vm, VmTemplate,
};

#[cfg(test)]
mod tests;

#[cfg(test)]
fn main() -> std::process::ExitCode {
    valk_harness::main()
}
