//! The primitives: builtins for which compiled code has instructions of its own.
//!
//! 1. A row says everything that differs from one primitive to another: its instructions, what they
//!    compute of numbers, what may come out. Guards, the compiler's choice of instructions and the
//!    uncommon cases of arithmetic are made from the rows.
//! 2. The instruction table names the builtin of every instruction that stands for one, and both
//!    tables agree. An instruction that only one of them knows would not be checked when a program
//!    rebinds the builtin. `tests/primitives.rs` compares them.
//! 3. The interpreter has an arm for every instruction, or does not build. The same tests run each
//!    instruction in the interpreter, in native code, and with its builtin rebound.
//!
//! Does not know how an instruction is performed, nor how a builtin is called.

use super::opcode::Opcode;
use std::cmp::Ordering;
use valk_decimal::Decimal;

/// A builtin for which there are instructions.
#[derive(Debug)]
pub struct Primitive {
    /// The name of the builtin.
    pub name: &'static str,
    /// The instruction that makes its value of registers.
    pub opcode: Opcode,
    /// How many arguments the instruction takes.
    pub operands: Operands,
    /// The instruction for a second operand that is a constant number.
    pub with_number: Option<WithNumber>,
    /// The instructions that branch on its value.
    pub branch: Option<Branch>,
    /// What it computes, for those that take numbers only.
    pub numbers: Option<Numbers>,
    /// Whether its value may be a function or a symbol, as that of `head`.
    pub gives: Gives,
}

/// The arguments of a primitive that its instruction takes; calls with others are calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operands {
    /// As many as this.
    Exactly(usize),
    /// Any number, in consecutive registers.
    Consecutive,
}

/// An instruction with a number in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WithNumber {
    /// The number is an operand of 8 bits.
    Immediate(Opcode),
    /// The number is an extra word.
    Word(Opcode),
    /// The number is an extra word and not 0.
    DivisorWord(Opcode),
}

/// Instructions that branch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Branch {
    /// On the value for registers.
    pub registers: Opcode,
    /// On the value for a register and a number of 8 bits.
    pub number: Option<Opcode>,
}

/// What a primitive computes of two integers; `None` for a division by zero.
pub type OnIntegers = fn(i64, i64) -> Option<i64>;

/// Whether the order of two numbers is as a comparison says.
pub type OnOrder = fn(Ordering) -> bool;

/// What a primitive computes of two numbers.
#[derive(Clone, Copy, Debug)]
pub struct Numbers {
    /// Of two integers.
    pub integers: OnIntegers,
    /// Of a decimal and a number.
    pub decimals: Decimals,
}

/// What a primitive computes of a decimal and a number.
#[derive(Clone, Copy, Debug)]
pub enum Decimals {
    /// A decimal; `None` for a division by zero and outside the range.
    Compute(fn(Decimal, Decimal) -> Option<Decimal>),
    /// 1 or 0.
    Compare(OnOrder),
}

/// What the value of a primitive may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gives {
    /// Neither a function nor a symbol.
    Data,
    /// Anything.
    Anything,
}

impl WithNumber {
    /// The instruction.
    pub const fn opcode(self) -> Opcode {
        match self {
            WithNumber::Immediate(opcode)
            | WithNumber::Word(opcode)
            | WithNumber::DivisorWord(opcode) => opcode,
        }
    }
}

impl Primitive {
    /// Its instructions.
    pub fn opcodes(&self) -> impl Iterator<Item = Opcode> {
        self.forms().into_iter().flatten()
    }

    /// Its instructions: for registers, with a number, branches on registers and on a number.
    const fn forms(&self) -> [Option<Opcode>; 4] {
        let with_number = match self.with_number {
            Some(with_number) => Some(with_number.opcode()),
            None => None,
        };
        let (registers, number) = match self.branch {
            Some(branch) => (Some(branch.registers), branch.number),
            None => (None, None),
        };
        [Some(self.opcode), with_number, registers, number]
    }
}

impl Opcode {
    /// The primitive whose work the instruction does.
    #[inline]
    pub fn primitive(self) -> Option<&'static Primitive> {
        BY_OPCODE[self as usize]
    }
}

/// By opcode, the row that has it.
static BY_OPCODE: [Option<&'static Primitive>; Opcode::ALL.len()] = {
    let mut rows: [Option<&'static Primitive>; Opcode::ALL.len()] = [None; Opcode::ALL.len()];
    let mut row = 0;
    while row < PRIMITIVES.len() {
        let (forms, mut form) = (PRIMITIVES[row].forms(), 0);
        while form < forms.len() {
            if let Some(opcode) = forms[form] {
                assert!(rows[opcode as usize].is_none(), "an instruction has one row");
                rows[opcode as usize] = Some(&PRIMITIVES[row]);
            }
            form += 1;
        }
        row += 1;
    }
    rows
};

/// An operation on two numbers.
pub(crate) const fn arithmetic(
    name: &'static str,
    opcode: Opcode,
    with_number: WithNumber,
    integers: OnIntegers,
    decimals: fn(Decimal, Decimal) -> Option<Decimal>,
) -> Primitive {
    Primitive {
        name,
        opcode,
        operands: Operands::Exactly(2),
        with_number: Some(with_number),
        branch: None,
        numbers: Some(Numbers { integers, decimals: Decimals::Compute(decimals) }),
        gives: Gives::Data,
    }
}

/// A comparison of two numbers or, without an order, of two values.
pub(crate) const fn comparison(
    name: &'static str,
    opcode: Opcode,
    [registers, number]: [Opcode; 2],
    order: Option<(OnIntegers, OnOrder)>,
) -> Primitive {
    Primitive {
        name,
        opcode,
        operands: Operands::Exactly(2),
        with_number: None,
        branch: Some(Branch { registers, number: Some(number) }),
        numbers: match order {
            Some((integers, decimals)) => {
                Some(Numbers { integers, decimals: Decimals::Compare(decimals) })
            }
            None => None,
        },
        gives: Gives::Data,
    }
}

/// Something that is no operation on numbers and gives data.
pub(crate) const fn data(name: &'static str, opcode: Opcode, operands: Operands) -> Primitive {
    Primitive {
        name,
        opcode,
        operands,
        with_number: None,
        branch: None,
        numbers: None,
        gives: Gives::Data,
    }
}

const ONE: Operands = Operands::Exactly(1);
const TWO: Operands = Operands::Exactly(2);

/// The rows.
pub static PRIMITIVES: [Primitive; 19] = {
    use Opcode as O;
    use WithNumber::{DivisorWord, Immediate, Word};
    [
        arithmetic(
            "+",
            O::Add,
            Immediate(O::AddNumber),
            |x, y| Some(x.wrapping_add(y)),
            Decimal::checked_add,
        ),
        arithmetic(
            "-",
            O::Subtract,
            Immediate(O::SubtractNumber),
            |x, y| Some(x.wrapping_sub(y)),
            Decimal::checked_sub,
        ),
        arithmetic(
            "*",
            O::Multiply,
            Word(O::MultiplyNumber),
            |x, y| Some(x.wrapping_mul(y)),
            Decimal::checked_mul,
        ),
        arithmetic(
            "/",
            O::Divide,
            DivisorWord(O::DivideNumber),
            |x, y| (y != 0).then(|| x.wrapping_div(y)),
            Decimal::checked_div,
        ),
        arithmetic(
            "rem",
            O::Remainder,
            DivisorWord(O::RemainderNumber),
            |x, y| (y != 0).then(|| x.wrapping_rem(y)),
            Decimal::checked_rem,
        ),
        arithmetic(
            "mod",
            O::Modulo,
            DivisorWord(O::ModuloNumber),
            |x, y| (y != 0).then(|| modulo(x, y)),
            Decimal::checked_modulo,
        ),
        comparison(
            "<",
            O::Less,
            [O::BranchLess, O::BranchLessNumber],
            Some((|x, y| Some(i64::from(x < y)), Ordering::is_lt)),
        ),
        comparison(
            "<=",
            O::LessEqual,
            [O::BranchLessEqual, O::BranchLessEqualNumber],
            Some((|x, y| Some(i64::from(x <= y)), Ordering::is_le)),
        ),
        comparison(
            ">",
            O::Greater,
            [O::BranchGreater, O::BranchGreaterNumber],
            Some((|x, y| Some(i64::from(x > y)), Ordering::is_gt)),
        ),
        comparison(
            ">=",
            O::GreaterEqual,
            [O::BranchGreaterEqual, O::BranchGreaterEqualNumber],
            Some((|x, y| Some(i64::from(x >= y)), Ordering::is_ge)),
        ),
        comparison("==", O::Equal, [O::BranchEqual, O::BranchEqualNumber], None),
        comparison("!=", O::NotEqual, [O::BranchNotEqual, O::BranchNotEqualNumber], None),
        Primitive { gives: Gives::Anything, ..data("head", O::Head, ONE) },
        data("tail", O::Tail, ONE),
        data("cons", O::Cons, TWO),
        data("list/prepend", O::Prepend, TWO),
        data("list", O::List, Operands::Consecutive),
        data("error?", O::IsError, ONE),
        Primitive {
            branch: Some(Branch { registers: O::BranchNil, number: None }),
            ..data("nil?", O::IsNil, ONE)
        },
    ]
};

/// `x` modulo `y`, which is not 0: the remainder that has the sign of `y`.
#[inline(always)]
pub(crate) fn modulo(x: i64, y: i64) -> i64 {
    let remainder = x.wrapping_rem(y);
    if remainder != 0 && (remainder < 0) != (y < 0) { remainder + y } else { remainder }
}
