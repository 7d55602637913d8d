//! The native code of a function: when it is made, and where it is entered.

#[cfg(target_arch = "x86_64")]
use super::x64 as processor;
use crate::code::Code;
use crate::vm::Vm;
#[cfg(not(target_arch = "x86_64"))]
use no_compiler as processor;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicPtr, AtomicU32, AtomicUsize, Ordering};

/// Calls after which a function is compiled to native code, unless the VM was told otherwise.
pub const JIT_CALLS_DEFAULT: u32 = 1000;

/// The number of calls that stands for: never.
pub const JIT_NEVER: u32 = u32::MAX;

/// Functions with native code that a process may have at a time. Each takes some pages and a
/// mapping, of which a process has some 65 000.
pub const JIT_FUNCTIONS_MAX: usize = 4096;

/// How many there are.
static FUNCTIONS: AtomicUsize = AtomicUsize::new(0);

/// The native code of a [`Code`], if it has been called often enough.
#[derive(Debug, Default)]
pub struct NativeCode {
    /// Where it is entered; null while there is none.
    pub(crate) entry: AtomicPtr<u8>,
    /// Calls that the interpreter has seen, about: several VMs may count at a time.
    calls: AtomicU32,
    made: OnceLock<Compiled>,
}

/// What the compiler has made of a function.
#[derive(Debug)]
struct Compiled {
    memory: processor::Memory,
    /// By word of the code behind a call: how many bytes behind the entry it goes on; 0 elsewhere.
    returns: Box<[u32]>,
    _permit: FunctionPermit,
}

/// One of the places for functions with native code.
#[derive(Debug)]
struct FunctionPermit;

impl FunctionPermit {
    /// Takes one, if one is left.
    fn take() -> Option<FunctionPermit> {
        let more = |count| (count < JIT_FUNCTIONS_MAX).then_some(count + 1);
        FUNCTIONS
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, more)
            .ok()
            .map(|_| FunctionPermit)
    }
}

impl Drop for FunctionPermit {
    fn drop(&mut self) {
        FUNCTIONS.fetch_sub(1, Ordering::Relaxed);
    }
}

impl NativeCode {
    /// Where calls enter; null while there is no native code.
    #[inline(always)]
    pub(crate) fn entry(&self) -> *const u8 {
        self.entry.load(Ordering::Acquire).cast_const()
    }

    /// Counts a call; true when it is time to compile. Threads that never compile do not write to what
    /// they share.
    #[inline(always)]
    pub(crate) fn is_hot(&self, calls_wanted: u32) -> bool {
        if calls_wanted == JIT_NEVER {
            return false;
        }
        let calls = self.calls.load(Ordering::Relaxed).wrapping_add(1);
        self.calls.store(calls, Ordering::Relaxed);
        calls >= calls_wanted
    }

    /// Where to go on behind the call before `pc` in the code with these words, if there is VM
    /// code.
    #[inline]
    pub(crate) fn after_call(&self, words: *const u32, pc: *const u32) -> Option<*const u8> {
        let entry = self.entry();
        if entry.is_null() {
            return None;
        }
        let word = (pc.addr() - words.addr()) / size_of::<u32>();
        let offset = self.made.get()?.returns[word] as usize;
        (offset != 0).then(|| entry.wrapping_add(offset))
    }
}

/// Compiles a function that has been called often. Nothing happens when that cannot be done; it is
/// tried again after as many calls.
#[cold]
#[inline(never)]
pub(crate) fn make(vm: &mut Vm, code: &Code) {
    let native_code = &code.native_code;
    native_code.calls.store(0, Ordering::Relaxed);
    let Some(compiled) = compile(vm, code) else { return };
    // Another VM may have been faster; then it is that one's that counts.
    let compiled = native_code.made.get_or_init(|| compiled);
    native_code.entry.store(compiled.memory.entry().cast_mut(), Ordering::Release);
    vm.counters.functions_compiled += 1;
}

fn compile(vm: &Vm, code: &Code) -> Option<Compiled> {
    let permit = FunctionPermit::take()?;
    let (memory, returns) = processor::compile(vm, code)?;
    Some(Compiled { memory, returns, _permit: permit })
}

/// For processors without a compiler: nothing is ever compiled.
#[cfg(not(target_arch = "x86_64"))]
pub(super) mod no_compiler {
    use crate::code::Code;
    use crate::frames::fiber::Fiber;
    use crate::jit::exit::JitExit;
    use crate::vm::Vm;
    use valk_heap::Value;

    /// Executable memory, of which there is none.
    #[derive(Debug)]
    pub(in crate::jit) enum Memory {}

    impl Memory {
        /// Where the function begins.
        pub fn entry(&self) -> *const u8 {
            match *self {}
        }
    }

    /// Compiles nothing.
    pub(in crate::jit) fn compile(_vm: &Vm, _code: &Code) -> Option<(Memory, Box<[u32]>)> {
        None
    }

    /// Never called: there is no native code.
    ///
    /// # Safety
    /// None.
    pub(crate) unsafe fn run(
        _vm: &mut Vm,
        _fiber: &mut Fiber,
        _target: *const u8,
        _base: *mut Value,
        _limit: *mut Value,
        _value: Value,
    ) -> JitExit {
        unreachable!("nothing is compiled for this processor")
    }
}
