//! The VM without a language: hand-made code, builtins, fibers.

mod fused;
#[cfg(target_arch = "x86_64")]
mod jit;
#[cfg(target_arch = "x86_64")]
mod jit_builtins;
mod persistent;
mod preemption;
mod primitives;

use crate::code::verify::verify;
use crate::{
    Arity, Assembler, Code, CodeKind, INTERRUPTED, ModuleId, NativeCode, NativeKind, Opcode,
    Outcome, ParkedVm, Position, Step, Vm, listing, listings,
};
use std::cell::RefCell;
use std::rc::Rc;
use valk_heap::{Collection, Config, Heap, Kind, SymbolId, Value};

fn vm() -> Vm {
    let heap = Heap::new(Config::default()).expect("a heap");
    Vm::new(heap, |_, _, _, _| panic!("nothing to compile"))
}

/// Code with this many registers.
fn code(registers: u32, assembler: Assembler) -> Code {
    let (words, positions) = assembler.finish(Assembler::default());
    Code {
        words,
        constants: vec![Value::ONE],
        parameters: 0,
        simple_parameters: 0,
        rest: false,
        registers,
        kind: CodeKind::Thunk,
        module: ModuleId::PROGRAM,
        name: None,
        formal_names: Vec::new(),
        formals: Value::NIL,
        body: Value::NIL,
        broken_formals: false,
        variables: Vec::new(),
        positions,
        native_code: NativeCode::default(),
    }
}

/// Assembles instructions `(opcode, a, b, c, extra words)`.
fn assembled(instructions: &[(Opcode, u8, u8, u8, &[u32])]) -> Assembler {
    let mut assembler = Assembler::default();
    for (opcode, a, b, c, words) in instructions {
        assembler.emit(*opcode, *a, *b, *c);
        for word in *words {
            assembler.word(*word);
        }
    }
    assembler
}

/// Why the verifier refuses the instructions.
fn refusal(instructions: &[(Opcode, u8, u8, u8, &[u32])]) -> String {
    let code = code(4, assembled(instructions));
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| verify(&code)));
    let payload = caught.expect_err("the verifier refuses");
    let text = payload.downcast_ref::<String>().cloned();
    text.or_else(|| payload.downcast_ref::<&str>().map(ToString::to_string)).expect("a text")
}

valk_harness::test! {
    fn the_verifier_names_the_broken_rule() {
        let leave: (Opcode, u8, u8, u8, &[u32]) = (Opcode::Return, 0, 0, 0, &[]);
        for (instruction, rule) in [
            ((Opcode::Move, 9, 0, 0, &[][..]), "move: register 9 exists"),
            ((Opcode::Move, 0, 4, 0, &[]), "move: register 4 exists"),
            ((Opcode::Move, 0, 0, 1, &[]), "move: unused operand"),
            ((Opcode::Call, 0, 2, 0, &[]), "call: window 0 fits"),
            ((Opcode::CallValue, 2, 0, 0, &[]), "call-value: window 2 fits"),
            ((Opcode::List, 0, 2, 3, &[]), "list: registers exist"),
            ((Opcode::Constant, 0, 0, 0, &[1]), "constant: constant"),
            ((Opcode::Jump, 0, 0, 0, &[7]), "jump: jump to word 9"),
            ((Opcode::Closure, 0, 0, 0, &[0, 1, 8]), "closure: capture register"),
            ((Opcode::AddReturn, 0, 0, 0, &[]), "add-return: installation makes it"),
        ] {
            let text = refusal(&[instruction, leave]);
            assert!(text.contains(rule), "{rule}: {text}");
        }
        assert!(refusal(&[(Opcode::Nil, 0, 0, 0, &[])]).contains("code ends by leaving"));
        assert!(refusal(&[(Opcode::Global, 0, 0, 0, &[])]).contains("instruction is complete"));
    }
}

valk_harness::test! {
    fn words_that_are_no_instruction_are_refused() {
        let mut bad = code(1, assembled(&[(Opcode::Return, 0, 0, 0, &[])]));
        bad.words = vec![0xff].into_boxed_slice();
        assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| verify(&bad))).is_err());
        bad.registers = 251;
        assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| verify(&bad))).is_err());
        bad.registers = 0;
        bad.parameters = 1;
        assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| verify(&bad))).is_err());
    }
}

valk_harness::test! {
    fn hand_made_code_runs_and_is_listed() {
        let mut vm = vm();
        let inner = assembled(&[(Opcode::Capture, 0, 1, 0, &[]), (Opcode::Return, 0, 0, 0, &[])]);
        let inner = vm.install(code(1, inner));
        let middle = assembled(&[
            (Opcode::Closure, 0, 0, 0, &[0, 2, crate::FROM_CAPTURE, 1]),
            (Opcode::CallValue, 0, 0, 0, &[]),
            (Opcode::Return, 0, 0, 0, &[]),
        ]);
        let mut middle = code(4, middle);
        middle.constants = vec![inner];
        let middle = vm.install(middle);
        let mut outer = Assembler::default();
        outer.position(Position { file: 1, start: 2, end: 3 });
        outer.emit(Opcode::Number, 1, 0, 0);
        outer.word(20);
        outer.position(Position { file: 1, start: 2, end: 3 });
        outer.position(Position { file: 1, start: 4, end: 5 });
        outer.position(Position { file: 1, start: 6, end: 7 });
        outer.emit(Opcode::AddNumber, 1, 1, 22);
        outer.emit(Opcode::Pair, 0, 1, 1);
        outer.word(1);
        outer.emit(Opcode::Return, 1, 0, 0);
        let outer = code(2, outer);
        assert_eq!(outer.position_at(0), Some(Position { file: 1, start: 2, end: 3 }));
        assert_eq!(outer.position_at(2), Some(Position { file: 1, start: 6, end: 7 }));
        let outer = vm.install(outer);
        let closure = vm.closure(outer, &[]);
        assert_eq!(vm.call(closure, &[]), Value::fixnum(42));
        let many: Vec<Value> = (0..9).map(Value::fixnum).collect();
        let closure = vm.closure(middle, &many);
        let text = listings(&vm.heap, closure);
        assert!(text.contains("r1 c0") || text.contains("c0 r1"), "{text}");
        let outer: &Code = outer.host(&vm.heap).expect("installed");
        assert!(listing(&vm.heap, outer).contains("pair                       r0 r1 r1 1"));
        let object = middle.host_object(&vm.heap).expect("a host");
        assert_eq!(object.type_name(), "code");
    }
}

valk_harness::test! {
    fn suspended_fibers_keep_their_values_through_collections() {
        let mut vm = vm();
        let ask = vm.define_native(
            "ask",
            Arity::Exactly(1),
            NativeKind::Plain(|_, arguments| Outcome::Suspend(arguments[0])),
        );
        let text = vm.heap.string(b"kept while waiting");
        let fiber = vm.spawn(ask, &[text]);
        let Step::Suspended(question) = vm.resume(fiber, Value::NIL) else { panic!("it waits") };
        assert_eq!(question.bytes(&vm.heap), b"kept while waiting");
        let other = vm.spawn(ask, &[Value::ONE]);
        assert_eq!(vm.resume(other, Value::NIL), Step::Suspended(Value::ONE));
        vm.abandon(other);
        vm.abandon(other);
        assert_eq!(vm.resume(fiber, Value::fixnum(5)), Step::Done(Value::fixnum(5)));
        let reused = vm.spawn(ask, &[Value::ONE]);
        assert!(reused == fiber || reused == other, "slots of fibers are used again");
        let answer = vm.call(ask, &[Value::ONE]);
        assert!(answer.is_error(), "a call cannot wait");
    }
}

valk_harness::test! {
    fn a_closure_over_many_captures_and_high_symbols() {
        let mut vm = vm();
        let name = (0..3000).map(|i| vm.intern(&format!("name{i}"))).last().expect("some");
        let lookup = assembled(&[
            (Opcode::Global, 0, 0, 0, &[name.0]),
            (Opcode::Return, 0, 0, 0, &[]),
        ]);
        let installed = vm.install(code(1, lookup));
        let closure = vm.closure(installed, &[]);
        let missing = vm.call(closure, &[]);
        assert!(missing.is_error());
        vm.set_global(name, Value::ONE);
        assert_eq!(vm.call(closure, &[]), Value::ONE);
        assert!(vm.global_bindings().contains(&(name, Value::ONE)));
        assert_eq!(vm.global(SymbolId(1 << 20)), None);
    }
}

valk_harness::test! {
    fn definitions_can_be_forbidden_for_a_fiber() {
        let mut vm = vm();
        let name = vm.intern("defined");
        let define = assembled(&[
            (Opcode::Define, 0, 0, 0, &[name.0]),
            (Opcode::Return, 0, 0, 0, &[]),
        ]);
        let mut define = code(1, define);
        define.parameters = 1;
        let define = vm.install(define);
        let define = vm.closure(define, &[]);
        let fiber = vm.spawn(define, &[Value::ONE]);
        vm.forbid_definitions(fiber);
        let Step::Done(value) = vm.resume(fiber, Value::NIL) else { panic!("it ends") };
        assert!(value.is_error());
        assert_eq!(vm.call(define, &[Value::ONE]), Value::NIL);
    }
}

valk_harness::test! {
    fn builtins_know_their_arity() {
        for (arity, given, text) in [
            (Arity::Any, 9, None),
            (Arity::Exactly(2), 2, None),
            (Arity::Exactly(2), 1, Some("Invalid argument count, Actual[1] == Expected[2]")),
            (Arity::MoreThan(0), 0, Some("Invalid argument count, Actual[0] > Expected[0]")),
            (Arity::AtMost(1), 2, Some("Invalid argument count, Actual[2] <= Expected[1]")),
            (Arity::Curried(1), 0, None),
            (
                Arity::Curried(1),
                2,
                Some("More arguments were given than required. Actual: 2, Expected: 1"),
            ),
        ] {
            assert_eq!(arity.problem(given).as_deref(), text);
        }
        let vm = vm();
        assert!(!Vm::is_function(Value::NIL));
        assert_eq!(Value::NIL.kind(), Kind::Nil);
        assert_eq!(vm.heap.live_roots(), 0);
    }
}

valk_harness::test! {
    fn an_interruption_ends_a_loop_for_ever() {
        let mut vm = vm();
        let name = vm.intern("again");
        let body = assembled(&[
            (Opcode::TailCallGlobal, 0, 0, 0, &[name.0]),
            (Opcode::Return, 0, 0, 0, &[]),
        ]);
        let again = vm.install(code(4, body));
        let again = vm.closure(again, &[]);
        vm.set_global(name, again);
        let interrupt = vm.heap.interrupt().clone();
        let (running, started) = std::sync::mpsc::channel();
        let asking = std::thread::spawn(move || {
            started.recv().expect("the loop starts");
            interrupt.request();
        });
        running.send(()).expect("the thread listens");
        let ended = vm.call(again, &[]);
        asking.join().expect("a thread");
        assert_eq!(ended.field(valk_heap::ERROR_MESSAGE).bytes(&vm.heap), INTERRUPTED.as_bytes());
        vm.set_global(name, Value::ONE);
        assert_eq!(vm.call(again, &[]).kind(), Kind::Error, "a number is no function");
    }

    fn a_waiting_fiber_ends_where_it_waits() {
        let mut vm = vm();
        let run = NativeKind::Plain(|_, _| Outcome::Suspend(Value::NIL));
        let wait = vm.define_native("wait", Arity::Any, run);
        let fiber = vm.spawn(wait, &[]);
        assert_eq!(vm.resume(fiber, Value::NIL), Step::Suspended(Value::NIL));
        assert!(vm.interrupt(fiber).is_error());
        assert_eq!(vm.spawn(wait, &[]), fiber, "the place is free again");
    }
}

/// A VM on a heap that takes two.
fn shared_vm() -> Vm {
    let config = Config { mutators_max: 2, ..Config::default() };
    Vm::new(Heap::new(config).expect("a heap"), |_, form, _, _| Err(form))
}

valk_harness::test! {
    fn vms_of_one_heap_share_globals_builtins_and_fibers() {
        let mut vm = shared_vm();
        let wait = vm.define_native("wait", Arity::Exactly(1), NativeKind::Plain(|_, given| {
            Outcome::Suspend(given[0])
        }));
        let question = vm.heap.string(b"what");
        let fiber = vm.spawn(wait, &[question]);
        let Step::Suspended(asked) = vm.resume(fiber, Value::NIL) else { panic!("it waits") };
        assert_eq!(asked.bytes(&vm.heap), b"what");
        let fiber = vm.detach(fiber);
        assert!(fiber.bytes() > 0 && format!("{fiber:?}").contains("bytes"));
        let collect = NativeKind::Plain(|_, _| Outcome::Collect);
        let collect = vm.define_native("collect", Arity::Any, collect);
        let template = vm.template();
        let shared = Rc::new(RefCell::new(vm));
        let parked = ParkedVm::new(&shared).expect("it is not borrowed");
        assert!(ParkedVm::new(&shared).is_none() && format!("{parked:?}") == "ParkedVm");
        let answered = std::thread::spawn(move || {
            let mut vm = template.instantiate().expect("room for it");
            assert!(template.instantiate().is_err(), "the heap takes two");
            let number = vm.heap.integer(7);
            let seven = vm.intern("seven");
            vm.set_global(seven, number);
            let fiber = vm.attach(fiber);
            assert!(vm.call(collect, &[]).is_fixnum());
            vm.heap.interrupt().request();
            let ended = vm.resume(fiber, number);
            assert!(vm.heap.interrupt().take(), "no call has seen it");
            assert_eq!(vm.outside(|| 5), 5);
            matches!(ended, Step::Done(value) if value == Value::fixnum(7))
        });
        assert!(answered.join().expect("no panic"));
        drop(parked);
        let mut vm = shared.borrow_mut();
        let seven = vm.intern("seven");
        assert_eq!(vm.global(seven), Some(Value::fixnum(7)));
    }

    fn a_builtin_that_blocks_lets_others_collect() {
        let mut vm = shared_vm();
        let run = NativeKind::Plain(|vm, _| {
            let other = vm.heap.mutator_ticket();
            let wait = move || {
                std::thread::spawn(move || {
                    let mut heap = other.register().expect("room for it");
                    // SAFETY: nothing is used afterwards.
                    unsafe { heap.collect(Collection::Full, &mut ()) }
                })
                .join()
                .expect("no panic")
            };
            Outcome::blocking(wait, |_, collected| Value::fixnum(i64::from(collected.led)).into())
        });
        let block = vm.define_native("block", Arity::Any, run);
        let text = vm.heap.string(b"argument");
        assert_eq!(vm.call(block, &[text]), Value::ONE);
    }
}
