//! Continuations, contexts and depth under a memory limit.

use crate::{NoWaiting, Output, Ran, Runtime};
use valk_heap::{Config, Stress, Value};

/// What a program prints when the heap may hold so many bytes.
fn output(config: Config, program: &str) -> String {
    let mut runtime = Runtime::new(config, Output::memory()).expect("a heap");
    let ran = runtime.run_text("p", program.as_bytes(), &mut NoWaiting);
    let out = String::from_utf8(runtime.take_output()).expect("text");
    assert!(matches!(ran, Ran::Value(_)), "{ran:?} {out}");
    out
}

fn limited(bytes: usize) -> Config {
    Config { hard_limit_bytes: bytes, ..Config::default() }
}

valk_harness::test! {
    #[timeout_ms = 120_000]
    fn a_million_captures_keep_memory_flat() {
        let program = "
            (fun {count n} {do (shift {k} {list n k}) (count (+ n 1))})
            (fun {run step i} {if (== i 0) {head step} {run ((head (tail step)) nil) (- i 1)}})
            (print (run (reset {count 0}) 1000000))
            (fun {loop n a} {if (== n 0) {do a} {loop (- n 1) (shift {k} {k (+ a 1)})}})
            (print (reset {loop 1000000 0}))
            (fun {leave n} {if (== n 0) {\"left\"} {do (reset {+ 1 (shift {k} {do k})}) (leave (- n 1))}})
            (print (leave 1000000))";
        assert_eq!(output(limited(8 << 20), program), "1000000\n1000000\nleft\n");
    }
}

valk_harness::test! {
    #[timeout_ms = 120_000]
    fn tail_calls_need_constant_memory() {
        let program = "
            (fun {c n a} {if (== n 0) {a} {c (- n 1) (+ a 1)}})
            (print (c 1000000 0))
            (fun {s n} {select {(== n 0) \"select\"} {1 {do 1 (s (- n 1))}}})
            (print (s 1000000))
            (fun {even n} {if (== n 0) {1} {odd (- n 1)}})
            (fun {odd n} {if (== n 0) {0} {even (- n 1)}})
            (print (even 1000000))
            (fun {p a n} {if (== n 0) {a} {(p (+ a 1)) (- n 1)}})
            (print (p 0 1000000))
            (fun {e n} {if (== n 0) {\"case\"} {eval (case 1 {1 {e (- n 1)}})}})
            (print (eval {e 1}))";
        assert_eq!(output(limited(8 << 20), program), "1000000\nselect\n1\n1000000\ncase\n");
    }
}

valk_harness::test! {
    #[timeout_ms = 120_000]
    fn captures_without_room_are_errors() {
        let program = "
            (fun {keep l} {
              (= {k} (reset {deep 20000}))
              (if (error? k) {k} {keep (cons k l)})})
            (fun {deep n} {if (== n 0) {shift {k} {do k}} {+ 1 (deep (- n 1))}})
            (fun {first x} {if (error? x) {do x} {first (x 1)}})
            (print (error? (keep nil)))
            (fun {deeper n} {+ 1 (reset {deeper n})})
            (print (error? (deeper 1)))
            (fun {inner n} {+ 1 (ctx/with :n n {inner n})})
            (print (error? (inner 1)))
            (= {k} (reset {+ 1 (shift {k} {do k})}))
            (fun {again n} {+ 1 (k (again n))})
            (print (error? (again 1)))";
        let out = output(limited(16 << 20), program);
        assert_eq!(out, "1\n1\n1\n1\n");
    }
}

valk_harness::test! {
    fn continuations_survive_a_collection_at_every_safepoint() {
        let program = "
            (fun {leaves t} {if (list? t) {map leaves t} {shift {k} {list (str t \"!\") k}}})
            (fun {collect s} {
              if (list? s)
                {if (== (len s) 2) {join (list (head s)) (collect ((head (tail s)) s))} {nil}}
                {nil}})
            (print (collect (reset {do (leaves {a {b {c}} d}) nil})))
            (print (reset {list (str 1 2) (shift {k} {list (k (str 3)) (k (str 4))}) (str 5)}))
            (print (ctx/with :k (str \"v\" 1) (reset {list (shift {k} {k (str 6)}) (ctx/get :k)})))";
        for generational in [true, false] {
            let stress = Stress::EverySafepoint;
            let out = output(Config { stress, generational, ..Config::default() }, program);
            assert_eq!(out, "{a! b! c! d!}\n{{12 3 5} {12 4 5}}\n{6 v1}\n");
        }
    }
}

valk_harness::test! {
    fn a_suspended_fiber_keeps_its_context_and_its_prompt() {
        let mut runtime =
            Runtime::new(Config::default(), Output::memory()).expect("a heap");
        let program = "(def {work} (\\ {x} {reset {ctx/with :k 1
            (list (ask x) (shift {k} {list (k 5) (ask 2) (ctx/get :k)}) (ctx/get :k))}}))";
        runtime.vm().define_native(
            "ask",
            valk_vm::Arity::Exactly(1),
            valk_vm::NativeKind::Plain(|_, given| valk_vm::Outcome::Suspend(given[0])),
        );
        runtime.run_text("p", program.as_bytes(), &mut NoWaiting);
        let mut vm = runtime.vm();
        let work = vm.intern("work");
        let work = vm.global(work).expect("defined above");
        let (a, b) = (vm.spawn(work, &[Value::ONE]), vm.spawn(work, &[Value::ZERO]));
        let context = crate::RequestContext::default().make(&mut vm);
        vm.set_context(b, context);
        for fiber in [a, b] {
            assert!(matches!(vm.resume(fiber, Value::NIL), valk_vm::Step::Suspended(_)));
            assert!(vm.context.is_nil(), "no fiber runs");
        }
        for fiber in [a, b] {
            let question = vm.resume(fiber, Value::fixnum(7));
            assert_eq!(question, valk_vm::Step::Suspended(Value::fixnum(2)));
        }
        for fiber in [b, a] {
            let valk_vm::Step::Done(value) = vm.resume(fiber, Value::fixnum(8)) else {
                panic!("it ends");
            };
            assert_eq!(crate::display(&vm.heap, value), b"{{7 5 1} 8 ()}");
        }
    }
}
