//! For processors without a compiler: nothing is ever compiled.

use super::exit::JitExit;
use crate::code::Code;
use crate::vm::Vm;
use valk_heap::Value;

/// Executable memory, of which there is none.
#[derive(Debug)]
pub(super) enum Memory {}

impl Memory {
    /// Where the function begins.
    pub fn entry(&self) -> *const u8 {
        match *self {}
    }
}

/// Compiles nothing.
pub(super) fn compile(_vm: &Vm, _code: &Code) -> Option<(Memory, Box<[u32]>)> {
    None
}

/// Never called: there is no native code.
///
/// # Safety
/// None.
pub(crate) unsafe fn run(
    _vm: &mut Vm,
    _target: *const u8,
    _base: *mut Value,
    _limit: *mut Value,
    _value: Value,
) -> JitExit {
    unreachable!("nothing is compiled for this processor")
}
