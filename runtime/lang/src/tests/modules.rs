//! Modules of programs: what is private, what an import binds, cycles and collisions.

use super::scratch::Directory;
use crate::{NoWaiting, Output, Ran, Runtime};
use valk_diagnostics::render_plain;
use valk_heap::{Config, Value};

fn runtime() -> Runtime {
    Runtime::new(Config::default(), Output::memory()).expect("a heap")
}

/// Runs `main.valk` of these files: what it printed, and the diagnostic that it ended with.
fn run(files: &[(&str, &str)]) -> (String, String) {
    let directory = Directory::with(files);
    let mut runtime = runtime();
    let ran = runtime.run_file(&directory.path("main.valk"), &mut NoWaiting);
    let out = String::from_utf8(runtime.take_output()).expect("text");
    let told = match ran {
        Ran::Value(_) => String::new(),
        Ran::Failed(_, diagnostic) => {
            runtime.with_sources(|sources| render_plain(&diagnostic, sources))
        }
    };
    (out, told)
}

const SHAPES: (&str, &str) = (
    "shapes.valk",
    "(print \"shapes\")
    (export area perimeter half)
    (def {scale} 2)
    (fun {scaled n} {* scale n})
    (fun {area w h} {* w h})
    (fun {perimeter w h} {scaled (+ w h)})
    (fun {half n} {/ n 2})",
);

const EMPTY: (&str, &str) = ("empty.valk", "(def {own} 1)");

const MANY: (&str, &str) = (
    "many.valk",
    "(export n1 n2 n3 n4 n5 n6 n7 n8 n9 n10 n11 n12 n13)
    (def {n1 n2 n3 n4 n5 n6 n7 n8 n9 n10 n11 n12 n13} 1 2 3 4 5 6 7 8 9 10 11 12 13)",
);

valk_harness::cases! {
    fn imports_bind_what_they_say((main, expected): (&str, &str)) [
        "all" => ("(import shapes) (print (area 2 3) (perimeter 2 3))", "6 10"),
        "a path" => ("(import \"shapes.valk\") (print (area 2 3))", "6"),
        "a path without its extension" => ("(import \"shapes\") (print (area 2 3))", "6"),
        "some" => ("(import (shapes :only {area})) (print (area 2 3) (error? perimeter))", "6 1"),
        "a prefix" => ("(import (shapes :as s)) (print (s/area 2 3) (error? area))", "6 1"),
        "some with a prefix" => (
            "(import (shapes :as s :only {area})) (print (s/area 2 3) (error? s/half))", "6 1",
        ),
        "other names" => (
            "(import (shapes :rename {area surface})) (print (surface 2 3) (error? area) (half 4))",
            "6 1 2",
        ),
        "twice" => ("(import shapes) (import shapes (shapes :as s)) (print (s/half 2))", "1"),
        "an alias of the library's name" => (
            "(import (shapes :rename {area map})) (print (map 2 3) (sum {1 2}))", "6 3",
        ),
        "an alias of the library's name, in a module" => (
            "(module m (import (shapes :rename {area map})) (export f) (fun {f} {map 2 3}))
             (import m) (print (f) (map (\\ {n} {n}) {1}))",
            "6 {1}",
        ),
        "what every module knows" => (
            "(import \"prelude\" shapes) (print (area 2 3) (sum {1 2}))", "6 3",
        ),
        "a module of the library by its path" => (
            "(import \"test\" shapes) (print (area 2 3) (error? test/assert))", "6 0",
        ),
        "code before the import" => (
            "(fun {f} {area 2 3}) (import shapes) (print (f))", "6",
        ),
        "names are computed" => ("(import shapes) (print (eval (list (quote area) 2 3)))", "6"),
        "bindings are listed" => (
            "(import (shapes :as s)) (print (exists (quote s/area) (map fst (penv))))", "1",
        ),
    ] {
        let (out, told) = run(&[SHAPES, ("main.valk", main)]);
        assert_eq!(out, format!("shapes\n{expected}\n"), "{told}");
        assert_eq!(told, "");
    }
}

valk_harness::cases! {
    fn imports_say_why_they_fail((main, parts): (&str, &[&str])) [
        "a private name" => (
            "(import (shapes :only {scaled}))",
            &["`scaled` is private in module shapes", "shapes.valk:4:5", "main.valk:1:1"],
        ),
        "a private name is used" => (
            "(import shapes)\n(scaled 2)",
            &["`scaled` is not bound", "main.valk:2:2", "private in module shapes"],
        ),
        "a private name in a condition" => ("(import shapes)\n(if scale 1 2)", &["`scale` is not bound"]),
        "a name that is misspelt" => (
            "(import (shapes :only {aera}))", &["has no `aera`", "did you mean `area`?"],
        ),
        "a name that is nowhere" => (
            "(import (shapes :rename {volume v}))", &["has no `volume`", "exports area, perimeter, half"],
        ),
        "no such module" => (
            "(import circles)", &["there is no module circles", "circles.valk", "VALK_PATH"],
        ),
        "a name that is defined" => (
            "(fun {area x} {x})\n(import shapes)",
            &["`area` of module shapes at ", "main.valk:2:1", "it is defined at ", "main.valk:1:1"],
        ),
        "a name that was bound at run time" => (
            "(def (list (quote half)) 2)\n(import shapes)", &["`half` of module shapes", "defined at "],
        ),
        "a name that is imported" => (
            "(import shapes)\n(import (shapes :rename {half area}))",
            &["`area` of module shapes at ", "main.valk:2:1", "imported from module shapes at ", "main.valk:1:1"],
        ),
        "a definition of an imported name" => (
            "(import shapes)\n(fun {area x} {x})",
            &["`area` cannot be defined here", "imported from module shapes at", "main.valk:1:1", "main.valk:2:1"],
        ),
        "def of an imported name" => (
            "(import shapes)\n(def {half} 2)", &["`half` cannot be defined here"],
        ),
        "an assignment of an imported name" => (
            "(import shapes)\n(= {half} 2)", &["`half` cannot be defined here"],
        ),
        "a computed definition of an imported name" => (
            "(import shapes)\n(def (list (quote half)) 2)", &["`half` cannot be defined here", "main.valk:1:1"],
        ),
        "a wrong option" => (
            "(import (shapes :olny {area}))", &["`:olny` is no option", ":only, :as and :rename"],
        ),
        "an option without a value" => ("(import (shapes :only))", &["`:only` of shapes wants a list"]),
        "a prefix that is none" => ("(import (shapes :as \"s\"))", &["`:as` of shapes wants a name"]),
        "one new name too few" => ("(import (shapes :rename {area}))", &["wants a list of old and new"]),
        "an exporter of nothing" => (
            "(import (empty :only {something}))", &["module empty has no `something`; it exports nothing"],
        ),
        "one name of many" => (
            "(import (many :only {something}))",
            &["module many has no `something`; it exports n1, n2, n3, n4, n5, n6, n7, n8, n9, n10, n11, n12, …"],
        ),
        "a keyword" => ("(import :shapes)", &["expected a module's name or path"]),
        "a number" => ("(import 5)", &["expected a module's name or path"]),
        "nothing" => ("(import ())", &["expected a module's name or path"]),
        "a module that is no name" => ("(module 5 1)", &["Actual: Number", "[Symbol]"]),
        "an export that is no name" => ("(module m (export 5))", &["export: expected names"]),
        "an export of nothing" => (
            "(module m (export nothing) (def {something} 1))",
            &["module m exports `nothing`, which it does not define"],
        ),
    ] {
        let (_, told) = run(&[SHAPES, EMPTY, MANY, ("main.valk", main)]);
        for part in parts {
            assert!(told.contains(part), "{part} in {told}");
        }
    }
}

valk_harness::test! {
    fn what_the_host_has_bound_is_not_replaced_by_an_import() {
        let directory = Directory::with(&[SHAPES, ("main.valk", "(import shapes)")]);
        let mut runtime = runtime();
        let half = runtime.vm().intern("half");
        runtime.vm().set_global(half, Value::ONE);
        let Ran::Failed(_, told) = runtime.run_file(&directory.path("main.valk"), &mut NoWaiting) else {
            panic!("`half` was replaced");
        };
        let told = runtime.with_sources(|sources| render_plain(&told, sources));
        assert!(told.contains("`half` of module shapes"), "{told}");
        assert!(told.contains("it is defined already; import it with :only, :as or :rename"), "{told}");
    }

    fn a_cycle_is_an_error_that_names_both_places() {
        let files = [
            ("main.valk", "(import a)\n"),
            ("a.valk", "\n(import b) (export x) (def {x} 1)"),
            ("b.valk", "\n\n(import a) (export y) (def {y} 1)"),
        ];
        let (_, told) = run(&files);
        for part in ["a cycle: a imports b at", "a.valk:2:1", "b imports a at", "b.valk:3:1"] {
            assert!(told.contains(part), "{part} in {told}");
        }
        let (_, told) = run(&[("main.valk", "(import a)"), ("a.valk", "(import a)")]);
        assert!(told.contains("a cycle: a imports a at"), "{told}");
    }

    fn modules_see_the_library_and_not_the_program() {
        let files = [
            ("main.valk", "(def {secret} 1) (fun {sort x} {:mine}) (fun {+ & _} {:mine}) (import m)
                (print (f {2 1}) (look) (sort 1) (g) (counted) (counted) counter)"),
            ("m.valk", "(export f look g counted counter)
                (fun {f l} {sort < l}) (fun {look} {error? secret})
                (fun {take n} {list :own n}) (fun {g} {take (+ 1 2)})
                (def {counter} 0) (fun {counted} {(def {counter} (+ counter 1)) (+ 0 counter)})"),
        ];
        let (out, told) = run(&files);
        assert_eq!(out, "{1 2} 1 :mine {:own 3} 1 2 2\n", "{told}");
    }

    fn paths_are_relative_to_the_file_that_imports() {
        let files = [
            ("main.valk", "(import \"geo/all.valk\") (import \"geo/lines.valk\") (print (both))"),
            ("geo/all.valk", "(import lines) (export both) (fun {both} {list long short})"),
            ("geo/lines.valk", "(print \"once\") (export long short) (def {long short} 9 1)"),
        ];
        assert_eq!(run(&files), ("once\n{9 1}\n".into(), String::new()));
    }

    fn a_file_imports_another_of_its_name() {
        let directory = Directory::with(&[
            ("tests/shapes.valk", "(import shapes) (print (area 2 3))"),
            SHAPES,
        ]);
        let program = directory.path("tests/shapes.valk");
        let mut runtime = runtime();
        // The process of the test is its own.
        std::env::set_current_dir(directory.path(".")).expect("a directory");
        let ran = runtime.run_file(&program, &mut NoWaiting);
        assert!(matches!(ran, Ran::Value(_)), "{}", String::from_utf8_lossy(&runtime.take_output()));
        assert_eq!(runtime.take_output(), b"shapes\n6\n");
    }

    fn modules_are_declared_in_files_and_programs() {
        let files = [
            ("main.valk", "(module here (export double) (fun {double n} {* 2 n}))
                (import here there (several :only {one}) two)
                (print (double 4) (triple 4) (one) (zwei) (error? hidden))"),
            ("there.valk", "(module there (export triple) (def {hidden} 3) (fun {triple n} {* hidden n}))"),
            ("several.valk", "(module several (export one) (fun {one} {1})) (module two (export zwei) (fun {zwei} {2}))"),
        ];
        assert_eq!(run(&files), ("8 12 1 2 1\n".into(), String::new()));
    }

    fn a_module_that_is_declared_elsewhere_again_is_an_error() {
        let files = [
            ("main.valk", "(module m (def {x} 1))\n(module m (def {x} 2))\n(load \"other.valk\")"),
            ("other.valk", "\n(module m 1)"),
        ];
        let directory = Directory::with(&files);
        let mut runtime = runtime();
        let told = super::scratch::told(&runtime);
        runtime.run_file(&directory.path("main.valk"), &mut NoWaiting);
        let told = told.lock().expect("told").concat();
        for part in ["`m` is declared at", "main.valk:2:1", "again at", "other.valk:2:1"] {
            assert!(told.contains(part), "{part} in {told}");
        }
    }

    fn a_module_that_fails_fails_every_import() {
        let files = [
            ("main.valk", "(= {first} (import broken))
                (= {again} (import broken)) (print (error/message again)) (import broken)"),
            ("broken.valk", "(export f) (fun {f} {1})\n(print \"tried\") (/ 1 0) (print \"never\")"),
        ];
        let (out, told) = run(&files);
        assert!(out.starts_with("tried\nimport: module broken could not be loaded: Division By Zero"), "{out}");
        assert!(out.contains("broken.valk:2:17"), "{out}");
        assert!(told.contains("could not be loaded"), "{told}");
        let (_, told) = run(&[("main.valk", "\n(import broken)"), ("broken.valk", "(f")]);
        assert!(told.contains("broken.valk:1:") && told.contains("expected `)`"), "{told}");
        assert!(told.contains("main.valk:2:1"), "{told}");
    }

    fn a_module_runs_alone_and_can_be_loaded_flat() {
        let (out, told) = run(&[("main.valk", "(load \"shapes.valk\") (print (scaled 2))"), SHAPES]);
        assert_eq!((out.as_str(), told.as_str()), ("shapes\n4\n", ""));
    }

    fn what_modules_compute_by_name_is_theirs() {
        let files = [
            ("main.valk", "(def {x} :program) (import m) (print (f) (g 3) x (h))"),
            ("m.valk", "(export f g h) (def {x} :module)
                (fun {f} {eval (list (quote list) (quote x))})
                (fun {g n} {(def (list (quote made)) n) (= {y} (quote made)) (list y (eval {made}))})
                (fun {h} {(= {form} {= {local} x}) (eval form) (list local x)})"),
        ];
        let (out, told) = run(&files);
        assert_eq!(out, "{:module} {3 3} :program {:module :module}\n", "{told}");
    }

    fn an_export_of_the_prompt_is_nothing() {
        let (out, told) = run(&[("main.valk", "(export f) (print (export {a b}) (map type {(import prelude)}))")]);
        assert_eq!((out.as_str(), told.as_str()), ("() {List}\n", ""));
    }
}

valk_harness::test! {
    fn a_check_follows_loads_and_imports() {
        let files = [
            ("main.valk", "(load \"lib.valk\")\n(import bad)\n(import (good :only {hidden}))\n(load \"none.valk\")
                (do (import good)) (module m (export missing)) (print \"never\") (load (str \"a\" 1))\n"),
            ("lib.valk", "(load \"main.valk\") (load \"lib.valk\") (import lib)\n(fun {broken x} {+ x 1)\n"),
            ("bad.valk", "\n(import bad)"),
            ("good.valk", "(export x) (def {x hidden} 1 2) (print \"never\")"),
        ];
        let directory = Directory::with(&files);
        let mut runtime = runtime();
        let found = runtime.check_file(&directory.path("main.valk"));
        let told: String = runtime.with_sources(|sources| {
            found.iter().map(|diagnostic| render_plain(diagnostic, sources)).collect()
        });
        assert_eq!(runtime.take_output(), b"");
        for part in [
            "lib.valk:2:23", "a cycle: bad imports bad", "`hidden` is private in module good",
            "Could not open file (none.valk)", "exports `missing`",
        ] {
            assert!(told.contains(part), "{part} in {told}");
        }
    }
}
