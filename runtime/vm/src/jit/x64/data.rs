//! Instructions that move, make and take apart values.

use super::branches::small;
use super::emitter::{CLOSURE, Emitter, YOUNG_LIMIT, asm, slot};
use super::entry::Context;
use crate::code::opcode::{FROM_CAPTURE, Opcode};
use crate::code::{Code, FIRST_CAPTURE};
use dynasmrt::{DynasmApi, DynasmLabelApi};
use std::mem::offset_of;
use valk_heap::layout::{
    ADDRESS_MASK, FLAGS_OFFSET, PAIR_BYTES, QUOTED_PAIR, TAG_MASK, TAG_OBJECT, TAG_PAIR, UNLOGGED,
    field_offset, header, object_bytes,
};
use valk_heap::{Kind, Value, YOUNG_OBJECT_MAX_BYTES};

/// Offset of a field from a reference to an object.
pub(super) fn field(index: usize) -> i32 {
    field_offset(index) - i32::from(TAG_OBJECT)
}

impl Emitter<'_> {
    /// Writes an instruction of this module; false when it is none.
    pub fn data(&mut self, opcode: Opcode, a: u8, b: u8, c: u8) -> bool {
        match opcode {
            Opcode::Move | Opcode::MoveOn => {
                self.get(b);
                let is_number = self.known.is_number(b);
                self.put(a);
                if is_number {
                    self.known.number(a);
                }
            }
            Opcode::Constant => {
                self.constant(self.word(0) as usize);
                self.put(a);
            }
            Opcode::Number => {
                let word = Value::fixnum(i64::from(self.word(0) as i32)).bits() as i64;
                match i32::try_from(word) {
                    Ok(word) => asm!(self ; mov QWORD [rbx + slot(a)], word),
                    Err(_) => {
                        self.uses_rax();
                        asm!(self ; mov rax, QWORD word ; mov [rbx + slot(a)], rax);
                    }
                }
                self.known.changes(a);
                self.known.number(a);
            }
            Opcode::Nil => self.put_immediate(a, Value::NIL),
            Opcode::Undefined => self.put_immediate(a, Value::UNDEFINED),
            Opcode::Global => {
                self.global(self.word(0));
                self.put(a);
            }
            Opcode::GlobalHead => {
                self.global(self.word(0));
                let exit = self.exit();
                self.jump_if_error(exit);
                self.put(a);
            }
            Opcode::Capture => {
                self.capture(usize::from(b));
                self.put(a);
            }
            Opcode::GetCaptured => {
                self.capture(usize::from(b));
                asm!(self ; mov rax, [rax + field(0)]);
                self.put(a);
            }
            Opcode::GetCell => {
                self.get(b);
                asm!(self ; mov rax, [rax + field(0)]);
                self.put(a);
            }
            Opcode::SetCell => self.set_cell(a, b),
            Opcode::Cell => {
                self.room(object_bytes(1));
                self.uses_rax();
                asm!(self
                    ; mov rcx, [rbx + slot(a)]
                    ; mov rax, QWORD header(Kind::Cell, 1) as i64
                    ; mov [r14], rax
                    ; mov [r14 + field_offset(0)], rcx
                );
                self.object(object_bytes(1));
                self.put(a);
            }
            Opcode::Head => {
                self.pair_in_rax(b);
                asm!(self ; mov rax, [rax]);
                self.put(a);
            }
            Opcode::Tail | Opcode::TailLoop => {
                self.pair_in_rax(b);
                asm!(self ; mov rax, [rax + 8]);
                self.put(a);
            }
            Opcode::Cons => self.cons(a, b, c, true, TAG_PAIR),
            Opcode::Prepend => self.cons(a, b, c, true, QUOTED_PAIR),
            Opcode::Pair => {
                let tag = if self.word(0) == 1 { QUOTED_PAIR } else { TAG_PAIR };
                self.cons(a, b, c, false, tag);
            }
            Opcode::List => self.list(a, b, c),
            Opcode::IsNil => {
                self.get(b);
                self.uses_rax();
                asm!(self
                    ; cmp rax, small(Value::NIL)
                    ; sete al
                    ; movzx eax, al
                    ; shl eax, 2
                );
                self.put(a);
                self.known.number(a);
            }
            Opcode::IsError => {
                let (is_error, done) = (self.ops.new_dynamic_label(), self.ops.new_dynamic_label());
                self.get(b);
                self.jump_if_error(is_error);
                self.uses_rax();
                asm!(self
                    ; mov eax, small(Value::ZERO)
                    ; jmp =>done
                    ; =>is_error
                    ; mov eax, small(Value::ONE)
                    ; =>done
                );
                self.put(a);
                self.known.number(a);
            }
            Opcode::Closure => return self.closure(a),
            _ => return false,
        }
        true
    }

    fn put_immediate(&mut self, register: u8, value: Value) {
        asm!(self ; mov QWORD [rbx + slot(register)], small(value));
        self.known.changes(register);
    }

    /// A constant in `rax`. The collector may move what is there, but not the place.
    fn constant(&mut self, index: usize) {
        self.uses_rax();
        let place = (&raw const self.code.constants[index]).addr() as i64;
        asm!(self ; mov rax, QWORD place ; mov rax, [rax]);
    }

    /// The value of a bound global in `rax`; leaves when it is not bound.
    fn global(&mut self, symbol: u32) {
        let exit = self.exit();
        self.global_word(symbol);
        asm!(self ; cmp rax, small(Value::UNDEFINED) ; je =>exit);
    }

    /// A global's word in `rax`.
    pub fn global_word(&mut self, symbol: u32) {
        let offset = i32::try_from(u64::from(symbol) * 8).expect("no more than 2^27 variables");
        self.uses_rax();
        asm!(self ; mov rax, [r13 + offset]);
    }

    /// A capture of the running closure in `rax`.
    fn capture(&mut self, index: usize) {
        self.uses_rax();
        asm!(self
            ; mov rax, [rbx + CLOSURE]
            ; mov rax, [rax + field(FIRST_CAPTURE + index)]
        );
    }

    /// Writes to a cell that is young or has been remembered, or what is no reference; leaves
    /// otherwise.
    fn set_cell(&mut self, cell: u8, value: u8) {
        let (exit, write) = (self.exit(), self.ops.new_dynamic_label());
        let flags = FLAGS_OFFSET - i32::from(TAG_OBJECT);
        self.get_second(value);
        self.get(cell);
        asm!(self
            ; mov edx, eax
            ; and edx, TAG_MASK.into()
            ; cmp dl, TAG_OBJECT
            ; jne =>exit
            // A reference has one of the two low bits.
            ; mov edx, ecx
            ; shr edx, 1
            ; xor edx, ecx
            ; test dl, 1
            ; jz =>write
            ; test BYTE [rax + flags], UNLOGGED
            ; jnz =>exit
            ; =>write
            ; mov [rax + field(0)], rcx
        );
    }

    /// The address of the pair that a register refers to in `rax`; leaves when it is none.
    fn pair_in_rax(&mut self, register: u8) {
        let exit = self.exit();
        self.get(register);
        self.uses_rax();
        asm!(self
            ; lea ecx, [rax - i32::from(TAG_PAIR)]
            ; test cl, TAG_MASK
            ; jnz =>exit
            ; and rax, ADDRESS_MASK.into()
        );
    }

    /// Leaves unless the nursery has room for that many bytes.
    fn room(&mut self, bytes: i32) {
        let exit = self.exit();
        asm!(self ; lea rdx, [r14 + bytes] ; cmp rdx, [rbp + YOUNG_LIMIT] ; ja =>exit);
    }

    /// A reference to the object that begins at the cursor in `rax`, and moves the cursor on.
    fn object(&mut self, bytes: i32) {
        self.uses_rax();
        asm!(self ; lea rax, [r14 + i32::from(TAG_OBJECT)] ; add r14, bytes);
    }

    fn cons(&mut self, a: u8, head: u8, tail: u8, checks: bool, tag: i8) {
        let (exit, is_list) = (self.exit(), self.ops.new_dynamic_label());
        self.room(PAIR_BYTES);
        self.get_second(tail);
        if checks {
            asm!(self
                ; lea esi, [rcx - i32::from(TAG_PAIR)]
                ; test sil, TAG_MASK
                ; jz =>is_list
                ; cmp rcx, small(Value::NIL)
                ; jne =>exit
                ; =>is_list
            );
        }
        self.get(head);
        self.uses_rax();
        asm!(self
            ; mov [r14], rax
            ; mov [r14 + 8], rcx
            ; lea rax, [r14 + i32::from(tag)]
            ; mov r14, rdx
        );
        self.put(a);
    }

    /// A quoted list, its cells one after the other.
    fn list(&mut self, a: u8, first: u8, count: u8) {
        if count == 0 {
            self.put_immediate(a, Value::NIL);
            return;
        }
        let bytes = i32::from(count) * PAIR_BYTES;
        self.room(bytes);
        for i in 0..count {
            let at = i32::from(i) * PAIR_BYTES;
            self.get(first + i);
            asm!(self ; mov [r14 + at], rax);
            if i + 1 < count {
                let next = at + PAIR_BYTES + i32::from(QUOTED_PAIR);
                asm!(self ; lea rcx, [r14 + next] ; mov [r14 + at + 8], rcx);
            } else {
                asm!(self ; mov QWORD [r14 + at + 8], small(Value::NIL));
            }
        }
        self.uses_rax();
        asm!(self ; lea rax, [r14 + i32::from(QUOTED_PAIR)] ; mov r14, rdx);
        self.put(a);
    }

    /// A closure, if it is not too large for the nursery.
    fn closure(&mut self, a: u8) -> bool {
        let (index, captures) = (self.word(0) as usize, self.word(1) as usize);
        let fields = FIRST_CAPTURE + captures;
        let bytes = object_bytes(fields);
        let code = self.code.constants[index].host::<Code>(&self.vm.heap);
        let Some(code) = code.filter(|_| bytes as usize <= YOUNG_OBJECT_MAX_BYTES) else {
            return false;
        };
        let address = std::ptr::from_ref(code).addr() as i64;
        self.room(bytes);
        self.uses_rax();
        asm!(self
            ; mov rax, QWORD header(Kind::Closure, fields as u32) as i64
            ; mov [r14], rax
        );
        self.constant(index);
        asm!(self
            ; mov [r14 + field_offset(0)], rax
            ; mov rax, QWORD address
            ; mov [r14 + field_offset(1)], rax
            ; inc QWORD [rbp + offset_of!(Context, closures_created) as i32]
        );
        for i in 0..captures {
            let word = self.word(2 + i);
            if word & FROM_CAPTURE == 0 {
                self.get(word as u8);
            } else {
                self.capture((word & !FROM_CAPTURE) as usize);
            }
            asm!(self ; mov [r14 + field_offset(FIRST_CAPTURE + i)], rax);
        }
        self.uses_rax();
        asm!(self ; lea rax, [r14 + i32::from(TAG_OBJECT)] ; mov r14, rdx);
        self.put(a);
        true
    }
}
