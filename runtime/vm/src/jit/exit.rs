//! Where native code was left, and why.

use crate::builtin::Outcome;
use crate::frames::call_site::CallSite;
use std::any::Any;
use valk_heap::Value;

/// Where native code was left: the next instruction, and the frame it belongs to. No instruction (null)
/// when a builtin wants something; see [`Asked`].
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(crate) struct JitExit {
    pub pc: *const u32,
    pub base: *mut Value,
}

/// What a builtin called by native code wants, which only the interpreter can do.
#[cfg_attr(not(target_arch = "x86_64"), expect(dead_code, reason = "made by native code"))]
pub(crate) enum Asked {
    /// What its outcome says.
    Outcome(CallSite, Outcome),
    /// Nothing: it returned in this window, but inlined builtins are no longer what they were.
    Guarded,
    /// To go on panicking. Native code has no frames that a panic could go through.
    Panic(Box<dyn Any + Send>),
}
