//! Native code does what the interpreter does.

use super::{assembled, vm};
use crate::code::opcode::Operand;
use crate::code::{Code, CodeKind};
use crate::{Arity, JIT_FUNCTIONS_MAX, JIT_NEVER, NativeKind, Opcode, Outcome, Step, Vm};
use std::num::NonZeroU64;
use std::time::Duration;
use valk_decimal::UNITS_PER_ONE;
use valk_heap::{Kind, SymbolId, Value};

type Instruction<'a> = (Opcode, u8, u8, u8, &'a [u32]);

/// Registers of the functions made here; a window begins at 4.
const REGISTERS: u32 = 12;

/// A function of two arguments with these instructions and constants.
fn function(vm: &mut Vm, instructions: &[Instruction], constants: Vec<Value>) -> Value {
    named(vm, None, instructions, constants)
}

fn named(
    vm: &mut Vm,
    name: Option<SymbolId>,
    instructions: &[Instruction],
    constants: Vec<Value>,
) -> Value {
    let (words, _) = assembled(instructions).finish(crate::Assembler::default());
    let plain = super::code(REGISTERS, crate::Assembler::default());
    let kind = CodeKind::Function;
    let code = vm.install(Code { parameters: 2, kind, words, constants, name, ..plain });
    vm.closure(code, &[Value::fixnum(41), Value::fixnum(42)])
}

/// A VM that compiles every function when it is called first, or none.
fn vm_that(compiles: bool) -> Vm {
    let mut vm = vm();
    vm.jit_calls = if compiles { 0 } else { JIT_NEVER };
    vm
}

/// Calls a global, wherever a collection has moved its value.
fn call(vm: &mut Vm, name: SymbolId, arguments: &[Value]) -> Value {
    let function = vm.global(name).expect("bound");
    vm.call(function, arguments)
}

/// What a value is, as deep as it goes.
fn text(vm: &Vm, value: Value) -> String {
    match value.kind() {
        Kind::Pair => {
            let (head, tail) = (text(vm, value.head()), text(vm, value.tail()));
            format!("{}({head} . {tail})", if value.is_quoted() { "q" } else { "" })
        }
        Kind::Integer => format!("{:?}", value.as_integer()),
        Kind::Decimal => format!("{:?} units", value.as_decimal_units()),
        Kind::String => format!("{:?}", value.bytes(&vm.heap)),
        Kind::Error => format!("error {}", text(vm, value.field(valk_heap::ERROR_MESSAGE))),
        Kind::Cell => format!("cell {}", text(vm, value.field(0))),
        Kind::Closure => {
            let captures: Vec<String> =
                (2..value.field_count()).map(|i| text(vm, value.field(i))).collect();
            format!("closure {captures:?}")
        }
        _ => format!("{value:?}"),
    }
}

/// Values of every kind that an instruction looks at.
fn operands(vm: &mut Vm) -> Vec<Value> {
    let numbers = [0, 1, -1, 3, -7, 1 << 40, Value::FIXNUM_MAX, Value::FIXNUM_MIN];
    let mut all: Vec<Value> = numbers.into_iter().map(Value::fixnum).collect();
    all.push(vm.heap.integer(i64::MAX));
    all.push(vm.heap.integer(i64::MIN));
    // Zero, a number that an integer equals, one that none does.
    all.extend([0, 3 * UNITS_PER_ONE, -1].map(|units| vm.heap.decimal(units)));
    let list = vm.heap.cons(Value::ONE, Value::NIL, true);
    all.extend([Value::NIL, Value::UNDEFINED, list]);
    let function = identity(vm);
    let cell = vm.heap.fields(Kind::Cell, &[list]);
    all.extend([vm.heap.string(b"text"), vm.error("an argument"), function, cell]);
    let symbol = vm.intern("symbol");
    all.push(Value::symbol(symbol));
    all.push(Value::builtin(0));
    all
}

/// A function of no arguments that returns a capture.
fn identity(vm: &mut Vm) -> Value {
    let plain = super::code(1, crate::Assembler::default());
    let instructions: [Instruction; 2] =
        [(Opcode::Capture, 0, 1, 0, &[]), (Opcode::Return, 0, 0, 0, &[])];
    let (words, _) = assembled(&instructions).finish(crate::Assembler::default());
    let code = vm.install(Code { kind: CodeKind::Function, words, ..plain });
    vm.closure(code, &[Value::ZERO, Value::fixnum(77)])
}

/// A VM with globals, and their symbols: one bound to a list, one to an error, one unbound, a
/// function of two arguments, a builtin.
fn prepared(compiles: bool) -> (Vm, [u32; 5]) {
    let mut vm = vm_that(compiles);
    let answer = NativeKind::Plain(|_, _| Outcome::Value(Value::fixnum(5)));
    vm.define_native("answer", Arity::Any, answer);
    let symbols = ["known", "broken", "nowhere", "adder", "answer"].map(|name| vm.intern(name));
    let list = vm.heap.cons(Value::ONE, Value::NIL, true);
    vm.set_global(symbols[0], list);
    let error = vm.error("in a global");
    vm.set_global(symbols[1], error);
    let add: [Instruction; 2] = [(Opcode::Add, 2, 0, 1, &[]), (Opcode::Return, 2, 0, 0, &[])];
    let adder = function(&mut vm, &add, Vec::new());
    vm.set_global(symbols[3], adder);
    // It has native code before it is called in another way.
    assert_eq!(vm.call(adder, &[Value::ONE, Value::ONE]), Value::fixnum(2));
    (vm, symbols.map(|symbol| symbol.0))
}

/// Everything that a program does with the operands that fit, on a VM of its own, which preempts
/// it at every safepoint or never.
fn results(
    compiles: bool,
    preempts: bool,
    instructions: &[Instruction],
    fits: fn(Value, Value) -> bool,
) -> Vec<String> {
    let (mut vm, _) = prepared(compiles);
    let inner = identity(&mut vm).field(0);
    let list = vm.heap.cons(Value::ONE, Value::NIL, true);
    let function = function(&mut vm, instructions, vec![list, inner]);
    vm.set_safepoint_budget(preempts.then_some(NonZeroU64::MIN));
    let mut results = Vec::new();
    for x in operands(&mut vm) {
        for y in operands(&mut vm) {
            if !fits(x, y) {
                continue;
            }
            let value = vm.call(function, &[x, y]);
            results.push(format!("{} of {} and {}", text(&vm, value), text(&vm, x), text(&vm, y)));
        }
    }
    let counted = vm.counters;
    results.push(format!("{} calls", counted.function_calls));
    results.push(format!("{} closures", counted.closures_created));
    let seen = vm.heap.statistics();
    results.push(format!("{} and {} bytes", seen.young_bytes, seen.old_bytes));
    assert_eq!(counted.functions_compiled > 0, compiles);
    assert!(vm.verify_heap() > 1);
    results
}

fn same(instructions: &[Instruction], fits: fn(Value, Value) -> bool) {
    let interpreted = results(false, false, instructions, fits);
    let calls =
        instructions.iter().any(|(opcode, ..)| opcode.operands().contains(&Operand::Window));
    let ways = [(true, false), (true, true), (false, true)];
    for (compiles, preempts) in ways.into_iter().filter(|(_, preempts)| calls || !preempts) {
        let others = results(compiles, preempts, instructions, fits);
        for (found, expected) in others.iter().zip(&interpreted) {
            assert_eq!(found, expected, "{instructions:?}, preempted: {preempts}");
        }
        assert_eq!(others.len(), interpreted.len());
    }
}

/// The operation of registers 0 and 1 into 2, which is returned; twice, so that the second one
/// knows what the first one found out.
fn operation(opcode: Opcode, c: u8, words: &[u32]) {
    let leave: Instruction = (Opcode::Return, 2, 0, 0, &[]);
    let any = |_, _| true;
    same(&[(opcode, 2, 0, c, words), leave], any);
    same(&[(opcode, 3, 0, c, words), (opcode, 2, 0, c, words), leave], any);
    same(&[(Opcode::Move, 3, 1, 0, &[]), (opcode, 2, 0, c, words), leave], any);
}

const LESS: &[u32] = &[3, 5];

/// A branch on registers 0 and 1: which way it goes.
fn branch(opcode: Opcode, b: u8, fits: fn(Value, Value) -> bool) {
    let test: Instruction = (opcode, 0, b, if b == 0 { 0 } else { 2 }, LESS);
    let test = if opcode == Opcode::Branch { (opcode, 0, 0, 0, LESS) } else { test };
    same(
        &[
            test,
            (Opcode::Number, 3, 0, 0, &[100]),
            (Opcode::Return, 3, 0, 0, &[]),
            (Opcode::Number, 3, 0, 0, &[200]),
            (Opcode::Return, 3, 0, 0, &[]),
        ],
        fits,
    );
}

valk_harness::test! {
    fn arithmetic() {
        for opcode in [
            Opcode::Add, Opcode::Subtract, Opcode::Multiply, Opcode::Divide, Opcode::Remainder,
            Opcode::Modulo, Opcode::Less, Opcode::LessEqual, Opcode::Greater, Opcode::GreaterEqual,
            Opcode::Equal, Opcode::NotEqual,
        ] {
            operation(opcode, 1, &[]);
            operation(opcode, 0, &[]);
        }
        for number in [0, 1, -1i8, 127, -128] {
            operation(Opcode::AddNumber, number as u8, &[]);
            operation(Opcode::SubtractNumber, number as u8, &[]);
        }
        for number in [0, 1, -1, 3, 1000, i32::MIN, i32::MAX] {
            operation(Opcode::MultiplyNumber, 0, &[number as u32]);
            operation(Opcode::DivideNumber, 0, &[number as u32]);
            operation(Opcode::RemainderNumber, 0, &[number as u32]);
            operation(Opcode::ModuloNumber, 0, &[number as u32]);
        }
    }

    fn facts_end_where_values_change() {
        let any = |_, _| true;
        let leave: Instruction = (Opcode::Return, 2, 0, 0, &[]);
        // A register that held a number gets something else; one that was in a register of the
        // processor is read again.
        same(&[
            (Opcode::Number, 2, 0, 0, &[7]), (Opcode::Move, 2, 0, 0, &[]),
            (Opcode::AddNumber, 2, 2, 1, &[]), leave,
        ], any);
        same(&[
            (Opcode::Number, 2, 0, 0, &[7]), (Opcode::Nil, 2, 0, 0, &[]),
            (Opcode::AddNumber, 2, 2, 1, &[]), leave,
        ], any);
        same(&[
            (Opcode::AddNumber, 2, 0, 1, &[]), (Opcode::Number, 2, 0, 0, &[1 << 30]), leave,
        ], any);
        same(&[
            (Opcode::Move, 2, 0, 0, &[]), (Opcode::Move, 0, 1, 0, &[]),
            (Opcode::Subtract, 2, 2, 0, &[]), leave,
        ], any);
        // One of two is known to be a number, whichever.
        for operands in [(0, 1), (1, 0)] {
            let known: Instruction = (Opcode::AddNumber, 3, 1, 1, &[]);
            let both = (Opcode::Subtract, 2, operands.0, operands.1, &[][..]);
            same(&[known, both, leave], any);
        }
        // The way round the first addition does not know that 0 is a number.
        same(&[
            (Opcode::BranchNil, 1, 0, 3, &[2, 2]), (Opcode::AddNumber, 3, 0, 1, &[]),
            (Opcode::Move, 3, 0, 0, &[]), (Opcode::AddNumber, 2, 0, 1, &[]), leave,
        ], any);
    }

    fn branches() {
        let any = |_: Value, _: Value| true;
        for opcode in [
            Opcode::BranchLess, Opcode::BranchLessEqual, Opcode::BranchGreater,
            Opcode::BranchGreaterEqual, Opcode::BranchEqual, Opcode::BranchCase,
            Opcode::BranchNotEqual,
            Opcode::BranchLessNumber, Opcode::BranchLessEqualNumber, Opcode::BranchGreaterNumber,
            Opcode::BranchGreaterEqualNumber, Opcode::BranchEqualNumber,
            Opcode::BranchNotEqualNumber,
        ] {
            branch(opcode, 1, any);
        }
        for opcode in [Opcode::Branch, Opcode::BranchNumber, Opcode::BranchNil] {
            branch(opcode, 0, any);
        }
        for opcode in [Opcode::JumpDefined, Opcode::JumpError] {
            same(&[
                (opcode, 0, 0, 0, &[3]),
                (Opcode::Number, 3, 0, 0, &[100]),
                (Opcode::Return, 3, 0, 0, &[]),
                (Opcode::Number, 3, 0, 0, &[200]),
                (Opcode::Return, 3, 0, 0, &[]),
            ], any);
        }
        same(&[
            (Opcode::Jump, 0, 0, 0, &[1]), (Opcode::Return, 0, 0, 0, &[]),
            (Opcode::ReturnError, 0, 0, 0, &[]), (Opcode::Return, 1, 0, 0, &[]),
        ], any);
    }

    fn data() {
        let any = |_: Value, _: Value| true;
        for opcode in [Opcode::Head, Opcode::Tail, Opcode::IsError, Opcode::IsNil] {
            operation(opcode, 0, &[]);
        }
        for opcode in [Opcode::Cons, Opcode::Prepend] {
            operation(opcode, 1, &[]);
        }
        operation(Opcode::Pair, 1, &[0]);
        operation(Opcode::Pair, 1, &[1]);
        for count in 0..3 {
            operation(Opcode::List, count, &[]);
        }
        let leave: Instruction = (Opcode::Return, 2, 0, 0, &[]);
        for instruction in [
            (Opcode::Constant, 2, 0, 0, &[0][..]),
            (Opcode::Number, 2, 0, 0, &[7]),
            (Opcode::Number, 2, 0, 0, &[i32::MIN as u32]),
            (Opcode::Nil, 2, 0, 0, &[]),
            (Opcode::Undefined, 2, 0, 0, &[]),
            (Opcode::Capture, 2, 1, 0, &[]),
            (Opcode::Closure, 2, 0, 0, &[1, 3, 0, 1 | crate::FROM_CAPTURE, 1]),
            (Opcode::Closure, 2, 0, 0, &[1, 0]),
        ] {
            same(&[instruction, leave], any);
        }
        // More than the nursery takes at once.
        let mut captures = vec![1, 9000];
        captures.extend((0..9000).map(|i| i % 2));
        same(&[(Opcode::Closure, 2, 0, 0, &captures), leave], |x, y| x == Value::ONE && x == y);
        same(&[
            (Opcode::Cell, 0, 0, 0, &[]), (Opcode::GetCell, 2, 0, 0, &[]),
            (Opcode::SetCell, 0, 1, 0, &[]), (Opcode::GetCell, 3, 0, 0, &[]),
            (Opcode::Pair, 2, 2, 3, &[1]), leave,
        ], any);
        same(&[(Opcode::SetCell, 0, 1, 0, &[]), (Opcode::Move, 2, 0, 0, &[]), leave], |x, _| {
            x.kind() == Kind::Cell
        });
    }

    fn globals_and_captured_cells() {
        let any = |_: Value, _: Value| true;
        for symbol in prepared(false).1 {
            same(&[(Opcode::Global, 2, 0, 0, &[symbol]), (Opcode::Return, 2, 0, 0, &[])], any);
            same(&[
                (Opcode::GlobalHead, 2, 0, 0, &[symbol, 1]), (Opcode::Return, 0, 0, 0, &[]),
                (Opcode::Return, 2, 0, 0, &[]),
            ], any);
        }
        for compiles in [true, false] {
            let mut vm = vm_that(compiles);
            let code = function(&mut vm, &[
                (Opcode::GetCaptured, 2, 0, 0, &[]), (Opcode::Return, 2, 0, 0, &[]),
            ], Vec::new()).field(0);
            let cell = vm.heap.fields(Kind::Cell, &[Value::fixnum(9)]);
            let closure = vm.closure(code, &[cell]);
            assert_eq!(vm.call(closure, &[Value::NIL, Value::NIL]), Value::fixnum(9));
        }
    }

    fn calls() {
        let any = |_: Value, _: Value| true;
        let [_, _, nowhere, adder, answer] = prepared(false).1;
        let leave: Instruction = (Opcode::Return, 4, 0, 0, &[]);
        // A window at 4 with two arguments, for functions with native code, builtins, errors,
        // nothing at all.
        for symbol in [adder, answer, nowhere] {
            let arguments = [
                (Opcode::Move, 7, 0, 0, &[][..]), (Opcode::Move, 8, 1, 0, &[]),
            ];
            for count in 0..3 {
                let call = (Opcode::CallGlobal, 4, count, 0, &[symbol][..]);
                same(&[&arguments[..], &[call, leave]].concat(), any);
                let call = (Opcode::TailCallGlobal, 4, count, 0, &[symbol][..]);
                same(&[&arguments[..], &[call, leave]].concat(), any);
                let callee = (Opcode::Global, 4, 0, 0, &[symbol][..]);
                let call = (Opcode::Call, 4, count, 0, &[][..]);
                same(&[&arguments[..], &[callee, call, leave]].concat(), any);
                let call = (Opcode::TailCall, 4, count, 0, &[][..]);
                same(&[&arguments[..], &[callee, call, leave]].concat(), any);
            }
        }
        for opcode in [Opcode::CallValue, Opcode::TailCallValue] {
            same(&[(Opcode::Move, 4, 0, 0, &[]), (opcode, 4, 0, 0, &[]), leave], any);
        }
        // What was called is not what is behind the call.
        same(&[
            (Opcode::AddNumber, 2, 0, 1, &[]), (Opcode::Move, 7, 0, 0, &[]),
            (Opcode::Move, 8, 1, 0, &[]), (Opcode::CallGlobal, 4, 2, 0, &[adder]),
            (Opcode::Add, 4, 2, 4, &[]), leave,
        ], any);
    }

    fn functions_that_call_themselves() {
        for compiles in [true, false] {
            let mut vm = vm_that(compiles);
            let name = vm.intern("sum");
            // sum(n, k) = n = 0 ? k : 1 + sum(n - 1, k)
            let sum = named(&mut vm, Some(name), &[
                (Opcode::BranchEqualNumber, 0, 0, 2, &[1, 1]), (Opcode::Return, 1, 0, 0, &[]),
                (Opcode::SubtractNumber, 7, 0, 1, &[]), (Opcode::Move, 8, 1, 0, &[]),
                (Opcode::CallGlobal, 4, 2, 0, &[name.0]), (Opcode::AddNumber, 4, 4, 1, &[]),
                (Opcode::Return, 4, 0, 0, &[]),
            ], Vec::new());
            vm.set_global(name, sum);
            // Deep enough for the stack to grow many times.
            let depth = 200_000;
            let found = vm.call(sum, &[Value::fixnum(depth), Value::ZERO]);
            assert_eq!(found, Value::fixnum(depth));
            assert_eq!(vm.counters.function_calls, depth as u64 + 1);
            // The name means another function now, and then a builtin.
            let twice: [Instruction; 2] =
                [(Opcode::MultiplyNumber, 2, 0, 0, &[2]), (Opcode::Return, 2, 0, 0, &[])];
            let twice = function(&mut vm, &twice, Vec::new());
            vm.set_global(name, twice);
            assert_eq!(vm.call(sum, &[Value::fixnum(5), Value::ZERO]), Value::fixnum(9));
            let one = vm.define_native("one", Arity::Any, NativeKind::Plain(|_, _| Value::ONE.into()));
            vm.set_global(name, one);
            assert_eq!(vm.call(sum, &[Value::fixnum(5), Value::ZERO]), Value::fixnum(2));
        }
    }

    fn builtins_pass_errors_on_unless_they_take_them() {
        for compiles in [true, false] {
            let mut vm = vm_that(compiles);
            let run = NativeKind::Plain(|_, given| Value::fixnum(given.len() as i64).into());
            let count = vm.define_native("count", Arity::AtMost(2), run);
            let name = vm.intern("count");
            let call_it: [Instruction; 4] = [
                (Opcode::Move, 7, 0, 0, &[]),
                (Opcode::Move, 8, 1, 0, &[]),
                (Opcode::CallGlobal, 4, 2, 0, &[name.0]),
                (Opcode::Return, 4, 0, 0, &[]),
            ];
            let program = function(&mut vm, &call_it, Vec::new());
            let [first, second] = ["first", "second"].map(|text| vm.error(text));
            let (one, two) = (Value::ONE, Value::fixnum(2));
            for callee in [count, program] {
                assert_eq!(vm.call(callee, &[one, one]), two);
                assert_eq!(vm.call(callee, &[one, second]), second);
                assert_eq!(vm.call(callee, &[first, second]), first);
            }
            let surplus = vm.call(count, &[first, one, one]);
            assert!(surplus.is_error() && surplus != first, "arguments are counted first");
            vm.take_errors(count);
            let takes = |native: &crate::Native| native.takes_errors;
            assert_eq!(vm.natives().iter().filter(|native| takes(native)).count(), 1);
            for callee in [count, program] {
                assert_eq!(vm.call(callee, &[first, second]), two);
            }
        }
    }

    fn functions_that_call_each_other() {
        for compiles in [true, false] {
            let mut vm = vm_that(compiles);
            let names = ["even", "odd"].map(|name| vm.intern(name));
            // Each is the other of one less, and 1 more than it.
            for (name, other) in [(names[0], names[1]), (names[1], names[0])] {
                let function = named(
                    &mut vm,
                    Some(name),
                    &[
                        (Opcode::BranchEqualNumber, 0, 0, 2, &[1, 1]),
                        (Opcode::Return, 1, 0, 0, &[]),
                        (Opcode::SubtractNumber, 7, 0, 1, &[]),
                        (Opcode::Move, 8, 1, 0, &[]),
                        (Opcode::CallGlobal, 4, 2, 0, &[other.0]),
                        (Opcode::AddNumber, 4, 4, 1, &[]),
                        (Opcode::Return, 4, 0, 0, &[]),
                    ],
                    Vec::new(),
                );
                vm.set_global(name, function);
            }
            let depth = Value::fixnum(100_000);
            assert_eq!(call(&mut vm, names[0], &[depth, Value::ZERO]), depth);
        }
    }

    // Wherever on the stack it stands, a large frame gets all its room, also in place of a small one.
    fn large_frames() {
        for compiles in [true, false] {
            let mut vm = vm_that(compiles);
            let names = ["down", "large", "larger"].map(|name| vm.intern(name));
            let [down, large, larger] = names.map(|name| name.0);
            for (name, instructions) in [
                (names[1], &[
                    (Opcode::Number, 249, 0, 0, &[7][..]),
                    (Opcode::CallGlobal, 4, 2, 0, &[larger]),
                    (Opcode::Return, 249, 0, 0, &[]),
                ][..]),
                (names[2], &[(Opcode::Return, 0, 0, 0, &[][..])][..]),
            ] {
                let (words, _) = assembled(instructions).finish(crate::Assembler::default());
                let plain = super::code(250, crate::Assembler::default());
                let kind = CodeKind::Function;
                let code = vm.install(Code { parameters: 2, kind, words, ..plain });
                let closure = vm.closure(code, &[]);
                vm.set_global(name, closure);
            }
            let descend = named(&mut vm, Some(names[0]), &[
                (Opcode::BranchEqualNumber, 0, 0, 2, &[2, 2]),
                (Opcode::TailCallGlobal, 4, 2, 0, &[large]),
                (Opcode::SubtractNumber, 7, 0, 1, &[]),
                (Opcode::CallGlobal, 4, 2, 0, &[down]),
                (Opcode::Return, 4, 0, 0, &[]),
            ], Vec::new());
            vm.set_global(names[0], descend);
            for depth in 0..100 {
                let found = call(&mut vm, names[0], &[Value::fixnum(depth), Value::ZERO]);
                assert_eq!(found, Value::fixnum(7), "{depth} deep");
            }
        }
    }

    fn functions_that_take_more_have_native_code_too() {
        let mut vm = vm_that(true);
        let plain = super::code(4, crate::Assembler::default());
        let (words, _) = assembled(&[(Opcode::Return, 1, 0, 0, &[])]).finish(crate::Assembler::default());
        let code = Code { parameters: 1, rest: true, kind: CodeKind::Function, words, ..plain };
        let code = vm.install(code);
        let rest = vm.closure(code, &[]);
        let found = vm.call(rest, &[Value::ONE, Value::fixnum(2), Value::fixnum(3)]);
        assert_eq!(text(&vm, found), "q(Some(2) . q(Some(3) . Nil))");
        assert_eq!(vm.counters.functions_compiled, 1);
    }

    fn loops() {
        for compiles in [true, false] {
            let mut vm = vm_that(compiles);
            let name = vm.intern("count");
            // count(n, list) = n = 0 ? list : count(n - 1, cons(n, ())), with garbage.
            let count = named(&mut vm, Some(name), &[
                (Opcode::BranchEqualNumber, 0, 0, 2, &[1, 1]), (Opcode::Return, 1, 0, 0, &[]),
                (Opcode::Nil, 2, 0, 0, &[]), (Opcode::Cons, 1, 0, 2, &[]),
                (Opcode::SubtractNumber, 0, 0, 1, &[]), (Opcode::TailSelf, 4, 2, 0, &[name.0]),
                (Opcode::Return, 4, 0, 0, &[]),
            ], Vec::new());
            vm.set_global(name, count);
            let rounds = 500_000;
            let list = call(&mut vm, name, &[Value::fixnum(rounds), Value::NIL]);
            assert_eq!((list.head(), list.tail()), (Value::ONE, Value::NIL));
            assert_eq!(vm.counters.function_calls, rounds as u64 + 1);
            assert!(vm.heap.statistics().collections() > 1, "the nursery was full");
            // A loop without end ends when it is interrupted.
            let interrupt = vm.heap.interrupt().clone();
            let timer = std::thread::spawn(move || {
                std::thread::sleep(Duration::from_millis(20));
                interrupt.request();
            });
            let count = vm.global(name).expect("bound");
            let fiber = vm.spawn(count, &[Value::fixnum(-1), Value::NIL]);
            let ended = vm.resume(fiber, Value::NIL);
            assert!(matches!(ended, Step::Done(error) if error.is_error()), "{ended:?}");
            timer.join().expect("no panic");
            // The name means something else now.
            let count = vm.global(name).expect("bound");
            let one = vm.define_native("one", Arity::Any, NativeKind::Plain(|_, _| Value::ONE.into()));
            vm.set_global(name, one);
            assert_eq!(vm.call(count, &[Value::fixnum(5), Value::NIL]), Value::ONE);
        }
    }

    fn old_cells_are_remembered() {
        for compiles in [true, false] {
            let mut vm = vm_that(compiles);
            let names = ["cell", "fill"].map(|name| vm.intern(name));
            let fill = function(
                &mut vm,
                &[
                    (Opcode::List, 2, 1, 1, &[]),
                    (Opcode::SetCell, 0, 2, 0, &[]),
                    (Opcode::Return, 0, 0, 0, &[]),
                ],
                Vec::new(),
            );
            vm.set_global(names[1], fill);
            let cell = vm.heap.fields(Kind::Cell, &[Value::NIL]);
            vm.set_global(names[0], cell);
            // So much garbage that the nursery is collected at the next call.
            let litter = NativeKind::Plain(|vm, _| {
                while !vm.heap.wants_collection() {
                    vm.heap.cons(Value::ONE, Value::NIL, false);
                }
                Value::NIL.into()
            });
            let litter = vm.define_native("litter", Arity::Any, litter);
            for n in 1..5 {
                vm.call(litter, &[]);
                let cell = vm.global(names[0]).expect("bound");
                call(&mut vm, names[1], &[cell, Value::fixnum(n)]);
                vm.call(litter, &[]);
                let other = vm.heap.fields(Kind::Cell, &[Value::NIL]);
                call(&mut vm, names[1], &[other, Value::ZERO]);
                let cell = vm.global(names[0]).expect("bound");
                assert_eq!(text(&vm, cell), format!("cell q(Some({n}) . Nil)"));
                assert!(vm.verify_heap() > 1);
            }
            let seen = vm.heap.statistics();
            assert_eq!((seen.collections_minor, seen.collections_full), (8, 0));
        }
    }

    fn only_so_many_functions_have_native_code() {
        let mut vm = vm_that(true);
        let roots: Vec<_> = (0..=JIT_FUNCTIONS_MAX).map(|n| {
            let double = function(&mut vm, &[
                (Opcode::Add, 2, 0, 0, &[]), (Opcode::Return, 2, 0, 0, &[]),
            ], Vec::new());
            assert_eq!(vm.call(double, &[Value::fixnum(n as i64), Value::NIL]), Value::fixnum(2 * n as i64));
            vm.heap.root(double)
        }).collect();
        assert_eq!(vm.counters.functions_compiled, JIT_FUNCTIONS_MAX as u64);
        for root in roots {
            vm.heap.release(root);
        }
        let collect = vm.define_native("collect", Arity::Any, NativeKind::Plain(|_, _| Outcome::Collect));
        vm.call(collect, &[]);
        let again = function(&mut vm, &[(Opcode::Return, 0, 0, 0, &[])], Vec::new());
        vm.call(again, &[Value::NIL, Value::NIL]);
        assert_eq!(vm.counters.functions_compiled, JIT_FUNCTIONS_MAX as u64 + 1, "places are free again");
    }

    fn native_code_comes_with_calls() {
        let mut vm = vm();
        vm.jit_calls = 3;
        let function = function(&mut vm, &[(Opcode::Return, 0, 0, 0, &[])], Vec::new());
        for compiled in [0, 0, 1, 1] {
            vm.call(function, &[Value::NIL, Value::NIL]);
            assert_eq!(vm.counters.functions_compiled, compiled);
        }
    }
}
