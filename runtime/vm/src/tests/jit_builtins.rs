//! Builtins that native code calls: whatever they want, the program goes on as in the interpreter.

use super::primitives::vm_with_builtins;
use super::{assembled, code, vm};
use crate::persistent::vector;
use crate::{Arity, Code, CodeKind, JIT_NEVER, NativeKind, Opcode, Outcome, Step, Vm};
use std::panic::{AssertUnwindSafe, catch_unwind};
use valk_heap::{ERROR_MESSAGE, ERROR_TRACE, Kind, SymbolId, Value};

/// A VM that compiles every function when it is called first, or none.
fn vm_that(compiles: bool) -> Vm {
    let mut vm = vm();
    vm.jit_calls = if compiles { 0 } else { JIT_NEVER };
    vm
}

/// A function of two arguments, f(x, y) = 1 + global(x, y), or global(x, y) as a tail call.
fn caller(vm: &mut Vm, global: SymbolId, is_tail: bool) -> Value {
    let opcode = if is_tail { Opcode::TailCallGlobal } else { Opcode::CallGlobal };
    let leave = (Opcode::Return, 4, 0, 0, &[][..]);
    let instructions = [
        (Opcode::Move, 7, 0, 0, &[][..]),
        (Opcode::Move, 8, 1, 0, &[]),
        (opcode, 4, 2, 0, &[global.0]),
        if is_tail { leave } else { (Opcode::AddNumber, 4, 4, 1, &[]) },
        leave,
    ];
    let (words, _) = assembled(&instructions).finish(crate::Assembler::default());
    let plain = code(12, crate::Assembler::default());
    let code = vm.install(Code { parameters: 2, kind: CodeKind::Function, words, ..plain });
    vm.closure(code, &[])
}

/// A builtin under the name `builtin`.
fn define(vm: &mut Vm, arity: Arity, run: crate::NativeFn) -> SymbolId {
    let builtin = vm.define_native("builtin", arity, NativeKind::Plain(run));
    let name = vm.intern("builtin");
    vm.set_global(name, builtin);
    name
}

/// What a value is: a number, a list or an error, with what it says.
fn shown(vm: &Vm, value: Value) -> String {
    if !value.is_error() {
        return format!("{:?}", value.as_integer());
    }
    let message = value.field(ERROR_MESSAGE);
    let text = String::from_utf8_lossy(message.bytes(&vm.heap)).into_owned();
    format!("{text}, traced: {}", !value.field(ERROR_TRACE).is_nil())
}

/// What comes of a call with 20 and 3, alone and as a tail call, in native code; it is what comes of it
/// in the interpreter.
fn results(arity: Arity, run: crate::NativeFn) -> Vec<String> {
    let [native, interpreted] = [true, false].map(|compiles| {
        let results = [false, true].map(|is_tail| {
            let mut vm = vm_that(compiles);
            let name = define(&mut vm, arity, run);
            let function = caller(&mut vm, name, is_tail);
            let value = vm.call(function, &[Value::fixnum(20), Value::fixnum(3)]);
            assert_eq!(vm.counters.functions_compiled > 0, compiles);
            let text = shown(&vm, value);
            format!(
                "{text}, {} builtins, {} calls",
                vm.counters.builtin_calls, vm.counters.function_calls
            )
        });
        results.to_vec()
    });
    assert_eq!(native, interpreted);
    native
}

valk_harness::test! {
    fn what_builtins_return() {
        let found = results(Arity::Exactly(2), |_, arguments| {
            Value::fixnum(arguments[0].as_fixnum() * arguments[1].as_fixnum()).into()
        });
        assert_eq!(found, ["Some(61), 1 builtins, 1 calls", "Some(60), 1 builtins, 1 calls"]);
        let failed = results(Arity::Any, |vm, _| vm.error("broken").into());
        assert!(failed.iter().all(|text| text.starts_with("broken, traced: true")), "{failed:?}");
        let refused = results(Arity::Exactly(3), |_, _| unreachable!("two arguments"));
        assert!(refused[0].starts_with("Invalid argument count"), "{refused:?}");
        let partial = results(Arity::Curried(3), |_, _| unreachable!("two arguments"));
        assert!(partial[1].starts_with("None"), "{partial:?}");
    }

    fn what_builtins_ask_for() {
        let depth = results(Arity::Any, |_, _| Outcome::Depth);
        assert_eq!(depth, ["Some(2), 1 builtins, 1 calls", "Some(1), 1 builtins, 1 calls"]);
        let called = results(Arity::Any, |vm, arguments| {
            let name = vm.intern("other");
            let double = |_: &mut Vm, arguments: &[Value]| {
                Value::fixnum(arguments[0].as_fixnum() * 2).into()
            };
            let other = vm.define_native("other", Arity::Exactly(1), NativeKind::Plain(double));
            vm.set_global(name, other);
            Outcome::Call(other, vec![arguments[0]])
        });
        assert_eq!(called, ["Some(41), 2 builtins, 1 calls", "Some(40), 2 builtins, 1 calls"]);
        let blocked = results(Arity::Any, |_, _| Outcome::blocking(|| 7, |_, n| Value::fixnum(n).into()));
        assert_eq!(blocked, ["Some(8), 1 builtins, 1 calls", "Some(7), 1 builtins, 1 calls"]);
        // It is called once more when there was a collection.
        let room = results(Arity::Any, |vm, _| match vm.heap.statistics().collections() {
            0 => Outcome::NeedsRoom(16),
            _ => Value::ONE.into(),
        });
        assert_eq!(room, ["Some(2), 2 builtins, 1 calls", "Some(1), 2 builtins, 1 calls"]);
    }

    // What is called for a builtin has native code as well, and may call the next one.
    fn functions_called_for_builtins() {
        for compiles in [true, false] {
            let mut vm = vm_that(compiles);
            // f(x, y) = 1 + builtin(x, y), which calls f(x - 1, y) until x is 0.
            let name = define(&mut vm, Arity::Exactly(2), |vm, arguments| {
                match arguments[0].as_fixnum() {
                    0 => arguments[1].into(),
                    n => {
                        let name = vm.intern("f");
                        let f = vm.global(name).expect("bound");
                        Outcome::Call(f, vec![Value::fixnum(n - 1), arguments[1]])
                    }
                }
            });
            let function = caller(&mut vm, name, false);
            let f = vm.intern("f");
            vm.set_global(f, function);
            let depth = 50_000;
            let found = vm.call(function, &[Value::fixnum(depth), Value::fixnum(100)]);
            assert_eq!(found, Value::fixnum(depth + 101));
            assert_eq!(vm.counters.builtin_calls, depth as u64 + 1);
        }
    }

    fn fibers_that_wait_in_native_code() {
        for compiles in [true, false] {
            for is_tail in [true, false] {
                let mut vm = vm_that(compiles);
                let name = define(&mut vm, Arity::Any, |_, arguments| Outcome::Suspend(arguments[1]));
                let function = caller(&mut vm, name, is_tail);
                let fiber = vm.spawn(function, &[Value::fixnum(20), Value::fixnum(3)]);
                assert_eq!(vm.resume(fiber, Value::NIL), Step::Suspended(Value::fixnum(3)));
                let expected = if is_tail { 5 } else { 6 };
                assert_eq!(vm.resume(fiber, Value::fixnum(5)), Step::Done(Value::fixnum(expected)));
            }
        }
    }

    // Native code has no frames for a panic: it goes on behind it, and the VM is what it was.
    fn panics_of_builtins() {
        for compiles in [true, false] {
            let mut vm = vm_that(compiles);
            let name = define(&mut vm, Arity::Any, |_, arguments| {
                assert_ne!(arguments[1], Value::NIL, "no number");
                arguments[1].into()
            });
            let function = caller(&mut vm, name, false);
            let caught = catch_unwind(AssertUnwindSafe(|| vm.call(function, &[Value::ONE, Value::NIL])));
            let panic = caught.expect_err("the builtin panics");
            let text = panic.downcast_ref::<String>().expect("a text");
            assert!(text.contains("no number"), "{text}");
            assert!(vm.verify_heap() > 1);
        }
    }

    // What a builtin interns and allocates, native code sees: variables have another place then.
    fn builtins_that_move_what_native_code_uses() {
        for compiles in [true, false] {
            let mut vm = vm_that(compiles);
            let name = define(&mut vm, Arity::Any, |vm, arguments| {
                for at in 0..20_000 {
                    let name = vm.intern(&format!("global {at}"));
                    vm.set_global(name, Value::fixnum(at));
                }
                let mut list = Value::NIL;
                for _ in 0..1000 {
                    list = vm.heap.cons(arguments[0], list, true);
                }
                list.head().into()
            });
            let function = caller(&mut vm, name, false);
            let f = vm.intern("f");
            vm.set_global(f, function);
            // g(x, y) = f(f(x, y), y) with a pair made in native code in between.
            let instructions = [
                (Opcode::Move, 7, 0, 0, &[][..]), (Opcode::Move, 8, 1, 0, &[]),
                (Opcode::CallGlobal, 4, 2, 0, &[f.0]),
                (Opcode::Nil, 2, 0, 0, &[]), (Opcode::Cons, 2, 4, 2, &[]),
                (Opcode::Move, 7, 4, 0, &[]), (Opcode::Move, 8, 1, 0, &[]),
                (Opcode::CallGlobal, 4, 2, 0, &[f.0]),
                (Opcode::Head, 2, 2, 0, &[]), (Opcode::Add, 4, 4, 2, &[]),
                (Opcode::Return, 4, 0, 0, &[]),
            ];
            let (words, _) = assembled(&instructions).finish(crate::Assembler::default());
            let plain = code(12, crate::Assembler::default());
            let code = vm.install(Code { parameters: 2, kind: CodeKind::Function, words, ..plain });
            let g = vm.closure(code, &[]);
            assert_eq!(vm.call(g, &[Value::fixnum(20), Value::ONE]), Value::fixnum(22 + 21));
            assert!(vm.verify_heap() > 1);
        }
    }

    // What is called for a builtin has no native code: the interpreter goes on.
    fn functions_without_native_code_called_for_builtins() {
        let mut vm = vm_that(true);
        let name = define(&mut vm, Arity::Exactly(2), |vm, arguments| {
            let g = vm.intern("g");
            match vm.global(g) {
                Some(g) => Outcome::Call(g, arguments.to_vec()),
                None => arguments[0].into(),
            }
        });
        let function = caller(&mut vm, name, false);
        let arguments = [Value::fixnum(20), Value::fixnum(3)];
        assert_eq!(vm.call(function, &arguments), Value::fixnum(21));
        let compiled = vm.counters.functions_compiled;
        assert!(compiled > 0);
        vm.jit_calls = JIT_NEVER;
        let instructions =
            [(Opcode::Subtract, 2, 0, 1, &[][..]), (Opcode::Return, 2, 0, 0, &[])];
        let (words, _) = assembled(&instructions).finish(crate::Assembler::default());
        let plain = code(3, crate::Assembler::default());
        let code = vm.install(Code { parameters: 2, kind: CodeKind::Function, words, ..plain });
        let (g, closure) = (vm.intern("g"), vm.closure(code, &[]));
        vm.set_global(g, closure);
        assert_eq!(vm.call(function, &arguments), Value::fixnum(18));
        assert_eq!(vm.counters.functions_compiled, compiled);
    }

    // A builtin rebinds one and asks for something beside: the guarded form goes on.
    fn builtins_that_rebind_primitives_and_ask() {
        let [native, interpreted] = [true, false].map(|compiles| {
            let mut vm = vm_with_builtins(if compiles { 0 } else { JIT_NEVER });
            let name = define(&mut vm, Arity::Any, |vm, arguments| {
                let symbol = vm.intern("+");
                let other = NativeKind::Plain(|_, _| Value::fixnum(1000).into());
                let other = vm.define_native("other", Arity::Any, other);
                vm.set_global(symbol, other);
                Outcome::Call(other, arguments.to_vec())
            });
            let function = caller(&mut vm, name, false);
            let found = vm.call(function, &[Value::fixnum(20), Value::fixnum(3)]);
            (found.as_integer(), vm.guarded)
        });
        assert_eq!(native, interpreted);
        assert_eq!(native, (Some(1000), true));
    }

    // The same after one that asks for nothing.
    fn builtins_that_rebind_primitives() {
        let [native, interpreted] = [true, false].map(|compiles| {
            let mut vm = vm_with_builtins(if compiles { 0 } else { JIT_NEVER });
            let name = define(&mut vm, Arity::Any, |vm, arguments| {
                let symbol = vm.intern("+");
                let other = NativeKind::Plain(|_, _| Value::fixnum(1000).into());
                let other = vm.define_native("other", Arity::Any, other);
                vm.set_global(symbol, other);
                arguments[0].into()
            });
            let function = caller(&mut vm, name, false);
            let found = vm.call(function, &[Value::fixnum(20), Value::fixnum(3)]);
            (found.as_integer(), vm.guarded)
        });
        assert_eq!(native, interpreted);
        assert!(native.1, "it was rebound");
        assert_eq!(native.0, Some(1000));
    }

    // Native code reads elements of vectors itself, if that is simple; the builtin does the rest.
    fn elements_of_vectors() {
        let [native, interpreted] = [true, false].map(|compiles| {
            let mut vm = vm_that(compiles);
            let get = define(&mut vm, Arity::Exactly(2), |vm, arguments| {
                let [vector, index] = *arguments else { unreachable!("two arguments") };
                if vector.kind() != Kind::Vector || !index.is_fixnum() {
                    return vm.error("no vector or no index").into();
                }
                let index = usize::try_from(index.as_fixnum()).unwrap_or(usize::MAX);
                match vector::get(&mut vm.heap, vector, index) {
                    Some(element) => element.into(),
                    None => vm.error("no element").into(),
                }
            });
            let builtin = vm.global(get).expect("bound");
            vm.set_vector_get(builtin);
            let functions = [false, true].map(|is_tail| caller(&mut vm, get, is_tail));
            let broken = vm.error("stored");
            let mut vectors = vec![Value::NIL, Value::fixnum(7), builtin, broken];
            for size in [0, 1, 5, 31, 32, 33, 100] {
                let elements: Vec<Value> = (0..size).map(Value::fixnum).collect();
                let first = vector::from_slice(&mut vm.heap, &elements);
                vectors.push(first);
                if size > 0 {
                    // The first is an older version from here on.
                    vectors.push(vector::set(&mut vm.heap, first, 0, broken));
                    let list = vm.heap.cons(Value::ONE, Value::NIL, true);
                    let last = vector::from_slice(&mut vm.heap, &elements);
                    vectors.push(vector::set(&mut vm.heap, last, size as usize - 1, list));
                }
            }
            let mut found = Vec::new();
            for vector in vectors {
                for index in [-1, 0, 1, 4, 5, 30, 31, 32, 99, 100, i64::from(u32::MAX), 1 << 60] {
                    for function in functions {
                        let element = vm.call(function, &[vector, Value::fixnum(index)]);
                        found.push(shown(&vm, element));
                    }
                }
                let element = vm.call(functions[1], &[vector, Value::NIL]);
                found.push(shown(&vm, element));
            }
            found.push(format!("{} builtins", vm.counters.builtin_calls));
            found
        });
        assert_eq!(native, interpreted);
    }

    // With other mutators about, the builtin takes its turn.
    fn elements_of_vectors_that_are_shared() {
        let mut vm = vm_that(true);
        let get = define(&mut vm, Arity::Exactly(2), |_, _| Value::fixnum(1000).into());
        let function = caller(&mut vm, get, true);
        let elements = vector::from_slice(&mut vm.heap, &[Value::ONE]);
        assert_eq!(vm.call(function, &[elements, Value::ZERO]), Value::fixnum(1000));
        let builtin = vm.global(get).expect("bound");
        vm.set_vector_get(builtin);
        assert_eq!(vm.call(function, &[elements, Value::ZERO]), Value::ONE);
        let _template = vm.template();
        assert_eq!(vm.call(function, &[elements, Value::ZERO]), Value::fixnum(1000));
    }
}
