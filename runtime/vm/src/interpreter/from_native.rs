//! What there is to do when native code is left because a builtin wants something.

use super::exit::Exit;
use crate::frames::fiber::{Fiber, frame_code};
use crate::jit::{self, Asked};
use crate::vm::Vm;
use std::panic::resume_unwind;
use valk_heap::Value;

impl Vm {
    /// Does what the builtin wants that native code has called, and goes on in native code as long as that
    /// is possible. Then the fiber stands before an instruction for the interpreter.
    #[inline(never)]
    pub(crate) fn go_on_from_native(&mut self, fiber: &mut Fiber) -> Result<(), Exit> {
        loop {
            let (site, outcome) = match self.asked.take() {
                Some(Asked::Outcome(site, outcome)) => (site, outcome),
                Some(Asked::Panic(panic)) => resume_unwind(panic),
                Some(Asked::Guarded) | None => return Err(Exit::Guarded),
            };
            self.go_on(fiber, site, outcome)?;
            if self.guarded {
                return Err(Exit::Guarded);
            }
            let Some((target, value)) = self.native_target(fiber, site.window) else {
                return Ok(());
            };
            let stack = fiber.stack.as_mut_ptr();
            // SAFETY: base and limit are inside the stack, fiber.rs.
            let (base, limit) = unsafe { (stack.add(fiber.base), stack.add(fiber.limit)) };
            // SAFETY: no inlined builtin was rebound, or the fiber had gone on elsewhere. The target belongs
            // to the running frame.
            let exit = unsafe { jit::run(self, fiber, target, base, limit, value) };
            if !exit.pc.is_null() {
                fiber.pc = exit.pc;
                // SAFETY: native code leaves with a base in the stack.
                fiber.base =
                    unsafe { exit.base.cast_const().offset_from(fiber.stack.as_ptr()) } as usize;
                return Ok(());
            }
        }
    }

    /// Where native code goes on after a call in this window of the running frame, and with which value: at
    /// the beginning of the function that was entered, or behind the call.
    fn native_target(&mut self, fiber: &Fiber, window: usize) -> Option<(*const u8, Value)> {
        let code = frame_code(fiber)?;
        let words = code.words.as_ptr();
        if fiber.pc != words {
            let value = fiber.stack[fiber.base + window];
            return Some((code.native_code.after_call(words, fiber.pc)?, value));
        }
        if code.native_code.entry().is_null() && code.native_code.is_hot(self.jit_calls) {
            jit::make(self, code);
        }
        let entry = code.native_code.entry();
        (!entry.is_null()).then_some((entry, Value::NIL))
    }
}
