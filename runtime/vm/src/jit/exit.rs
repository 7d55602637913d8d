//! Where native code was left.

use valk_heap::Value;

/// Where native code was left: the next instruction, and the frame it belongs to.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(crate) struct JitExit {
    pub pc: *const u32,
    pub base: *mut Value,
}
