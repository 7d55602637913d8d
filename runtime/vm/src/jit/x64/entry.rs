//! How native code is entered and left, and the memory it lies in.

use super::builtins::CallBuiltin;
use crate::frames::fiber::Fiber;
use crate::jit::exit::JitExit;
use crate::vm::Vm;
use dynasmrt::AssemblyOffset;
use dynasmrt::mmap::{ExecutableBuffer, MutableBuffer};
use std::arch::naked_asm;
use std::mem::offset_of;
use valk_heap::Value;
use valk_heap::layout::NativeContext;

/// Executable memory with one function's code.
#[derive(Debug)]
pub(in crate::jit) struct Memory {
    buffer: ExecutableBuffer,
    /// Bytes before the function.
    start: usize,
}

impl Memory {
    /// Executable memory with these bytes, of which the function begins after `start`. `None` when the
    /// system gives none.
    pub(super) fn with(bytes: &[u8], start: usize) -> Option<Memory> {
        let mut buffer = MutableBuffer::new(bytes.len()).ok()?;
        buffer.set_len(bytes.len());
        buffer.copy_from_slice(bytes);
        Some(Memory { buffer: buffer.make_exec().ok()?, start })
    }

    /// Where the function begins.
    pub fn entry(&self) -> *const u8 {
        self.buffer.ptr(AssemblyOffset(self.start))
    }
}

/// What native code finds through `rbp`.
#[repr(C)]
pub(super) struct Context {
    pub direct: NativeContext,
    /// First slot of the stack that may not be used without asking.
    limit: *mut Value,
    pub function_calls: u64,
    pub builtin_calls: u64,
    /// The builtin that is `vec/get`.
    pub vector_get: Value,
    /// Other mutators may look at the heap's objects: 0 if not.
    pub is_shared: u64,
    pub closures_created: u64,
    /// Where native code jumps to be left, with the next instruction in `rax`.
    pub leave: unsafe extern "sysv64" fn(),
    /// What calls builtins.
    pub call_builtin: CallBuiltin,
    /// Whose program runs, for builtins.
    pub vm: *mut Vm,
    pub fiber: *mut Fiber,
}

/// Runs native code until it comes to something uncommon. Where a builtin wants something there is no next
/// instruction (null), and [`Vm::go_on_from_native`] sees to it.
///
/// # Safety
/// `target` is the entry of the native code of the function whose frame is at `base`, or a place in
/// it behind a call, whose value is `value` and stands in its register. `base` is in the fiber's stack and
/// `limit` is the fiber's. The VM has not seen an inlined builtin rebound.
#[inline(never)]
pub(crate) unsafe fn run(
    vm: &mut Vm,
    fiber: &mut Fiber,
    target: *const u8,
    base: *mut Value,
    limit: *mut Value,
    value: Value,
) -> JitExit {
    let mut context = Context {
        direct: vm.heap.native_context(),
        limit,
        function_calls: vm.counters.function_calls,
        builtin_calls: vm.counters.builtin_calls,
        vector_get: vm.vector_get,
        is_shared: u64::from(vm.heap.is_shared()),
        closures_created: vm.counters.closures_created,
        leave,
        call_builtin: super::builtins::call_builtin,
        vm: std::ptr::from_mut(vm),
        fiber: std::ptr::from_mut(fiber),
    };
    // SAFETY: the caller's promise makes `target` native code for this frame, which keeps to
    // the frame, to the stack below the limit and to the nursery.
    let exit = unsafe { enter(&raw mut context, base, target, value.bits()) };
    vm.counters.function_calls = context.function_calls;
    vm.counters.builtin_calls = context.builtin_calls;
    vm.counters.closures_created = context.closures_created;
    // SAFETY: native code moves the cursor past cells that it has filled, below the limit.
    unsafe { vm.heap.set_cursor(context.direct.cursor) };
    exit
}

/// Saves the registers, fills them as the module says, and jumps to `target` with `value` in `rax`.
///
/// # Safety
/// As [`run`].
#[unsafe(naked)]
unsafe extern "sysv64" fn enter(
    context: *mut Context,
    base: *mut Value,
    target: *const u8,
    value: u64,
) -> JitExit {
    naked_asm!(
        "push rbp",
        "push rbx",
        "push r12",
        "push r13",
        "push r14",
        "push r15",
        // Where native code calls, the stack is at a multiple of 16.
        "sub rsp, 8",
        "mov rbp, rdi",
        "mov rbx, rsi",
        "mov r12, [rbp + {limit}]",
        "mov r13, [rbp + {globals}]",
        "mov r14, [rbp + {cursor}]",
        "mov r15, [rbp + {calls}]",
        "mov rax, rcx",
        "jmp rdx",
        limit = const offset_of!(Context, limit),
        globals = const offset_of!(Context, direct.globals),
        cursor = const offset_of!(Context, direct.cursor),
        calls = const offset_of!(Context, function_calls),
    )
}

/// Undoes what [`enter`] did and returns from it, with the next instruction in `rax`.
///
/// # Safety
/// Native code jumps here; nothing calls it.
#[unsafe(naked)]
unsafe extern "sysv64" fn leave() {
    naked_asm!(
        "mov [rbp + {cursor}], r14",
        "mov [rbp + {calls}], r15",
        "mov rdx, rbx",
        "add rsp, 8",
        "pop r15",
        "pop r14",
        "pop r13",
        "pop r12",
        "pop rbx",
        "pop rbp",
        "ret",
        cursor = const offset_of!(Context, direct.cursor),
        calls = const offset_of!(Context, function_calls),
    )
}
