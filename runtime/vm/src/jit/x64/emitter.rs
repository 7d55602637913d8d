//! The assembler of one function: labels, places to leave from, and what is known while
//! instructions are written one after the other.
//!
//! 1. What is known holds from an instruction to the next one. At a place that is jumped to, nothing
//!    is known.
//! 2. `rax` may hold the value of a register of the frame, which is then in the frame too.
//! 3. An instruction leaves native code before it has changed anything, so that the interpreter can
//!    perform it from the beginning; or, after a builtin that wants something, with no next instruction.

use super::builtins::{Builtin, call_site};
use super::entry::{Context, Memory};
use crate::code::opcode::{Opcode, Word};
use crate::code::verify::length;
use crate::code::{Code, WINDOW_SLOTS};
use crate::vm::Vm;
use dynasmrt::x64::X64Relocation;
use dynasmrt::{DynamicLabel, DynasmApi, DynasmLabelApi, VecAssembler};
use std::mem::offset_of;
use std::sync::atomic::{AtomicUsize, Ordering};
use valk_heap::layout::{KIND_OFFSET, NativeContext, TAG_MASK, TAG_OBJECT};
use valk_heap::{Kind, Value};

/// Instructions for which there is no native code, or not always.
pub(crate) const LEFT_TO_THE_INTERPRETER: &[Opcode] = &[
    Opcode::SetGlobal,
    Opcode::Define,
    Opcode::Resolve,
    Opcode::Splice,
    // Over many captures.
    Opcode::Closure,
    Opcode::Apply,
    Opcode::Run,
    Opcode::EnterFunction,
    Opcode::EnterCode,
    Opcode::EnterScope,
    Opcode::Lookup,
    Opcode::Bind,
    Opcode::ResolveIn,
    Opcode::CallIn,
    Opcode::TailCallIn,
    Opcode::Reset,
    Opcode::TailReset,
    Opcode::Shift,
    Opcode::WithContext,
    Opcode::SetContext,
    Opcode::Halt,
];

/// Writes instructions of the processor.
macro_rules! asm {
    ($emitter:ident $($tokens:tt)*) => {
        dynasmrt::dynasm!($emitter.ops ; .arch x64 $($tokens)*)
    };
}
pub(super) use asm;

const CURSOR: i32 = (offset_of!(Context, direct) + offset_of!(NativeContext, cursor)) as i32;
const GLOBALS: i32 = (offset_of!(Context, direct) + offset_of!(NativeContext, globals)) as i32;
const FUNCTION_CALLS: i32 = offset_of!(Context, function_calls) as i32;
/// Offset in the context of what native code works with.
pub(super) const POLL_FLAG: i32 =
    (offset_of!(Context, direct) + offset_of!(NativeContext, poll_flag)) as i32;
/// The same of the nursery's limit.
pub(super) const YOUNG_LIMIT: i32 =
    (offset_of!(Context, direct) + offset_of!(NativeContext, limit)) as i32;
/// The same of the way out.
const LEAVE: i32 = offset_of!(Context, leave) as i32;
/// The same of the way to builtins.
const CALL_BUILTIN: i32 = offset_of!(Context, call_builtin) as i32;

pub(super) const SLOT_BYTES: i32 = size_of::<Value>() as i32;
/// Bytes of a window before the arguments.
pub(super) const WINDOW_BYTES: i32 = WINDOW_SLOTS as i32 * SLOT_BYTES;

/// Offset of a register of the frame.
pub(super) fn slot(register: impl Into<i32>) -> i32 {
    register.into() * SLOT_BYTES
}

/// Offset from the frame's base to its closure, where its window begins.
pub(super) const CLOSURE: i32 = -(WINDOW_BYTES);
/// The same to the address of the caller's next instruction.
pub(super) const NEXT: i32 = CLOSURE + SLOT_BYTES;
/// The same to the link.
pub(super) const LINK: i32 = NEXT + SLOT_BYTES;

/// Steps in which the entries of functions lie away from the start of their pages. If they all began
/// there, their first lines would compete for the same few places of the processor's cache.
const STAGGER_BYTES: usize = 320;
const STAGGER_STEPS: usize = 11;

/// What is known of the frame at a point of the code.
#[derive(Default)]
pub(super) struct Known {
    /// `rax` holds this register's value.
    rax: Option<u8>,
    /// Registers that hold fixnums, a bit each.
    numbers: [u64; 4],
}

impl Known {
    pub fn is_number(&self, register: u8) -> bool {
        self.numbers[usize::from(register / 64)] >> (register % 64) & 1 == 1
    }

    pub fn number(&mut self, register: u8) {
        self.numbers[usize::from(register / 64)] |= 1 << (register % 64);
    }

    /// Forgets what was known of a register that changes.
    pub fn changes(&mut self, register: u8) {
        self.numbers[usize::from(register / 64)] &= !(1 << (register % 64));
        if self.rax == Some(register) {
            self.rax = None;
        }
    }
}

/// The code refers to itself by distances only, so it may lie anywhere.
type Assembler = VecAssembler<X64Relocation>;

/// A call of what is no function of the language: a builtin, most likely.
pub(super) struct BuiltinCall {
    /// Where the call comes to, with the callee in `rsi`.
    pub label: DynamicLabel,
    /// Where it goes on with the result in `rax`.
    pub back: DynamicLabel,
    /// Where the interpreter performs it.
    pub exit: DynamicLabel,
    /// Word of the instruction after it.
    pub after: usize,
    pub window: u8,
    pub count: u8,
    pub is_tail: bool,
}

pub(super) struct Emitter<'a> {
    pub vm: &'a Vm,
    pub code: &'a Code,
    pub ops: Assembler,
    /// The function's beginning.
    pub entry: DynamicLabel,
    /// By word: the instruction there is jumped to.
    targets: Vec<Option<DynamicLabel>>,
    /// Where this function is left, and the word of the instruction that is next then.
    exits: Vec<(DynamicLabel, usize)>,
    /// Calls whose callee may be a builtin.
    pub builtin_calls: Vec<BuiltinCall>,
    /// By word: where native code goes on behind a call.
    returns: Vec<u32>,
    start: usize,
    pub known: Known,
    /// Word of the instruction that is being written, and of the one after it.
    pub at: usize,
    pub after: usize,
}

/// Compiles a function: its memory and, by word of its code, where it goes on behind a call, in bytes
/// from the entry. `None` when the system gives no executable memory.
pub(in super::super) fn compile(vm: &Vm, code: &Code) -> Option<(Memory, Box<[u32]>)> {
    static COMPILED: AtomicUsize = AtomicUsize::new(0);
    let mut ops = Assembler::new(0);
    let step = COMPILED.fetch_add(1, Ordering::Relaxed) % STAGGER_STEPS;
    for _ in 0..step * STAGGER_BYTES {
        ops.push(0xCC);
    }
    let entry = ops.new_dynamic_label();
    let mut emitter = Emitter {
        vm,
        code,
        entry,
        targets: targets(code, &mut ops),
        exits: Vec::new(),
        builtin_calls: Vec::new(),
        returns: vec![0; code.words.len() + 1],
        start: ops.offset().0,
        known: Known::default(),
        at: 0,
        after: 0,
        ops,
    };
    emitter.function();
    let Emitter { ops, returns, start, .. } = emitter;
    let bytes = ops.finalize().expect("every label is placed");
    Some((Memory::with(&bytes, start)?, returns.into_boxed_slice()))
}

/// A label for every instruction that is jumped to.
fn targets(code: &Code, ops: &mut Assembler) -> Vec<Option<DynamicLabel>> {
    let mut targets = vec![None; code.words.len() + 1];
    let mut at = 0;
    while at < code.words.len() {
        let after = at + length(&code.words[at..]);
        let kinds = Opcode::of(code.words[at]).words();
        for (i, _) in kinds.iter().enumerate().filter(|(_, kind)| **kind == Word::Jump) {
            let target = after.wrapping_add_signed(code.words[at + 1 + i] as i32 as isize);
            targets[target].get_or_insert_with(|| ops.new_dynamic_label());
        }
        at = after;
    }
    targets
}

impl Emitter<'_> {
    fn function(&mut self) {
        let entry = self.entry;
        asm!(self ; =>entry);
        while self.at < self.code.words.len() {
            self.after = self.at + length(&self.code.words[self.at..]);
            if let Some(label) = self.targets[self.at] {
                asm!(self ; =>label);
                self.known = Known::default();
            }
            self.instruction();
            self.at = self.after;
        }
        for call in std::mem::take(&mut self.builtin_calls) {
            self.builtin_call(&call);
        }
        for (label, word) in std::mem::take(&mut self.exits) {
            let pc = self.address(word);
            asm!(self ; =>label ; mov rax, QWORD pc);
            self.leave();
        }
    }

    /// Has a builtin called. It may allocate and intern, so what the registers hold of the heap is written
    /// before it and read after it.
    fn builtin_call(&mut self, call: &BuiltinCall) {
        let BuiltinCall { label, back, exit, .. } = *call;
        let pc = self.address(call.after);
        let site = call_site(call.window, call.count, call.is_tail) as i32;
        asm!(self ; =>label);
        if call.count == 2 {
            self.vector_get(call);
        }
        asm!(self
            ; cmp esi, Value::builtin(0).bits() as i32
            ; jne =>exit
            ; mov rdi, rbp
            ; mov rcx, rsi
            ; mov rsi, rbx
            ; mov rdx, QWORD pc
            ; mov r8d, site
            ; mov [rbp + CURSOR], r14
            ; mov [rbp + FUNCTION_CALLS], r15
            ; call QWORD [rbp + CALL_BUILTIN]
            ; mov r13, [rbp + GLOBALS]
            ; mov r14, [rbp + CURSOR]
            ; mov r15, [rbp + FUNCTION_CALLS]
            ; test edx, edx
            ; jz =>back
            ; cmp edx, Builtin::REFUSED as i32
            ; je =>exit
            // No next instruction: the interpreter asks what there is to do.
            ; xor eax, eax
        );
        self.leave();
    }

    fn instruction(&mut self) {
        let [opcode, a, b, c] = self.code.words[self.at].to_le_bytes();
        let opcode = Opcode::ALL[usize::from(opcode)];
        let done = self.data(opcode, a, b, c)
            || self.arithmetic(opcode, a, b, c)
            || self.branch(opcode, a, b)
            || self.call(opcode, a, b);
        if !done {
            let is_left = LEFT_TO_THE_INTERPRETER.contains(&opcode);
            assert!(is_left, "no native code for `{}`", opcode.text());
            self.leave_here();
        }
    }

    /// Leaves the rest of the way to the interpreter.
    pub fn leave_here(&mut self) {
        let exit = self.exit();
        asm!(self ; jmp =>exit);
        self.known = Known::default();
    }

    /// Where to jump when the interpreter has to perform this instruction.
    pub fn exit(&mut self) -> DynamicLabel {
        match self.exits.last() {
            Some((label, word)) if *word == self.at => *label,
            _ => {
                let label = self.ops.new_dynamic_label();
                self.exits.push((label, self.at));
                label
            }
        }
    }

    /// Leaves native code with the next instruction's address in `rax`.
    pub fn leave(&mut self) {
        asm!(self ; jmp QWORD [rbp + LEAVE]);
    }

    /// The extra word `index` of the instruction.
    pub fn word(&self, index: usize) -> u32 {
        self.code.words[self.at + 1 + index]
    }

    /// Where the jump in extra word `index` goes.
    pub fn target(&self, index: usize) -> DynamicLabel {
        let target = self.after.wrapping_add_signed(self.word(index) as i32 as isize);
        self.targets[target].expect("every jump's target has a label")
    }

    /// The address of a word of the code.
    pub fn address(&self, word: usize) -> i64 {
        self.code.words.as_ptr().wrapping_add(word).addr() as i64
    }

    /// Notes that native code goes on here behind the call that is being written.
    pub fn returns_here(&mut self) {
        self.returns[self.after] = (self.ops.offset().0 - self.start) as u32;
    }

    /// A register's value in `rax`.
    pub fn get(&mut self, register: u8) {
        if self.known.rax != Some(register) {
            asm!(self ; mov rax, [rbx + slot(register)]);
            self.known.rax = Some(register);
        }
    }

    /// A register's value in `rcx`.
    pub fn get_second(&mut self, register: u8) {
        if self.known.rax == Some(register) {
            asm!(self ; mov rcx, rax);
        } else {
            asm!(self ; mov rcx, [rbx + slot(register)]);
        }
    }

    /// Writes `rax` to a register.
    pub fn put(&mut self, register: u8) {
        asm!(self ; mov [rbx + slot(register)], rax);
        self.known.changes(register);
        self.known.rax = Some(register);
    }

    /// Says that `rax` no longer holds what it did.
    pub fn uses_rax(&mut self) {
        self.known.rax = None;
    }

    /// Says that `rax` holds a register's value, and that nothing else is known.
    pub fn knows_only_rax(&mut self, register: u8) {
        self.known = Known { rax: Some(register), ..Known::default() };
    }

    /// Leaves unless the register, whose value is in `rax`, holds a fixnum.
    pub fn need_number(&mut self, register: u8) {
        if !self.known.is_number(register) {
            let exit = self.exit();
            asm!(self ; test al, TAG_MASK ; jnz =>exit);
            self.known.number(register);
        }
    }

    /// Two registers' values in `rax` and `rcx`; leaves unless both hold fixnums.
    pub fn numbers(&mut self, x: u8, y: u8) {
        if self.known.rax == Some(y) && x != y {
            asm!(self ; mov rcx, rax ; mov rax, [rbx + slot(x)]);
            self.known.rax = Some(x);
        } else {
            self.get(x);
            self.get_second(y);
        }
        let exit = self.exit();
        match (self.known.is_number(x), self.known.is_number(y)) {
            (true, true) => {}
            (false, true) => asm!(self ; test al, TAG_MASK ; jnz =>exit),
            (true, false) => asm!(self ; test cl, TAG_MASK ; jnz =>exit),
            (false, false) => asm!(self
                ; mov edx, eax
                ; or edx, ecx
                ; test dl, TAG_MASK
                ; jnz =>exit
            ),
        }
        self.known.number(x);
        self.known.number(y);
    }

    /// Jumps to `target` when `rax` is an error. Changes `rcx`.
    pub fn jump_if_error(&mut self, target: DynamicLabel) {
        let other = self.ops.new_dynamic_label();
        asm!(self
            ; mov ecx, eax
            ; and ecx, TAG_MASK.into()
            ; cmp cl, TAG_OBJECT
            ; jne =>other
            ; cmp BYTE [rax + KIND_OFFSET - i32::from(TAG_OBJECT)], Kind::Error as i8
            ; je =>target
            ; =>other
        );
    }
}
