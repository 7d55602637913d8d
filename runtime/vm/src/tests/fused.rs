//! Fused instructions do what the two that they stand for do.

use super::{assembled, vm};
use crate::code::{Code, CodeKind};
use crate::interpreter::arithmetic::operate;
use crate::{Opcode, Vm, listing};
use valk_decimal::UNITS_PER_ONE;
use valk_heap::Value;

type Instruction<'a> = (Opcode, u8, u8, u8, &'a [u32]);

/// A function of two arguments, in registers 0 and 1 of 8, with these instructions.
fn function(vm: &mut Vm, instructions: &[Instruction]) -> Value {
    let (words, _) = assembled(instructions).finish(crate::Assembler::default());
    let code = Code {
        parameters: 2,
        registers: 8,
        kind: CodeKind::Function,
        words,
        ..super::code(8, crate::Assembler::default())
    };
    let code = vm.install(code);
    vm.closure(code, &[])
}

fn text_of(vm: &Vm, closure: Value) -> String {
    listing(&vm.heap, closure.field(0).host(&vm.heap).expect("code"))
}

/// Numbers at the ends of what is done at once, beyond them, and what is no number.
fn operands(vm: &mut Vm) -> Vec<Value> {
    let numbers = [0, 1, -1, 7, -7, 1 << 29, 1 << 40, Value::FIXNUM_MAX, Value::FIXNUM_MIN];
    let mut all: Vec<Value> = numbers.into_iter().map(Value::fixnum).collect();
    all.push(vm.heap.integer(i64::MAX));
    all.push(vm.heap.integer(i64::MIN));
    all.extend([vm.heap.decimal(0), vm.heap.decimal(7 * UNITS_PER_ONE), Value::NIL]);
    all.push(vm.error("an argument"));
    all
}

fn agree(vm: &Vm, found: Value, expected: Value, what: &str) {
    let text = |value: Value| {
        let message = value.is_error().then(|| value.field(valk_heap::ERROR_MESSAGE));
        message.map(|message| String::from_utf8_lossy(message.bytes(&vm.heap)).into_owned())
    };
    let same = match (text(found), text(expected)) {
        (None, None) => {
            let number = |value: Value| (value.as_integer(), value.as_decimal_units());
            number(found) == number(expected) && found.kind() == expected.kind()
        }
        (found, expected) => found == expected,
    };
    assert!(same, "{what}: {found:?}, expected {expected:?}");
}

/// Calls `function` with all operands, in both forms of the interpreter, and compares.
fn check(name: &str, instructions: &[Instruction], expected: fn(&mut Vm, Value, Value) -> Value) {
    for guarded in [false, true] {
        let mut vm = vm();
        vm.guarded = guarded;
        let function = function(&mut vm, instructions);
        let text = text_of(&vm, function);
        assert!(text.contains(name), "{name} in {text}");
        for x in operands(&mut vm) {
            for y in operands(&mut vm) {
                let found = vm.call(function, &[x, y]);
                let wanted = expected(&mut vm, x, y);
                agree(&vm, found, wanted, &format!("{name} of {x:?} and {y:?}"));
            }
        }
    }
}

valk_harness::test! {
    fn multiplications_go_on() {
        let add = [
            (Opcode::MultiplyNumber, 2, 0, 0, &[3][..]),
            (Opcode::Add, 2, 2, 1, &[]),
            (Opcode::RemainderNumber, 2, 2, 0, &[1000]),
            (Opcode::Return, 2, 0, 0, &[]),
        ];
        check("multiply-number-on", &add, |vm, x, y| {
            let product = operate(vm, Opcode::Multiply, x, Value::fixnum(3));
            let sum = operate(vm, Opcode::Add, product, y);
            operate(vm, Opcode::Remainder, sum, Value::fixnum(1000))
        });
        let rest = [
            (Opcode::MultiplyNumber, 2, 0, 0, &[3][..]),
            (Opcode::RemainderNumber, 3, 2, 0, &[-1000i32 as u32]),
            (Opcode::Return, 3, 0, 0, &[]),
        ];
        check("multiply-number-on", &rest, |vm, x, _| {
            let product = operate(vm, Opcode::Multiply, x, Value::fixnum(3));
            operate(vm, Opcode::Remainder, product, Value::fixnum(-1000))
        });
        let alone = [
            (Opcode::MultiplyNumber, 2, 0, 0, &[3][..]),
            (Opcode::Add, 2, 2, 1, &[]),
            (Opcode::Move, 4, 2, 0, &[]),
            (Opcode::Return, 4, 0, 0, &[]),
        ];
        check("multiply-number-on", &alone, |vm, x, y| {
            let product = operate(vm, Opcode::Multiply, x, Value::fixnum(3));
            operate(vm, Opcode::Add, product, y)
        });
    }

    fn moves_go_on() {
        let moves = [
            (Opcode::Move, 2, 0, 0, &[][..]),
            (Opcode::Move, 3, 1, 0, &[]),
            (Opcode::Move, 0, 3, 0, &[]),
            (Opcode::Move, 4, 0, 0, &[]),
            (Opcode::Move, 5, 4, 0, &[]),
            (Opcode::Return, 5, 0, 0, &[]),
        ];
        check("move-on", &moves, |_, _, y| y);
        let moves = [
            (Opcode::Move, 2, 0, 0, &[][..]),
            (Opcode::Move, 3, 2, 0, &[]),
            (Opcode::Return, 3, 0, 0, &[]),
        ];
        check("move-on", &moves, |_, x, _| x);
    }

    fn additions_go_on() {
        let rest = [
            (Opcode::Add, 2, 0, 1, &[][..]),
            (Opcode::RemainderNumber, 2, 2, 0, &[7]),
            (Opcode::Return, 2, 0, 0, &[]),
        ];
        check("add-on", &rest, |vm, x, y| {
            let sum = operate(vm, Opcode::Add, x, y);
            operate(vm, Opcode::Remainder, sum, Value::fixnum(7))
        });
        let leave = [(Opcode::Add, 2, 0, 1, &[][..]), (Opcode::Return, 2, 0, 0, &[])];
        check("add-return", &leave, |vm, x, y| operate(vm, Opcode::Add, x, y));
    }

    fn loops_go_round() {
        // Until the first argument is below 1: the second one's remainder of 5 comes back.
        for (opcode, name, number) in [
            (Opcode::SubtractNumber, "subtract-number-loop", 1),
            (Opcode::AddNumber, "add-number-loop", -1i8 as u8),
        ] {
            for guarded in [false, true] {
                let mut vm = vm();
            vm.guarded = guarded;
                let itself = vm.intern("itself");
                let round = function(&mut vm, &[
                    (Opcode::BranchGreaterNumber, 0, 0, 2, &[4, 7]),
                    (opcode, 0, 0, number, &[]),
                    (Opcode::TailSelf, 2, 2, 0, &[itself.0]),
                    (Opcode::Return, 2, 0, 0, &[]),
                    (Opcode::RemainderNumber, 1, 1, 0, &[5]),
                    (Opcode::Return, 1, 0, 0, &[]),
                    (Opcode::Return, 2, 0, 0, &[]),
                ]);
                assert!(text_of(&vm, round).contains(name));
                vm.set_global(itself, round);
                let found = vm.call(round, &[Value::fixnum(1000), Value::fixnum(13)]);
                assert_eq!(found, Value::fixnum(3), "{name}");
                let big = vm.heap.integer(Value::FIXNUM_MIN - 1);
                let found = vm.call(round, &[big, Value::ONE]);
                assert_eq!(found, Value::ONE, "{name}");
                // The global becomes something else, and nothing.
                let other = function(&mut vm, &[(Opcode::Return, 0, 0, 0, &[])]);
                vm.set_global(itself, other);
                let found = vm.call(round, &[Value::fixnum(9), Value::ONE]);
                assert_eq!(found, Value::fixnum(8), "{name}");
                vm.set_global(itself, Value::UNDEFINED);
                let found = vm.call(round, &[Value::ONE, Value::ONE]);
                assert!(found.is_error(), "{name}: {found:?}");
            }
        }
    }

    fn walks_over_lists_go_round() {
        for guarded in [false, true] {
            let mut vm = vm();
            vm.guarded = guarded;
            let itself = vm.intern("itself");
            let walk = function(&mut vm, &[
                (Opcode::BranchNil, 0, 0, 2, &[1, 4]),
                (Opcode::Return, 1, 0, 0, &[]),
                (Opcode::Tail, 0, 0, 0, &[]),
                (Opcode::TailSelf, 2, 2, 0, &[itself.0]),
                (Opcode::Return, 2, 0, 0, &[]),
            ]);
            assert!(text_of(&vm, walk).contains("tail-loop"));
            vm.set_global(itself, walk);
            let list = (0..50).fold(Value::NIL, |list, _| vm.heap.cons(Value::ONE, list, true));
            assert_eq!(vm.call(walk, &[list, Value::fixnum(9)]), Value::fixnum(9));
            // What has no elements: the first argument of the next round is an error.
            let other = function(&mut vm, &[(Opcode::Return, 0, 0, 0, &[])]);
            vm.set_global(itself, other);
            let found = vm.call(walk, &[Value::ONE, Value::ONE]);
            assert!(found.is_error(), "{found:?}");
        }
    }

    fn differences_are_passed_on() {
        let mut names = Vec::new();
        for guarded in [false, true] {
            let mut vm = vm();
            vm.guarded = guarded;
            let other = vm.intern("other");
            let call = function(&mut vm, &[
                (Opcode::SubtractNumber, 5, 0, 1, &[]),
                (Opcode::CallGlobal, 2, 1, 0, &[other.0]),
                (Opcode::Return, 2, 0, 0, &[]),
            ]);
            names.push(text_of(&vm, call));
            assert!(vm.call(call, &[Value::ONE, Value::ONE]).is_error(), "nothing to call");
            let identity = vm.define_native(
                "other",
                crate::Arity::Exactly(1),
                crate::NativeKind::Plain(|_, arguments| arguments[0].into()),
            );
            assert_eq!(vm.global(other), Some(identity));
            for x in operands(&mut vm) {
                let found = vm.call(call, &[x, Value::ONE]);
                let wanted = operate(&mut vm, Opcode::Subtract, x, Value::ONE);
                agree(&vm, found, wanted, "subtract-number-call");
            }
        }
        assert!(names.iter().all(|text| text.contains("subtract-number-call")), "{names:?}");
    }
}
