//! Arithmetic and comparisons of fixnums. Whatever else there is to compute, the interpreter does:
//! boxed integers and decimals.

use super::emitter::{Emitter, asm};
use crate::code::opcode::Opcode;
use dynasmrt::{DynamicLabel, DynasmApi, DynasmLabelApi};
use valk_heap::layout::{KIND_OFFSET, TAG_MASK, TAG_OBJECT};
use valk_heap::{Kind, Value};

/// The word of a small number.
fn word(number: impl Into<i64>) -> i64 {
    Value::fixnum(number.into()).bits() as i64
}

impl Emitter<'_> {
    /// Writes an arithmetic instruction; false when it is none.
    pub fn arithmetic(&mut self, opcode: Opcode, a: u8, b: u8, c: u8) -> bool {
        // What is fused is written as what it is made of.
        match opcode {
            Opcode::Add | Opcode::AddOn | Opcode::AddReturn => {
                self.numbers(b, c);
                let exit = self.exit();
                asm!(self ; add rax, rcx ; jo =>exit);
                self.put_number(a);
            }
            Opcode::Subtract => {
                self.numbers(b, c);
                let exit = self.exit();
                asm!(self ; sub rax, rcx ; jo =>exit);
                self.put_number(a);
            }
            Opcode::AddNumber | Opcode::AddNumberLoop => {
                let exit = self.number(b);
                asm!(self ; add rax, word(c as i8) as i32 ; jo =>exit);
                self.put_number(a);
            }
            Opcode::SubtractNumber | Opcode::SubtractNumberCall | Opcode::SubtractNumberLoop => {
                let exit = self.number(b);
                asm!(self ; sub rax, word(c as i8) as i32 ; jo =>exit);
                self.put_number(a);
            }
            Opcode::Multiply => {
                self.numbers(b, c);
                let exit = self.exit();
                asm!(self ; sar rcx, 2 ; imul rax, rcx ; jo =>exit);
                self.put_number(a);
            }
            Opcode::MultiplyNumber | Opcode::MultiplyNumberOn => {
                let factor = self.word(0) as i32;
                let exit = self.number(b);
                asm!(self ; imul rax, rax, factor ; jo =>exit);
                self.put_number(a);
            }
            Opcode::Divide | Opcode::Remainder | Opcode::Modulo => {
                self.numbers(b, c);
                let exit = self.exit();
                asm!(self ; test rcx, rcx ; jz =>exit);
                if opcode == Opcode::Divide {
                    asm!(self ; cmp rcx, word(-1) as i32 ; je =>exit);
                }
                self.divided(opcode, a);
            }
            Opcode::DivideNumber | Opcode::RemainderNumber | Opcode::ModuloNumber => {
                let divisor = self.word(0) as i32;
                self.number(b);
                if divisor == 0 || divisor == -1 {
                    self.leave_here();
                    return true;
                }
                asm!(self ; mov rcx, QWORD word(divisor));
                self.divided(opcode, a);
            }
            Opcode::Less => {
                self.numbers(b, c);
                asm!(self ; cmp rax, rcx ; setl al);
                self.put_flag(a);
            }
            Opcode::LessEqual => {
                self.numbers(b, c);
                asm!(self ; cmp rax, rcx ; setle al);
                self.put_flag(a);
            }
            Opcode::Greater => {
                self.numbers(b, c);
                asm!(self ; cmp rax, rcx ; setg al);
                self.put_flag(a);
            }
            Opcode::GreaterEqual => {
                self.numbers(b, c);
                asm!(self ; cmp rax, rcx ; setge al);
                self.put_flag(a);
            }
            Opcode::Equal => {
                self.compared(b, c);
                asm!(self ; sete al);
                self.put_flag(a);
            }
            Opcode::NotEqual => {
                self.compared(b, c);
                asm!(self ; setne al);
                self.put_flag(a);
            }
            _ => return false,
        }
        true
    }

    /// A register's value, a fixnum, in `rax`, which is about to change; where to leave.
    fn number(&mut self, register: u8) -> dynasmrt::DynamicLabel {
        self.get(register);
        self.need_number(register);
        self.exit()
    }

    /// Writes the number in `rax`.
    fn put_number(&mut self, register: u8) {
        self.put(register);
        self.known.number(register);
    }

    /// Writes the flag in `al` as a number.
    fn put_flag(&mut self, register: u8) {
        asm!(self ; movzx eax, al ; shl eax, 2);
        self.put_number(register);
    }

    /// Divides `rax` by `rcx`, neither 0 nor, for a quotient, -1; writes what the instruction wants.
    fn divided(&mut self, opcode: Opcode, a: u8) {
        // The tag is a factor of both: a division takes it out, and the rest has it.
        asm!(self ; cqo ; idiv rcx);
        self.uses_rax();
        match opcode {
            Opcode::Divide | Opcode::DivideNumber => asm!(self ; shl rax, 2),
            Opcode::Modulo | Opcode::ModuloNumber => {
                // A rest that has not the divisor's sign gets it.
                let done = self.ops.new_dynamic_label();
                asm!(self
                    ; mov rax, rdx
                    ; test rax, rax
                    ; jz =>done
                    ; xor rdx, rcx
                    ; jns =>done
                    ; add rax, rcx
                    ; =>done
                );
            }
            _ => asm!(self ; mov rax, rdx),
        }
        self.put_number(a);
    }

    /// Compares two registers' values: the flags say whether they are equal. Leaves when that takes
    /// more than a look at the words.
    pub fn compared(&mut self, x: u8, y: u8) {
        let (exit, known) = (self.exit(), self.ops.new_dynamic_label());
        self.get(x);
        self.get_second(y);
        asm!(self ; cmp rax, rcx ; je =>known);
        // Different words are different values, unless both are references or one is a decimal.
        let (x_is_integer, y_is_integer) = (self.known.is_number(x), self.known.is_number(y));
        match (x_is_integer, y_is_integer) {
            (true, true) => {}
            (true, false) => {
                asm!(self ; mov rdx, rcx);
                self.leave_if_decimal_in_rdx(exit);
                asm!(self ; cmp rax, rcx);
            }
            (false, true) => {
                asm!(self ; mov rdx, rax);
                self.leave_if_decimal_in_rdx(exit);
                asm!(self ; cmp rax, rcx);
            }
            (false, false) => asm!(self
                ; mov edx, eax
                ; or edx, ecx
                ; and edx, TAG_MASK.into()
                ; cmp edx, TAG_OBJECT.into()
                ; je =>exit
                ; mov edx, eax
                ; shr edx, 1
                ; xor edx, eax
                ; mov esi, ecx
                ; shr esi, 1
                ; xor esi, ecx
                ; and edx, esi
                ; test dl, 1
                ; jnz =>exit
                ; cmp rax, rcx
            ),
        }
        asm!(self ; =>known);
    }

    /// Leaves when the value in `rdx` is a decimal, which may equal an integer. Changes `rdx`.
    pub fn leave_if_decimal_in_rdx(&mut self, exit: DynamicLabel) {
        let other = self.ops.new_dynamic_label();
        asm!(self
            ; mov esi, edx
            ; and esi, TAG_MASK.into()
            ; cmp esi, TAG_OBJECT.into()
            ; jne =>other
            ; cmp BYTE [rdx + KIND_OFFSET - i32::from(TAG_OBJECT)], Kind::Decimal as i8
            ; je =>exit
            ; =>other
        );
    }
}
