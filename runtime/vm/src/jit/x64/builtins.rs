//! How native code calls builtins.

use super::entry::Context;
use crate::builtin::{NativeKind, Outcome, first_error};
use crate::code::WINDOW_SLOTS;
use crate::frames::call_site::CallSite;
use crate::jit::exit::Asked;
use std::panic::{AssertUnwindSafe, catch_unwind};
use valk_heap::Value;

/// [`call_builtin`], as native code sees it: the context, the frame's base, the next instruction, the
/// callee, and the [`call_site`].
pub(super) type CallBuiltin =
    unsafe extern "sysv64" fn(*mut Context, *mut Value, *const u32, Value, u32) -> Builtin;

/// What came of calling a builtin.
#[repr(C)]
pub(super) struct Builtin {
    /// The result, if there is one. It is in the window, too.
    value: Value,
    /// 0 if there is one.
    status: u64,
}

impl Builtin {
    const DONE: u64 = 0;
    /// Nothing was done: the interpreter has to call it.
    pub const REFUSED: u64 = 1;
    /// It was called, and the VM knows what it wants.
    const ASKED: u64 = 2;

    fn refused() -> Builtin {
        Builtin { value: Value::NIL, status: Builtin::REFUSED }
    }

    fn asked() -> Builtin {
        Builtin { value: Value::NIL, status: Builtin::ASKED }
    }
}

/// Window, number of arguments and whether the call is a tail call in one word.
pub(super) fn call_site(window: u8, count: u8, is_tail: bool) -> u32 {
    u32::from_le_bytes([window, count, u8::from(is_tail), 0])
}

/// Calls a builtin whose arguments are in the window of `site`, if that is all there is to do.
///
/// # Safety
/// Native code that [`super::entry::run`] entered calls it, with its registers written to the context,
/// the base of the running frame, which has the window, and the address of the instruction after the call.
pub(super) unsafe extern "sysv64" fn call_builtin(
    context: *mut Context,
    base: *mut Value,
    next: *const u32,
    callee: Value,
    site: u32,
) -> Builtin {
    // SAFETY: `run` made the context and waits for native code; nothing else looks at it.
    let context = unsafe { &mut *context };
    // SAFETY: both were borrowed by `run`, which touches neither while native code runs.
    let (vm, fiber) = unsafe { (&mut *context.vm, &mut *context.fiber) };
    let [window, count, is_tail, _] = site.to_le_bytes();
    let (window, count) = (usize::from(window), usize::from(count));
    let Some(index) = callee.as_builtin() else { return Builtin::refused() };
    let native = &vm.natives[index as usize];
    let NativeKind::Plain(run) = native.kind else { return Builtin::refused() };
    if !native.arity.accepts(count) || vm.heap.wants_safepoint() {
        return Builtin::refused();
    }
    // SAFETY: the frame has the window.
    let callee_slot = unsafe { base.add(window) };
    // SAFETY: the window is inside the frame, and the stack is the fiber's, which the builtin does not have.
    let arguments =
        unsafe { std::slice::from_raw_parts(callee_slot.add(WINDOW_SLOTS).cast_const(), count) };
    if !native.takes_errors && first_error(arguments).is_some() {
        return Builtin::refused();
    }
    fiber.pc = next;
    // SAFETY: the base is in the fiber's stack.
    fiber.base = unsafe { base.cast_const().offset_from(fiber.stack.as_ptr()) } as usize;
    // SAFETY: native code moves the cursor past cells that it has filled, below the limit.
    unsafe { vm.heap.set_cursor(context.direct.cursor) };
    vm.counters.function_calls = context.function_calls;
    vm.counters.closures_created = context.closures_created;
    vm.counters.builtin_calls = context.builtin_calls + 1;
    // SAFETY: the frame has the window. The arguments lie above this slot.
    unsafe { callee_slot.write(callee) };
    let outcome = catch_unwind(AssertUnwindSafe(|| run(vm, arguments)));
    context.function_calls = vm.counters.function_calls;
    context.builtin_calls = vm.counters.builtin_calls;
    context.is_shared = u64::from(vm.heap.is_shared());
    context.closures_created = vm.counters.closures_created;
    let asked = match outcome {
        Ok(Outcome::Value(value)) => {
            vm.locate(fiber, value);
            // SAFETY: the frame has the window; the stack has not moved.
            unsafe { callee_slot.write(value) };
            if !vm.guarded {
                context.direct = vm.heap.native_context();
                return Builtin { value, status: Builtin::DONE };
            }
            Asked::Guarded
        }
        Ok(outcome) => {
            let (tail, environment) = (is_tail != 0, Value::UNDEFINED);
            Asked::Outcome(CallSite { window, count, tail, again: false, environment }, outcome)
        }
        Err(panic) => Asked::Panic(panic),
    };
    context.direct = vm.heap.native_context();
    vm.asked = Some(asked);
    Builtin::asked()
}
