//! Literal uses of a builtin that an embedder rewrites.

use crate::{NoWaiting, Output, Ran, Runtime, display, elements, register_rewrite};
use valk_heap::{Config, Value};
use valk_vm::{Arity, JIT_NEVER, NativeKind, Outcome, Vm};

/// A call of a builtin itself.
fn call(vm: &mut Vm, name: &str, arguments: &[Value]) -> Value {
    let head = vm.builtin(name).expect("registered");
    let nothing = Value::NIL;
    let rest = arguments.iter().rev().fold(nothing, |rest, &item| vm.heap.cons(item, rest, false));
    vm.heap.cons(head, rest, false)
}

/// `(test/let {x form} {body})` as `((\ {x} {do body}) form)`; other shapes are left alone.
fn rewrite_let(vm: &mut Vm, arguments: &[Value]) -> Option<Value> {
    let [binding, body] = *arguments else { return None };
    let [variable, form] = elements(binding)[..] else { return None };
    if !binding.is_quoted() || !body.is_pair() || !body.is_quoted() {
        return None;
    }
    let parameters = vm.heap.cons(variable, Value::NIL, true);
    let body = call(vm, "do", &[body.with_quoted(false)]);
    let function = call(vm, "\\", &[parameters, body.with_quoted(true)]);
    let argument = vm.heap.cons(form, Value::NIL, false);
    Some(vm.heap.cons(function, argument, false))
}

/// `(test/sum x y)` as a call of the builtin `+`.
fn rewrite_sum(vm: &mut Vm, arguments: &[Value]) -> Option<Value> {
    (arguments.len() == 2).then(|| call(vm, "+", arguments))
}

/// `(test/set {name} x)` as a call of the builtin `=` and then `(+ name 1)`.
fn rewrite_set(vm: &mut Vm, arguments: &[Value]) -> Option<Value> {
    let [names, value] = *arguments else { return None };
    let assignment = call(vm, "=", &[names, value]);
    let plus = vm.heap.intern(b"+");
    let items = [plus, names.head(), Value::ONE].into_iter().rev();
    let sum = items.fold(Value::NIL, |rest, item| vm.heap.cons(item, rest, false));
    Some(call(vm, "do", &[assignment, sum]))
}

fn called(vm: &mut Vm, _: &[Value]) -> Outcome {
    vm.heap.string(b"called").into()
}

fn runtime(jit_calls: u32) -> Runtime {
    let runtime = Runtime::new(Config::default(), Output::memory()).expect("a heap");
    {
        let mut vm = runtime.vm();
        vm.jit_calls = jit_calls;
        for (name, rewrite) in [
            ("test/let", rewrite_let as crate::Rewrite),
            ("test/sum", rewrite_sum),
            ("test/set", rewrite_set),
        ] {
            vm.define_native(name, Arity::Any, NativeKind::Plain(called));
            register_rewrite(&mut vm, name, rewrite);
        }
    }
    runtime
}

/// Compares the values of programs, interpreted and as native code.
fn check(cases: &[(&str, &str)]) {
    let mut wrong = Vec::new();
    for jit_calls in [JIT_NEVER, 0] {
        for (program, expected) in cases {
            let mut runtime = runtime(jit_calls);
            let ran = runtime.run_text("p", program.as_bytes(), &mut NoWaiting);
            let (Ran::Value(value) | Ran::Failed(value, _)) = ran;
            let value = String::from_utf8(display(&runtime.vm().heap, value)).expect("UTF-8");
            if value != *expected {
                wrong.push(format!("{program}\n  expected {expected}\n  got      {value}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

valk_harness::test! {
    fn a_literal_use_is_rewritten_and_sees_the_variables_around_it() {
        check(&[
            ("(test/let {x 2} {+ x 1})", "3"),
            ("(def {f} (\\ {a} {test/let {b (* a 10)} {+ a b}})) (f 2)", "22"),
            ("(def {f} (\\ {a} {test/let {b 1} {test/let {c 2} {list a b c}}})) (f 0)", "{0 1 2}"),
            ("(def {f} (\\ {a} {test/let {b 1} {\\ {c} {list a b c}}})) ((f 0) 5)", "{0 1 5}"),
            // A variable around it of the same name comes back behind it.
            ("(def {f} (\\ {a} {list (test/let {a (+ a 1)} {* a 10}) a})) (f 1)", "{20 1}"),
        ]);
    }

    fn other_shapes_are_calls() {
        check(&[
            ("(test/let {x 2})", "called"),
            ("(test/let {x 2} 3)", "called"),
            ("(def {b} {x 2}) (test/let b {x})", "called"),
            ("(test/sum 1 2 3)", "called"),
            ("(map test/sum {1 2})", "{called called}"),
            ("(def {g} test/sum) (g 1 2)", "called"),
            // Quoted, it is data.
            ("(len {test/sum 1 2})", "3"),
            ("(quote (test/sum 1 2))", "(test/sum 1 2)"),
        ]);
    }

    fn a_program_that_binds_the_name_means_its_own() {
        check(&[
            ("(def {test/sum} -) (test/sum 5 3)", "2"),
            ("((\\ {test/sum} {test/sum 5 3}) -)", "2"),
            ("(let {(= {test/sum} -) (test/sum 5 3)})", "2"),
            ("(fun {test/sum x y} {* x y}) (test/sum 5 3)", "15"),
            ("(let {(= {test/sum} -) (eval (list test/sum 5 3))})", "2"),
            ("(let {(= {test/sum} -) (eval {test/sum 5 3})})", "2"),
            ("(let {(= {test/sum} -) (= {code} {test/sum 5 3}) (eval code)})", "2"),
            // What a rewriting binds hides the name as well.
            ("(test/let {test/sum -} {test/sum 5 3})", "2"),
            ("(test/let {test/let list} {test/let {1 2} {3}})", "{{1 2} {3}}"),
        ]);
    }

    fn what_a_rewriting_binds_hides_builtins() {
        check(&[
            ("(test/let {+ -} {+ 5 3})", "2"),
            ("(test/let {do list} {do 5 3})", "{5 3}"),
            ("(list (+ 5 3) (test/let {+ -} {+ 5 3}) (+ 5 3))", "{8 2 8}"),
            ("(let {test/set {+} list})", "{<builtin> 1}"),
            ("(def {f} (\\ {x} {test/set {+} x})) (f (\\ {a b} {list b}))", "{1}"),
        ]);
    }

    fn builtins_in_the_code_mean_themselves() {
        check(&[
            ("(def {f} (\\ {x} {test/sum x 3})) (def {+} -) (f 5)", "8"),
            ("(def {+} -) (test/sum 5 3)", "8"),
            ("((\\ {+} {test/sum 5 3}) -)", "8"),
            ("(def {do} list) (test/let {x 1} {+ x 1})", "2"),
            ("(def {\\} list) (test/let {x 1} {+ x 1})", "2"),
        ]);
    }

    fn code_made_at_run_time_is_rewritten_too() {
        check(&[
            ("(eval (list (head {test/sum}) 5 3))", "8"),
            ("(def {f} (\\ {a} {eval (join {test/let {b a}} {{+ a b}})})) (f 4)", "8"),
            ("(def {f} (\\ {a} {test/let {b 1} {eval (list + a (head {b}))}})) (f 4)", "5"),
        ]);
    }

    fn an_error_in_rewritten_code_has_the_place_where_it_was_written() {
        let mut runtime = runtime(JIT_NEVER);
        let text = "(test/let {x 1}\n  {+ x \"a\"})";
        let Ran::Failed(_, diagnostic) = runtime.run_text("p", text.as_bytes(), &mut NoWaiting)
        else { panic!("a string is no number") };
        let shown = runtime.with_sources(|sources| valk_diagnostics::render_plain(&diagnostic, sources));
        assert!(shown.contains("p:2:"), "{shown}");
    }
}
