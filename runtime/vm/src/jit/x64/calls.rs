//! Calls of builtins and of functions that have native code, and returns.

use super::data::field;
use super::emitter::{
    BuiltinCall, CLOSURE, Emitter, LINK, NEXT, POLL_FLAG, WINDOW_BYTES, asm, slot,
};
use crate::code::opcode::Opcode;
use crate::code::{Code, WINDOW_SLOTS};
use crate::frames::link::{LINK_DISTANCE_MASK, LINK_TARGET_SHIFT, link};
use crate::jit::native_code::NativeCode;
use dynasmrt::{DynamicLabel, DynasmApi, DynasmLabelApi};
use std::mem::offset_of;
use valk_heap::Kind;
use valk_heap::layout::{KIND_OFFSET, TAG_MASK, TAG_OBJECT};

const PARAMETERS: i32 = offset_of!(Code, simple_parameters) as i32;
const REGISTERS: i32 = offset_of!(Code, registers) as i32;
const ENTRY: i32 = (offset_of!(Code, native_code) + offset_of!(NativeCode, entry)) as i32;

impl Emitter<'_> {
    /// Writes a call or return; false when the instruction is none.
    pub fn call(&mut self, opcode: Opcode, a: u8, b: u8) -> bool {
        match opcode {
            Opcode::Return => {
                self.get(a);
                self.leave_frame();
            }
            Opcode::ReturnError => {
                let (is_error, done) = (self.ops.new_dynamic_label(), self.ops.new_dynamic_label());
                self.get(a);
                self.jump_if_error(is_error);
                asm!(self ; jmp =>done ; =>is_error);
                self.leave_frame();
                asm!(self ; =>done);
            }
            Opcode::Call => {
                asm!(self ; mov rsi, [rbx + slot(a)]);
                self.call_function(a, b);
            }
            Opcode::CallGlobal => self.call_global(a, b, self.word(0)),
            Opcode::TailCall => {
                asm!(self ; mov rsi, [rbx + slot(a)]);
                self.tail_call(a, b);
            }
            Opcode::TailCallGlobal => {
                self.global_word(self.word(0));
                asm!(self ; mov rsi, rax);
                self.tail_call(a, b);
            }
            Opcode::TailSelf => {
                let (exit, entry) = (self.exit(), self.entry);
                self.global_word(self.word(0));
                asm!(self ; cmp rax, [rbx + CLOSURE] ; jne =>exit);
                self.poll(exit);
                asm!(self ; inc r15 ; jmp =>entry);
            }
            Opcode::CallValue => self.call_value(a, false),
            Opcode::TailCallValue => self.call_value(a, true),
            _ => return false,
        }
        true
    }

    /// Returns the value in `rax`: to native code, if the link names some.
    fn leave_frame(&mut self) {
        let interpreted = self.ops.new_dynamic_label();
        asm!(self
            ; mov rcx, [rbx + LINK]
            ; mov [rbx + CLOSURE], rax
            ; mov edx, ecx
            ; and edx, LINK_DISTANCE_MASK
            ; sub rbx, rdx
            ; shr rcx, LINK_TARGET_SHIFT
            ; jz =>interpreted
            ; jmp rcx
            ; =>interpreted
            ; mov rax, [rbx + rdx + NEXT]
        );
        self.leave();
    }

    /// Leaves when the mutator is wanted at a safepoint.
    fn poll(&mut self, exit: DynamicLabel) {
        asm!(self ; mov rdi, [rbp + POLL_FLAG] ; cmp QWORD [rdi], 0 ; jne =>exit);
    }

    /// Leaves unless `rsi` is a closure whose native code takes that many arguments: its code in
    /// `rdx`, its frame's size in `rcx`. A builtin is called, which goes on at `back`.
    fn callee(&mut self, a: u8, count: u8, is_tail: bool, back: DynamicLabel) {
        let (exit, label) = (self.exit(), self.ops.new_dynamic_label());
        let after = self.after;
        let call = BuiltinCall { label, back, exit, after, window: a, count, is_tail };
        self.builtin_calls.push(call);
        asm!(self
            ; mov ecx, esi
            ; and ecx, TAG_MASK.into()
            ; cmp cl, TAG_OBJECT
            ; jne =>label
            ; cmp BYTE [rsi + KIND_OFFSET - i32::from(TAG_OBJECT)], Kind::Closure as i8
            ; jne =>exit
            ; mov rdx, [rsi + field(1)]
            ; cmp DWORD [rdx + PARAMETERS], i32::from(count)
            ; jne =>exit
            ; mov ecx, [rdx + REGISTERS]
        );
    }

    /// Leaves unless the stack reaches `rcx`, where a frame ends, the code in `rdx` has native code and
    /// no thread waits for the mutator. The native code's entry is in `rdx` then.
    fn may_enter(&mut self, exit: DynamicLabel) {
        asm!(self
            ; cmp rcx, r12
            ; ja =>exit
            ; mov rdx, [rdx + ENTRY]
            ; test rdx, rdx
            ; jz =>exit
        );
        self.poll(exit);
    }

    /// Calls the closure in `rsi`, whose window is `a`.
    fn call_function(&mut self, a: u8, count: u8) {
        let back = self.ops.new_dynamic_label();
        self.enter_function(a, count, back);
        self.goes_on(a, back);
    }

    /// Goes to the closure in `rsi`, which returns to `back`.
    fn enter_function(&mut self, a: u8, count: u8, back: DynamicLabel) {
        let exit = self.exit();
        self.callee(a, count, false, back);
        asm!(self
            ; lea rax, [rbx + window_end(a)]
            ; lea rcx, [rax + rcx * 8]
        );
        self.may_enter(exit);
        asm!(self ; mov [rbx + slot(a)], rsi);
        self.frame(a, back);
        asm!(self ; jmp rdx);
    }

    /// The place behind a call in window `a`.
    fn goes_on(&mut self, a: u8, back: DynamicLabel) {
        asm!(self ; =>back);
        self.returns_here();
        self.knows_only_rax(a);
    }

    /// Fills the window's links and makes its frame the running one.
    fn frame(&mut self, a: u8, back: DynamicLabel) {
        let next = self.address(self.after);
        let distance = link(usize::from(a) + WINDOW_SLOTS, false).bits() as i32;
        asm!(self
            ; inc r15
            ; lea rax, [=>back]
            ; shl rax, LINK_TARGET_SHIFT
            ; or rax, distance
            ; mov [rbx + window_end(a) + LINK], rax
            ; mov rax, QWORD next
            ; mov [rbx + window_end(a) + NEXT], rax
            ; add rbx, window_end(a)
        );
        self.uses_rax();
    }

    /// Calls a global. Where it has this function's name it is most likely this function, of which all is
    /// known.
    fn call_global(&mut self, a: u8, count: u8, symbol: u32) {
        self.global_word(symbol);
        asm!(self ; mov rsi, rax);
        let is_name = self.code.name.is_some_and(|name| name.0 == symbol);
        if !is_name || self.code.simple_parameters != u32::from(count) {
            self.call_function(a, count);
            return;
        }
        let (exit, entry) = (self.exit(), self.entry);
        let (other, back) = (self.ops.new_dynamic_label(), self.ops.new_dynamic_label());
        let end = window_end(a) + slot(self.code.registers as i32);
        asm!(self
            ; cmp rsi, [rbx + CLOSURE]
            ; jne =>other
            ; lea rcx, [rbx + end]
            ; cmp rcx, r12
            ; ja =>exit
        );
        self.poll(exit);
        asm!(self ; mov [rbx + slot(a)], rsi);
        self.frame(a, back);
        asm!(self ; jmp =>entry ; =>other);
        self.enter_function(a, count, back);
        self.goes_on(a, back);
    }

    /// Calls the closure in `rsi` in place of the running frame. What a builtin returns is in window `a`.
    fn tail_call(&mut self, a: u8, count: u8) {
        let (exit, back) = (self.exit(), self.ops.new_dynamic_label());
        self.callee(a, count, true, back);
        asm!(self
            ; lea rcx, [rbx + rcx * 8]
        );
        self.may_enter(exit);
        asm!(self ; inc r15 ; mov [rbx + CLOSURE], rsi);
        for i in 0..count {
            asm!(self
                ; mov rax, [rbx + window_end(a) + slot(i)]
                ; mov [rbx + slot(i)], rax
            );
        }
        asm!(self ; jmp rdx);
        self.goes_on(a, back);
    }

    /// The rule of `(e)`: a closure is called, what is no object keeps its value. Leaves for the
    /// rest.
    fn call_value(&mut self, a: u8, is_tail: bool) {
        let (exit, function) = (self.exit(), self.ops.new_dynamic_label());
        let kept = self.ops.new_dynamic_label();
        self.get(a);
        asm!(self
            ; mov ecx, eax
            ; and ecx, TAG_MASK.into()
            ; cmp cl, TAG_OBJECT
            ; je =>function
            // Builtins are immediates.
            ; cmp cl, TAG_MASK
            ; je =>exit
            ; jmp =>kept
            ; =>function
            ; mov rsi, rax
        );
        if is_tail {
            self.tail_call(a, 0);
        } else {
            self.call_function(a, 0);
        }
        asm!(self ; =>kept);
        self.knows_only_rax(a);
    }
}

/// Offset of the end of window `a`, where its arguments begin.
fn window_end(a: u8) -> i32 {
    slot(a) + WINDOW_BYTES
}
