//! What a program binds does not reach the library: every name of the library is bound to something
//! else in turn, and the examples of the reference that do not use that name keep their values: all of
//! them for a name that stands in the library's text, fewer for the others. Modules that are read when
//! a program mentions one of their names run in the program, so their examples are left out.

use crate::reference::entries;
use crate::{NoWaiting, Output, Ran, Runtime};
use std::collections::HashSet;
use valk_heap::{Config, Value};
use valk_vm::ModuleId;

/// Of this many examples one is in the sample, for names that stand in the library and others.
const SAMPLE_STRIDES: [usize; 2] = [1, 10];

/// Parts that the names are tested in.
const PARTS: usize = 8;

fn runtime() -> Runtime {
    Runtime::new(Config::default(), Output::memory()).expect("a heap")
}

/// The value of an example in repr form.
fn answer(runtime: &mut Runtime, code: &str) -> String {
    let value = match runtime.run_text("example", code.as_bytes(), &mut NoWaiting) {
        Ran::Value(value) | Ran::Failed(value, _) => value,
    };
    runtime.take_output();
    runtime.repr(value)
}

/// Examples with their answers, those that are the same twice.
fn examples(runtime: &mut Runtime) -> Vec<(&'static str, String)> {
    let vm = runtime.vm();
    let bound = vm.bindings_of(ModuleId::PROGRAM);
    let bound: HashSet<String> = bound.into_iter().map(|(name, _)| vm.cell_name(name)).collect();
    drop(vm);
    let of_modules: Vec<&str> =
        entries().iter().map(|entry| entry.name).filter(|name| !bound.contains(*name)).collect();
    let codes = entries().iter().flat_map(|entry| &entry.examples).map(|example| example.code);
    let codes: Vec<&'static str> =
        codes.filter(|code| !of_modules.iter().any(|name| mentions(code, name))).collect();
    // What assertions have noted depends on the examples before.
    let codes: Vec<&'static str> =
        codes.into_iter().filter(|code| !code.contains("(test/")).collect();
    let first: Vec<String> = codes.iter().map(|code| answer(runtime, code)).collect();
    let second: Vec<String> = codes.iter().map(|code| answer(runtime, code)).collect();
    let same = first.iter().zip(&second).map(|(first, second)| first == second);
    let kept = codes.iter().zip(&first).zip(same).filter(|(_, same)| *same);
    kept.map(|((code, answer), _)| (*code, answer.clone())).collect()
}

/// Whether a name stands in the code.
fn mentions(code: &str, name: &str) -> bool {
    code.split(|c: char| c.is_whitespace() || "(){}\"'`,@;".contains(c)).any(|part| part == name)
}

valk_harness::cases! {
    fn a_name_that_a_program_binds_is_its_own(part: usize) [
        "1" => 0, "2" => 1, "3" => 2, "4" => 3, "5" => 4, "6" => 5, "7" => 6, "8" => 7,
    ] {
        let mut runtime = runtime();
        let examples = examples(&mut runtime);
        assert!(examples.len() > 200, "examples are found");
        let names: Vec<_> = runtime.vm().bindings_of(ModuleId::PROGRAM);
        let names = names.into_iter().filter(|(name, value)| {
            runtime.vm().library_value(*name) == Some(*value)
        });
        let names: Vec<_> = names.collect();
        assert!(names.len() > 150, "names are found");
        let mine = b"(def {mine} (\\ {& _} {:mine})) mine";
        let Ran::Value(mine) = runtime.run_text("mine", mine, &mut NoWaiting) else {
            panic!("a function");
        };
        let mine = runtime.vm().heap.root(mine);
        let mut wrong = Vec::new();
        for (number, (name, _)) in names.iter().enumerate().skip(part).step_by(PARTS) {
            let text = runtime.vm().cell_name(*name);
            let is_used = mentions(valk_stdlib::PRELUDE.text, &text);
            let stride = SAMPLE_STRIDES[usize::from(!is_used)];
            let examples = examples.iter().skip(number % stride).step_by(stride);
            let value: Value = runtime.vm().heap.resolve(&mine);
            runtime.vm().set_global(*name, value);
            for (code, expected) in examples.filter(|(code, _)| !mentions(code, &text)) {
                let found = answer(&mut runtime, code);
                if found != *expected {
                    wrong.push(format!("{text}: {code} gives {found} and not {expected}"));
                }
            }
            let own = runtime.vm().library_value(*name).expect("it is the library's");
            runtime.vm().set_global(*name, own);
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
}

valk_harness::test! {
    fn steps_of_the_library_are_not_bound() {
        let runtime = runtime();
        for name in runtime.names() {
            let is_known = crate::reference::lookup(&name).is_some();
            assert!(is_known || name.starts_with("quasi") || name == "quote", "{name}");
        }
    }

    fn code_that_the_library_evaluates_is_the_programs() {
        let mut runtime = runtime();
        let program = b"(fun {take n} {list :mine n}) (def {l} 7)
            (print (map eval {{take 1} {take 2}}))
            (fun {f take} {map (\\ {x} {take x}) {1 2}}) (print (f (\\ {n} {* 2 n})))
            (print (map (\\ {form} {eval form}) {l {+ l 1}}))";
        runtime.run_text("p", program, &mut NoWaiting);
        let out = String::from_utf8(runtime.take_output()).expect("text");
        assert_eq!(out, "{{:mine 1} {:mine 2}}\n{2 4}\n{7 8}\n");
    }
}

valk_harness::test! {
    fn what_a_program_has_bound_stays_when_a_module_comes_later() {
        let mut runtime = runtime();
        answer(&mut runtime, "(def (list (read \"async/pure\")) 5)");
        assert_eq!(answer(&mut runtime, "(function? async/collect)"), "Num[1]", "the module is there");
        assert_eq!(answer(&mut runtime, "async/pure"), "Num[5]");
        let loaded = "(load \"async_monadic\") (function? async/pure)";
        assert_eq!(answer(&mut runtime, loaded), "Num[1]", "who loads a module wants its names");
    }
}
