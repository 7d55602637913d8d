//! The virtual machine of one runtime.
//!
//! `instance` is the VM: its heap, globals, builtins and fibers. `guards` watches builtins that compiled
//! code has instructions for, `collections` shows the roots, `template` makes further VMs on the same
//! heap, `parked` is a VM whose thread does something else.

mod collections;
pub(crate) mod counters;
mod guards;
mod instance;
mod metrics;
mod parked;
mod template;

pub use instance::{
    CollectedHook, CompileHook, DEFINITION_FORBIDDEN, FiberId, ReportHook, Step, Vm,
};
pub use parked::ParkedVm;
pub use template::{DetachedFiber, VmTemplate};
