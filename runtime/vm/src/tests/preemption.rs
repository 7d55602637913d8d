//! Fibers that are preempted go on as if they had not been.

use super::{assembled, code, shared_vm, vm};
use crate::{Arity, CodeKind, INTERRUPTED, JIT_NEVER, NativeKind, Opcode, Outcome, Step, Vm};
use std::num::NonZeroU64;
use std::sync::mpsc;
use valk_heap::{Collection, Kind, Stress, SymbolId, Value};

type Instruction<'a> = (Opcode, u8, u8, u8, &'a [u32]);

/// Binds a function of one argument with these instructions. Its window begins at 4.
fn define(vm: &mut Vm, name: SymbolId, instructions: &[Instruction]) {
    let mut code = code(12, assembled(instructions));
    (code.parameters, code.kind, code.name) = (1, CodeKind::Function, Some(name));
    let code = vm.install(code);
    let function = vm.closure(code, &[]);
    vm.set_global(name, function);
}

/// A VM that compiles every function when it is called first, or none.
fn vm_that(compiles: bool) -> Vm {
    let mut vm = vm();
    vm.jit_calls = if compiles { 0 } else { JIT_NEVER };
    vm
}

/// Functions that call themselves for ever, each by another instruction.
fn define_loops(vm: &mut Vm) -> Vec<SymbolId> {
    let names = ["self", "global", "value", "fused"].map(|name| vm.intern(name));
    let [by_self, by_global, by_value, fused] = names.map(|name| name.0);
    let leave: Instruction = (Opcode::Return, 4, 0, 0, &[]);
    let loops: [&[Instruction]; 4] = [
        &[(Opcode::Move, 1, 0, 0, &[]), (Opcode::TailSelf, 4, 1, 0, &[by_self]), leave],
        &[(Opcode::Move, 7, 0, 0, &[]), (Opcode::TailCallGlobal, 4, 1, 0, &[by_global]), leave],
        &[
            (Opcode::Move, 7, 0, 0, &[]),
            (Opcode::Global, 4, 0, 0, &[by_value]),
            (Opcode::TailCall, 4, 1, 0, &[]),
            leave,
        ],
        &[(Opcode::AddNumber, 0, 0, 1, &[]), (Opcode::TailSelf, 4, 1, 0, &[fused]), leave],
    ];
    for (name, instructions) in names.into_iter().zip(loops) {
        define(vm, name, instructions);
    }
    names.to_vec()
}

/// A fiber that will call a global with a number.
fn spawn(vm: &mut Vm, name: SymbolId, number: i64) -> crate::FiberId {
    let function = vm.global(name).expect("bound");
    vm.spawn(function, &[Value::fixnum(number)])
}

fn budget(safepoints: u64) -> Option<NonZeroU64> {
    NonZeroU64::new(safepoints)
}

valk_harness::test! {
    fn loops_for_ever_are_preempted_after_their_budget() {
        for compiles in [true, false] {
            let mut vm = vm_that(compiles);
            for name in define_loops(&mut vm) {
                let fiber = spawn(&mut vm, name, 0);
                for safepoints in [1, 2, 1000] {
                    vm.set_safepoint_budget(budget(safepoints));
                    assert_eq!(vm.resume(fiber, Value::NIL), Step::Preempted);
                    assert_eq!(vm.safepoints_passed(), safepoints);
                }
                // The argument counts the calls in the loop that adds to it.
                let found = vm.fibers[fiber.0].as_ref().expect("it waits").stack[3];
                let expected = if name == vm.intern("fused") { 1003 } else { 0 };
                assert_eq!(found, Value::fixnum(expected), "{name:?}, compiled: {compiles}");
                vm.abandon(fiber);
            }
            vm.set_safepoint_budget(None);
        }
    }

    fn loops_for_ever_are_preempted_by_another_thread() {
        for compiles in [true, false] {
            let mut vm = vm_that(compiles);
            for name in define_loops(&mut vm) {
                let fiber = spawn(&mut vm, name, 0);
                let flag = vm.preempt_flag().clone();
                let (turns, turn) = mpsc::channel();
                let other = std::thread::spawn(move || {
                    for () in turn {
                        flag.request();
                    }
                });
                for _ in 0..3 {
                    turns.send(()).expect("the thread listens");
                    assert_eq!(vm.resume(fiber, Value::NIL), Step::Preempted);
                }
                drop(turns);
                other.join().expect("no panic");
                let error = vm.interrupt(fiber);
                let text = error.field(valk_heap::ERROR_MESSAGE);
                assert_eq!(text.bytes(&vm.heap), INTERRUPTED.as_bytes());
            }
        }
    }

    fn a_request_that_is_taken_back_reaches_nobody() {
        let mut vm = vm();
        let [name, other] = ["once", "for-ever"].map(|name| vm.intern(name));
        define(&mut vm, name, &[(Opcode::Return, 0, 0, 0, &[])]);
        vm.preempt_flag().request();
        assert!(vm.preempt_flag().take() && !vm.preempt_flag().take());
        let fiber = spawn(&mut vm, name, 7);
        assert_eq!(vm.resume(fiber, Value::NIL), Step::Done(Value::fixnum(7)));
        assert!(!vm.heap.wants_safepoint(), "the call has looked for reasons");
        // A request made twice is one.
        vm.preempt_flag().request();
        vm.preempt_flag().request();
        let fiber = spawn(&mut vm, name, 8);
        assert_eq!(vm.resume(fiber, Value::NIL), Step::Preempted);
        assert_eq!(vm.resume(fiber, Value::ONE), Step::Done(Value::fixnum(8)));
        // A fiber that does not come to a safepoint is not preempted; the request is still there.
        define(&mut vm, other, &[(Opcode::Return, 0, 0, 0, &[])]);
        let fiber = spawn(&mut vm, other, 9);
        vm.preempt_flag().request();
        assert_eq!(vm.resume(fiber, Value::NIL), Step::Preempted);
        vm.preempt_flag().request();
        assert_eq!(vm.resume(fiber, Value::NIL), Step::Done(Value::fixnum(9)));
        assert!(vm.heap.wants_safepoint() && vm.preempt_flag().take());
    }

    fn an_interruption_comes_before_a_preemption() {
        let mut vm = vm();
        let name = define_loops(&mut vm)[0];
        let fiber = spawn(&mut vm, name, 0);
        vm.preempt_flag().request();
        vm.heap.interrupt().request();
        let ended = vm.resume(fiber, Value::NIL);
        assert!(matches!(ended, Step::Done(error) if error.is_error()), "{ended:?}");
        assert!(vm.preempt_flag().take(), "the request waits for the next safepoint");
    }

    fn a_preempted_fiber_keeps_its_values_through_collections_and_in_another_vm() {
        for compiles in [true, false] {
            let mut vm = shared_vm();
            vm.jit_calls = if compiles { 0 } else { JIT_NEVER };
            let name = vm.intern("build");
            // build(n) = n = 0 ? () : cons(string(n), build(n - 1))
            let make = NativeKind::Plain(|vm, given| {
                vm.heap.string(format!("{:?}", given[0].as_integer()).as_bytes()).into()
            });
            vm.define_native("string", Arity::Exactly(1), make);
            let string = vm.intern("string");
            define(&mut vm, name, &[
                (Opcode::BranchEqualNumber, 0, 0, 1, &[2, 2]),
                (Opcode::Nil, 1, 0, 0, &[]), (Opcode::Return, 1, 0, 0, &[]),
                (Opcode::Move, 7, 0, 0, &[]), (Opcode::CallGlobal, 4, 1, 0, &[string.0]),
                (Opcode::Move, 1, 4, 0, &[]), (Opcode::SubtractNumber, 7, 0, 1, &[]),
                (Opcode::CallGlobal, 4, 1, 0, &[name.0]), (Opcode::Cons, 1, 1, 4, &[]),
                (Opcode::Return, 1, 0, 0, &[]),
            ]);
            let collect = NativeKind::Plain(|_, _| Outcome::Collect);
            let collect = vm.define_native("collect", Arity::Any, collect);
            let template = vm.template();
            vm.heap.set_stress(Stress::EverySafepoint);
            vm.set_safepoint_budget(budget(3));
            let mut fiber = spawn(&mut vm, name, 30);
            for _ in 0..10 {
                assert_eq!(vm.resume(fiber, Value::ONE), Step::Preempted);
                assert!(vm.call(collect, &[]).is_fixnum());
                assert_eq!(vm.safepoints_passed(), 3, "a call does not count for the fiber");
                let detached = vm.detach(fiber);
                fiber = vm.attach(detached);
            }
            let detached = vm.detach(fiber);
            // The first VM does not run meanwhile.
            let text = vm.outside(move || {
                let go_on = move || {
                    let mut vm = template.instantiate().expect("room for it");
                    let fiber = vm.attach(detached);
                    vm.set_safepoint_budget(budget(1));
                    let list = vm.resume_through(fiber, Value::ONE).expect("it does not wait");
                    let mut items = Vec::new();
                    let mut at = list;
                    while at.kind() == Kind::Pair {
                        items.push(String::from_utf8_lossy(at.head().bytes(&vm.heap)).into_owned());
                        at = at.tail();
                    }
                    items.join(" ")
                };
                std::thread::spawn(go_on).join().expect("no panic")
            });
            let expected: Vec<String> = (1..=30).rev().map(|n| format!("Some({n})")).collect();
            assert_eq!(text, expected.join(" "), "compiled: {compiles}");
        }
    }

    fn a_collection_under_way_does_not_lose_the_request() {
        for compiles in [true, false] {
            let mut vm = shared_vm();
            vm.jit_calls = if compiles { 0 } else { JIT_NEVER };
            let name = define_loops(&mut vm)[3];
            let ticket = vm.heap.mutator_ticket();
            let fiber = spawn(&mut vm, name, 0);
            let flag = vm.preempt_flag().clone();
            let (turns, turn) = mpsc::channel();
            let collector = std::thread::spawn(move || {
                let mut heap = ticket.register().expect("room for it");
                for is_requested_first in turn {
                    if is_requested_first {
                        flag.request();
                    }
                    // SAFETY: nothing is used afterwards.
                    unsafe { heap.collect(Collection::Full, &mut ()) };
                    if !is_requested_first {
                        flag.request();
                    }
                }
            });
            // Each turn has one request: if it were lost, the loop would run for ever.
            for number in 0..200 {
                turns.send(number % 3 == 0).expect("the thread listens");
                assert_eq!(vm.resume(fiber, Value::NIL), Step::Preempted);
            }
            drop(turns);
            vm.outside(|| collector.join()).expect("no panic");
        }
    }
}
