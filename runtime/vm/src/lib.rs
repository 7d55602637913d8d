//! Register bytecode and the VM that runs it: instruction table, code objects, verifier,
//! listing, interpreter loop, frames, fibers, builtins' calling convention.
//!
//! Knows values and forms only as data; how forms become code is the business of the crate above.

mod arithmetic;
mod call;
mod code;
mod continuation;
mod counters;
pub mod environment;
mod equality;
mod fiber;
mod fuse;
mod interpreter;
mod jit;
mod listing;
mod metrics;
mod native;
mod opcode;
mod parked;
pub mod persistent;
pub mod primitives;
mod slow;
mod template;
mod trace;
mod verify;
mod vm;

pub use arithmetic::{AUX_HANDLE, operate, type_name};
pub use call::INTERRUPTED;
pub use code::{
    Assembler, Code, CodeKind, FIRST_CAPTURE, Label, Position, REGISTERS_MAX, Variable,
    WINDOW_SLOTS,
};
pub use counters::Counters;
pub use equality::{closure_code, equal};
pub use jit::{JIT_CALLS_DEFAULT, JIT_FUNCTIONS_MAX, JIT_NEVER, NativeCode};
pub use listing::{listing, listings};
pub use native::{
    Answer, Arity, Blocking, Native, NativeFn, NativeKind, Outcome, ReflectiveFn,
    too_many_arguments,
};
pub use opcode::{FROM_CAPTURE, Opcode};
pub use parked::ParkedVm;
pub use template::{DetachedFiber, VmTemplate};
pub use trace::{TRACE_FRAMES_MAX, TraceFrame, names_in_scope, trace};
pub use valk_heap::PreemptFlag;
pub use vm::{CollectedHook, CompileHook, DEFINITION_FORBIDDEN, FiberId, ReportHook, Step, Vm};

#[cfg(test)]
mod tests;

#[cfg(test)]
fn main() -> std::process::ExitCode {
    valk_harness::main()
}
