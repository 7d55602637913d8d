//! The table of primitives agrees with the instruction table, and every instruction of a primitive
//! does what its row says: interpreted, as native code, and with its builtin rebound.

use super::{assembled, code, vm};
use crate::code::opcode::{Operand, Word};
use crate::code::primitives::{
    Decimals, Numbers, Operands, PRIMITIVES, Primitive, WithNumber, arithmetic, comparison, data,
};
use crate::{Arity, CodeKind, JIT_NEVER, NativeKind, Opcode, Vm, as_decimal, operate};
use valk_decimal::{Decimal, UNITS_PER_ONE};
use valk_heap::{Kind, Value};

type Instruction<'a> = (Opcode, u8, u8, u8, &'a [u32]);

/// What a builtin that replaces another one returns.
const REPLACED: i64 = 4711;

/// A function of two arguments that returns what `opcode` makes of them, or 1 or 0 for a branch. The
/// second operand is `number` where the instruction has a number in it.
fn function(vm: &mut Vm, opcode: Opcode, number: i8) -> Value {
    let leave: Instruction = (Opcode::Return, 2, 0, 0, &[]);
    let operands = opcode.operands();
    let is_branch = opcode.words().contains(&Word::Jump);
    let word = &[i32::from(number) as u32];
    let second = match operands[if is_branch { 1 } else { 2 }] {
        Operand::Immediate => number as u8,
        Operand::Count => 2,
        Operand::Use => 1,
        _ => 0,
    };
    let instructions: Vec<Instruction> = if is_branch {
        vec![
            (opcode, 0, second, 2, &[3, 5]),
            (Opcode::Number, 2, 0, 0, &[1]),
            leave,
            (Opcode::Number, 2, 0, 0, &[0]),
            leave,
        ]
    } else if opcode.words().contains(&Word::Number) {
        vec![(opcode, 2, 0, 0, word), leave]
    } else {
        vec![(opcode, 2, 0, second, &[]), leave]
    };
    let mut code = code(8, assembled(&instructions));
    (code.parameters, code.kind) = (2, CodeKind::Function);
    let code = vm.install(code);
    vm.closure(code, &[])
}

/// A VM with a builtin of every primitive's name, which no test calls, and a name for all of them.
pub(super) fn vm_with_builtins(jit_calls: u32) -> Vm {
    let mut vm = vm();
    vm.jit_calls = jit_calls;
    let run = NativeKind::Plain(|_, _| panic!("its instruction does its work"));
    for primitive in &PRIMITIVES {
        vm.define_native(primitive.name, Arity::Any, run);
    }
    vm.guard_primitives();
    vm
}

/// Every instruction of every primitive.
fn forms() -> impl Iterator<Item = (&'static Primitive, Opcode)> {
    PRIMITIVES.iter().flat_map(|row| row.opcodes().map(move |opcode| (row, opcode)))
}

fn text(vm: &Vm, value: Value) -> String {
    match value.kind() {
        Kind::Pair => format!("({} . {})", text(vm, value.head()), text(vm, value.tail())),
        Kind::Error => text(vm, value.field(valk_heap::ERROR_MESSAGE)),
        Kind::String => String::from_utf8_lossy(value.bytes(&vm.heap)).into_owned(),
        Kind::Decimal => format!("{:?}", as_decimal(value)),
        _ => format!("{:?} {:?}", value.kind(), value.as_integer()),
    }
}

/// Numbers that instructions with a number in them are made with: none is 0.
const NUMBERS: [i8; 5] = [1, -1, 3, -7, 100];

valk_harness::test! {
    fn both_tables_name_the_same_instructions() {
        let mut wrong = Vec::new();
        for opcode in Opcode::ALL {
            let by_row = opcode.primitive().map(|row| row.name);
            let by_opcode = opcode.builtin();
            if by_row != by_opcode {
                let name = opcode.text();
                wrong.push(format!(
                    "{name}: opcode.rs says it does the work of {by_opcode:?}, primitives.rs of {by_row:?}"
                ));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    fn the_rows_are_what_their_makers_make_while_the_program_runs_too() {
        let shape = |row: &Primitive| {
            let integers = row.numbers.map(|numbers| (numbers.integers)(7, 3));
            let [seven, three] = [7, 3].map(Decimal::from_integer);
            let decimals = row.numbers.map(|numbers| match numbers.decimals {
                Decimals::Compute(compute) => Ok(compute(seven, three)),
                Decimals::Compare(holds) => Err(holds(seven.cmp(&three))),
            });
            let forms: Vec<Opcode> = row.opcodes().collect();
            (row.operands, row.with_number, row.branch, integers, decimals, row.gives, forms)
        };
        let mut made = 0;
        for row in &PRIMITIVES {
            let numbers = row.branch.and_then(|branch| branch.number.map(|it| [branch.registers, it]));
            let again = match (row.with_number, numbers, row.numbers) {
                (
                    Some(with_number),
                    None,
                    Some(Numbers { integers, decimals: Decimals::Compute(decimals) }),
                ) => arithmetic(row.name, row.opcode, with_number, integers, decimals),
                (
                    None,
                    Some(branches),
                    Some(Numbers { integers, decimals: Decimals::Compare(decimals) }),
                ) => comparison(row.name, row.opcode, branches, Some((integers, decimals))),
                (None, Some(branches), None) => {
                    comparison(row.name, row.opcode, branches, None)
                }
                (None, None, None) => {
                    // What `head` gives and the branch of `nil?` are said in their rows.
                    let (branch, gives) = (row.branch, row.gives);
                    Primitive { branch, gives, ..data(row.name, row.opcode, row.operands) }
                }
                _ => panic!("{}: no maker makes such a row", row.name),
            };
            assert_eq!(again.name, row.name);
            assert_eq!(shape(&again), shape(row), "{}", row.name);
            made += 1;
        }
        assert_eq!(made, 19);
    }

    fn instructions_have_the_operands_of_their_place_in_the_row() {
        use Operand::{Count, Def, Immediate, None as Unused, Use};
        for row in &PRIMITIVES {
            let operands = match row.operands {
                Operands::Exactly(1) => [Def, Use, Unused],
                Operands::Exactly(2) => [Def, Use, Use],
                Operands::Exactly(_) => panic!("{}: an instruction has two operands", row.name),
                Operands::Consecutive => [Def, Use, Count],
            };
            assert_eq!(row.opcode.operands(), operands, "{}", row.name);
            assert!(row.opcode.words().is_empty(), "{}", row.name);
            if let Some(with_number) = row.with_number {
                let (operands, words): (_, &[Word]) = match with_number {
                    WithNumber::Immediate(_) => ([Def, Use, Immediate], &[]),
                    WithNumber::Word(_) | WithNumber::DivisorWord(_) => {
                        ([Def, Use, Unused], &[Word::Number])
                    }
                };
                let opcode = with_number.opcode();
                assert_eq!((opcode.operands(), opcode.words()), (operands, words), "{}", row.name);
            }
            if let Some(branch) = row.branch {
                let second = if row.operands == Operands::Exactly(1) { Unused } else { Use };
                let jumps: &[Word] = &[Word::Jump, Word::Jump];
                let registers = branch.registers;
                assert_eq!(registers.operands(), [Use, second, Def], "{}", row.name);
                assert_eq!(registers.words(), jumps, "{}", row.name);
                if let Some(number) = branch.number {
                    assert_eq!(number.operands(), [Use, Immediate, Def], "{}", row.name);
                    assert_eq!(number.words(), jumps, "{}", row.name);
                }
            }
        }
    }

    fn every_instruction_calls_the_builtin_that_replaces_it() {
        let mut wrong = Vec::new();
        for (row, opcode) in forms() {
            let mut vm = vm_with_builtins(0);
            let function = function(&mut vm, opcode, 3);
            let run = NativeKind::Plain(|_, _| Value::fixnum(REPLACED).into());
            let other = vm.define_native("another", Arity::Any, run);
            let name = vm.intern(row.name);
            vm.set_global(name, other);
            let value = vm.call(function, &[Value::fixnum(6), Value::fixnum(3)]);
            // A replacement's number is true for a branch.
            let is_branch = opcode.words().contains(&Word::Jump);
            let expected = if is_branch { 1 } else { REPLACED };
            let calls = vm.counters.builtin_calls;
            if value != Value::fixnum(expected) || calls != 1 {
                wrong.push(format!("{} does not call a rebound `{}`", opcode.text(), row.name));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    fn every_instruction_on_numbers_computes_what_its_row_says() {
        for jit_calls in [0, JIT_NEVER] {
            let mut vm = vm_with_builtins(jit_calls);
            for (row, opcode) in forms().filter(|(row, _)| row.numbers.is_some()) {
                for number in NUMBERS {
                    let function = function(&mut vm, opcode, number);
                    let integers = [0, 1, -1, 20, -20, Value::FIXNUM_MAX, Value::FIXNUM_MIN];
                    let decimals = [0, 3 * UNITS_PER_ONE, -1, i128::MAX];
                    let decimals = decimals.map(|units| vm.heap.decimal(units));
                    for x in integers.into_iter().map(Value::fixnum).chain(decimals) {
                        let y = Value::fixnum(i64::from(number));
                        let found = vm.call(function, &[x, y]);
                        let expected = operate(&mut vm, row.opcode, x, y);
                        let (found, expected) = (text(&vm, found), text(&vm, expected));
                        assert_eq!(found, expected, "{} of {x:?} and {number}", opcode.text());
                    }
                }
            }
        }
    }

    fn every_branch_agrees_with_the_value_of_its_primitive() {
        for jit_calls in [0, JIT_NEVER] {
            let mut vm = vm_with_builtins(jit_calls);
            for row in PRIMITIVES.iter().filter(|row| row.branch.is_some()) {
                for opcode in row.opcodes() {
                    for number in NUMBERS {
                        let [branch, plain] =
                            [opcode, row.opcode].map(|opcode| function(&mut vm, opcode, number));
                        let three = vm.heap.decimal(3 * UNITS_PER_ONE);
                        let half = vm.heap.decimal(UNITS_PER_ONE / 2);
                        for x in [Value::fixnum(3), Value::fixnum(-20), Value::NIL, three, half] {
                            let arguments = [x, Value::fixnum(i64::from(number))];
                            let [found, expected] =
                                [branch, plain].map(|function| vm.call(function, &arguments));
                            let (found, expected) = (text(&vm, found), text(&vm, expected));
                            assert_eq!(found, expected, "{} of {x:?} and {number}", opcode.text());
                        }
                    }
                }
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
valk_harness::test! {
    fn every_instruction_of_a_primitive_has_native_code() {
        let left = crate::jit::LEFT_TO_THE_INTERPRETER;
        for (row, opcode) in forms() {
            assert!(!left.contains(&opcode), "{} of `{}` is left", opcode.text(), row.name);
            let mut vm = vm_with_builtins(0);
            // Writing it panics when there is no native code for it.
            let function = function(&mut vm, opcode, 3);
            vm.call(function, &[Value::fixnum(6), Value::fixnum(3)]);
            assert_eq!(vm.counters.functions_compiled, 1, "{} of `{}`", opcode.text(), row.name);
        }
    }
}
