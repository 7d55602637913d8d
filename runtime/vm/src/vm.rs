//! The virtual machine of one runtime.
//!
//! `instance` is the VM: its heap, globals, builtins and fibers. `guards` watches builtins that compiled
//! code has instructions for, `modules` says what names mean, `collections` shows the roots, `template` makes further VMs on the same
//! heap, `parked` is a VM whose thread does something else.

mod collections;
pub(crate) mod counters;
mod guards;
mod instance;
mod metrics;
mod modules;
mod parked;
mod template;

pub use instance::{CollectedHook, CompileHook, DEFINITION_FORBIDDEN, FiberId, Step, Vm};
pub(crate) use modules::written;
pub use modules::{Caller, ModuleId};
pub use parked::ParkedVm;
pub use template::{DetachedFiber, VmTemplate};
