//! Jumps and branches.

use super::emitter::{Emitter, asm};
use crate::code::opcode::Opcode;
use dynasmrt::{DynamicLabel, DynasmApi, DynasmLabelApi};
use valk_heap::Value;
use valk_heap::layout::TAG_MASK;

/// Orders that two numbers can be in.
#[derive(Clone, Copy)]
enum Order {
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
}

impl Emitter<'_> {
    /// Writes a jump or branch; false when the instruction is none.
    pub fn branch(&mut self, opcode: Opcode, a: u8, b: u8) -> bool {
        let ordered = match opcode {
            Opcode::BranchLess => Some((Order::Less, false)),
            Opcode::BranchLessEqual => Some((Order::LessEqual, false)),
            Opcode::BranchGreater => Some((Order::Greater, false)),
            Opcode::BranchGreaterEqual => Some((Order::GreaterEqual, false)),
            Opcode::BranchLessNumber => Some((Order::Less, true)),
            Opcode::BranchLessEqualNumber => Some((Order::LessEqual, true)),
            Opcode::BranchGreaterNumber => Some((Order::Greater, true)),
            Opcode::BranchGreaterEqualNumber => Some((Order::GreaterEqual, true)),
            _ => None,
        };
        if let Some((order, has_number)) = ordered {
            self.ordered(order, a, b, has_number);
            return true;
        }
        match opcode {
            Opcode::Jump => {
                let target = self.target(0);
                asm!(self ; jmp =>target);
            }
            Opcode::JumpDefined => {
                let target = self.target(0);
                self.get(a);
                asm!(self ; cmp rax, small(Value::UNDEFINED) ; jne =>target);
            }
            Opcode::JumpError => {
                let target = self.target(0);
                self.get(a);
                self.jump_if_error(target);
            }
            Opcode::Branch => {
                self.get(a);
                self.truth();
            }
            Opcode::BranchNumber => {
                let target = self.target(0);
                self.get(a);
                self.need_number(a);
                asm!(self ; test rax, rax ; jz =>target);
            }
            Opcode::BranchEqual | Opcode::BranchCase => {
                let target = self.target(0);
                self.compared(a, b);
                asm!(self ; jne =>target);
            }
            Opcode::BranchNotEqual => {
                let target = self.target(0);
                self.compared(a, b);
                asm!(self ; je =>target);
            }
            Opcode::BranchEqualNumber => {
                let target = self.target(0);
                self.compared_to_number(a, b);
                asm!(self ; jne =>target);
            }
            Opcode::BranchNotEqualNumber => {
                let target = self.target(0);
                self.compared_to_number(a, b);
                asm!(self ; je =>target);
            }
            Opcode::BranchNil => {
                let target = self.target(0);
                self.get(a);
                asm!(self ; cmp rax, small(Value::NIL) ; jne =>target);
            }
            _ => return false,
        }
        true
    }

    /// Goes on when the value in `rax` is true, takes the first jump when it is false; leaves for an
    /// error.
    fn truth(&mut self) {
        let (target, exit) = (self.target(0), self.exit());
        asm!(self
            ; test rax, rax
            ; jz =>target
            ; cmp rax, small(Value::NIL)
            ; je =>target
        );
        self.jump_if_error(exit);
        // It may be zero.
        asm!(self ; mov rdx, rax);
        self.leave_if_decimal_in_rdx(exit);
    }

    fn ordered(&mut self, order: Order, a: u8, b: u8, has_number: bool) {
        if has_number {
            self.get(a);
            self.need_number(a);
            asm!(self ; cmp rax, small(Value::fixnum(i64::from(b as i8))));
        } else {
            self.numbers(a, b);
            asm!(self ; cmp rax, rcx);
        }
        self.jump_unless(order, self.target(0));
    }

    fn jump_unless(&mut self, order: Order, target: DynamicLabel) {
        match order {
            Order::Less => asm!(self ; jge =>target),
            Order::LessEqual => asm!(self ; jg =>target),
            Order::Greater => asm!(self ; jle =>target),
            Order::GreaterEqual => asm!(self ; jl =>target),
        }
    }

    /// Compares a register's value with a number: the flags say whether they are equal. Leaves for a
    /// decimal. A boxed integer is never that of a fixnum.
    fn compared_to_number(&mut self, a: u8, b: u8) {
        let number = small(Value::fixnum(i64::from(b as i8)));
        self.get(a);
        asm!(self ; cmp rax, number);
        if self.known.is_number(a) {
            return;
        }
        let (exit, known) = (self.exit(), self.ops.new_dynamic_label());
        let differs = self.ops.new_dynamic_label();
        asm!(self
            ; je =>known
            ; test al, TAG_MASK
            ; jz =>differs
            ; mov rdx, rax
        );
        self.leave_if_decimal_in_rdx(exit);
        asm!(self
            ; =>differs
            ; cmp rax, number
            ; =>known
        );
    }
}

/// The word of a value as an operand of an instruction.
pub(super) fn small(value: Value) -> i32 {
    let word = value.bits() as i64;
    i32::try_from(word).expect("the word of a small number or a constant")
}
