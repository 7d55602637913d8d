//! Macros: hygiene in both directions, capture on purpose, errors, expansion, the library's macros.

use super::scratch::Directory;
use crate::{NoWaiting, Output, Ran, Runtime};
use valk_diagnostics::render_plain;
use valk_heap::{Config, Stress};

/// What a program prints, and the diagnostic that it ends with.
fn run_with(config: Config, program: &str) -> (String, String) {
    let mut runtime = Runtime::new(config, Output::memory()).expect("a heap");
    let ran = runtime.run_text("program.valk", program.as_bytes(), &mut NoWaiting);
    let out = String::from_utf8(runtime.take_output()).expect("text");
    let told = match ran {
        Ran::Value(_) => String::new(),
        Ran::Failed(_, diagnostic) => {
            runtime.with_sources(|sources| render_plain(&diagnostic, sources))
        }
    };
    (out, told)
}

fn run(program: &str) -> (String, String) {
    run_with(Config::default(), program)
}

const SWAP: &str = "(defmacro {swap! a b} {`(do (= {tmp} ,a) (= {,a} ,b) (= {,b} tmp))})
(defmacro {my-or a b} {`(let {(= {tmp} ,a) (if tmp {do tmp} {do ,b})})})
(defmacro {twice x} {`(+ ,x ,x)})
(defmacro {none} {`(list :none)})
(defmacro {aif c then else} {`(let {(= {,(quote it)} ,c) (if ,(quote it) {do ,then} {do ,else})})})
(defmacro {with-total name body} {`((\\ {,name} ,body) (total))})
(fun {total} {42})
";

valk_harness::cases! {
    fn macros_are_hygienic((program, expected): (&str, &str)) [
        "a variable of the user's with the same name" => (
            "(= {tmp} 5) (print (my-or 0 tmp) (my-or nil (+ tmp 1)) tmp)", "5 6 5",
        ),
        "the same in a function" => ("(fun {f tmp} {my-or 0 tmp}) (print (f 7))", "7"),
        "a variable outside of functions" => (
            "(= {tmp other} 1 2) (swap! tmp other) (print tmp other) (swap! other tmp) (print tmp other)",
            "2 1\n1 2",
        ),
        "a variable of a function" => (
            "(fun {f tmp other} {(swap! tmp other) (list tmp other)}) (print (f 1 2))", "{2 1}",
        ),
        "a macro in a macro's argument" => (
            "(= {tmp} 1) (print (my-or 0 (my-or 0 (my-or tmp 9))))", "1",
        ),
        "a function that the user has bound" => (
            "(fun {f list total} {with-total n {do (list + n total)}}) (print (f (\\ {& all} {len all}) 3))",
            "3",
        ),
        "a local variable hides no function of the macro" => (
            "(fun {f total} {with-total n {+ n total}}) (print (f 3))", "45",
        ),
        "a special form that is local" => ("(fun {f if} {my-or 0 if}) (print (f 3))", "3"),
        "a parameter hides a macro" => ("(fun {f twice} {twice 4}) (print (f (\\ {n} {* n 10})))", "40"),
        "an assignment hides a macro" => (
            "(fun {f} {(= {twice} (\\ {n} {* n 10})) (twice 4)}) (print (f))", "40",
        ),
        "a function of a library macro's name" => (
            "(fun {for n} {if (== n 0) {:end} {for (- n 1)}}) (print (for 3))", ":end",
        ),
        "the same in one form" => (
            "(do (fun {match n} {if (== n 0) {:end} {match (- n 1)}}) (print (match 3)))", ":end",
        ),
        "a variable of a library macro's name" => (
            "(def {for} (\\ {n} {if (== n 0) {:end} {for (- n 1)}})) (print (for 3))", ":end",
        ),
        "an argument that binds what the template uses" => (
            "(defmacro {bound name value body} {`((\\ {,name} ,body) ,value)})
             (print (bound list (\\ {a b} {- a b}) {list 5 3}))",
            "2",
        ),
        "a list as code" => ("(defmacro {sum-up & xs} {cons + xs}) (print (sum-up 1 2))", "3"),
        "a value that is no form" => ("(defmacro {seven} {+ 3 4}) (print (+ 1 (seven)))", "8"),
        "a function that a template defines is the module's" => (
            "(defmacro {define-it} {`(fun {it n} {* 2 n})}) (define-it) (print (it 4))", "8",
        ),
        "no arguments" => ("(print (none) (if 1 {none}))", "{:none} {:none}"),
        "capture on purpose" => ("(print (aif (+ 1 2) (* it 2) :no) (aif 0 1 :no))", "6 :no"),
        "nested captures" => ("(print (aif 1 (aif 2 it :no) :no))", "2"),
        "code in braces" => ("(print (if 1 {twice 4} {0}) ((\\ {x} {twice x}) 3))", "8 6"),
        "evaluated code" => ("(print (eval {twice 4}) (eval (list (quote twice) 5)))", "8 10"),
        "evaluated code in a function" => (
            "(fun {f tmp} {eval (list (quote my-or) 0 (quote tmp))}) (print (f 9))", "9",
        ),
        "names in data are the user's" => (
            "(defmacro {named x} {`(list (quote x) {x y} ,x)}) (print (named 1))", "{x {x y} 1}",
        ),
        "a macro that defines" => (
            "(defmacro {constant name value} {`(fun {,name} {do ,value})}) (constant five 5) (print (five))",
            "5",
        ),
        "a macro that defines macros" => (
            "(defmacro {adder name n} {`(defmacro {,name x} {list (quote +) x ,n})}) (adder add-two 2) (print (add-two 5))",
            "7",
        ),
        "a recursive macro" => (
            "(defmacro {sum-of & xs} {if (nil? xs) {0} {do `(+ ,(head xs) (sum-of ,@(tail xs)))}}) (print (sum-of 1 2 3))",
            "6",
        ),
        "a redefinition" => (
            "(defmacro {m} {`(do 1)}) (print (m)) (defmacro {m} {`(do 2)}) (print (m)) (fun {m} {3}) (print (m))",
            "1\n2\n3",
        ),
        "generated symbols" => (
            "(= {a} (gensym)) (print (== a (gensym)) (symbol? (gensym \"x\")) (== (gensym \"x\") (gensym \"x\")))
             (defmacro {safe-or a b} {(= {t} (gensym \"t\")) `(let {(= {,t} ,a) (if ,t {do ,t} {do ,b})})})
             (fun {f t} {safe-or 0 t}) (print (f 4))",
            "0 1 0\n4",
        ),
        "symbols generated after a symbol" => (
            "(= {a} (gensym (quote part))) (print (symbol? a) (== a (gensym (quote part))) (str/starts-with? (str a) \"part\"))",
            "1 0 1",
        ),
        "a rest parameter in a template" => (
            "(defmacro {collect f} {`(\\ {& args} {,f args})}) (print ((collect len) 1 2 3))", "3",
        ),
        "a macro as a value" => ("(print twice (type twice))", "<ref:Macro> Reference"),
    ] {
        let program = format!("{SWAP}{program}");
        for stress in [Stress::Off, Stress::EverySafepoint] {
            let (out, told) = run_with(Config { stress, ..Config::default() }, &program);
            assert_eq!(out, format!("{expected}\n"), "{told}");
        }
    }
}

valk_harness::cases! {
    fn expansions_can_be_seen((form, once, whole): (&str, &str, &str)) [
        "a call" => ("{twice 4}", "(+ 4 4)", "(+ 4 4)"),
        "a variable" => (
            "{my-or a b}",
            "(let {(= {tmp#1} a) (if tmp#1 {do tmp#1} {do b})})",
            "(let {(= {tmp#1} a) (if tmp#1 {do tmp#1} {do b})})",
        ),
        "in steps" => ("{-> 1 (+ 2)}", "(-> (+ 1 2))", "(+ 1 2)"),
        "none" => ("{+ 1 2}", "{+ 1 2}", "{+ 1 2}"),
        "no form" => ("5", "5", "5"),
        "an error" => ("{twice 1 2}", "Error: macro twice: More", "Error: macro twice: More"),
    ] {
        let program = format!("{SWAP}(print (macroexpand-1 {form})) (print (macroexpand {form}))");
        let (out, _) = run(&program);
        let lines: Vec<&str> = out.lines().collect();
        assert!(lines[0].starts_with(once) && lines[1].starts_with(whole), "{out}");
    }
}

valk_harness::cases! {
    fn errors_of_macros_have_both_places((program, parts): (&str, &[&str])) [
        "an error while a macro expands" => (
            "(defmacro {bad x} {\n  + x \"a\"})\n\n(bad 1)",
            &["macro bad: This function only supports Numbers", "program.valk:4:1", "program.valk:1:19"],
        ),
        "an error in what it made" => (
            "(defmacro {half x} {`(/ ,x \"2\")})\n\n(+ 1 (half 8))",
            &["only supports Numbers", "program.valk:3:6", "macro `half`", "defined at program.valk:1:1"],
        ),
        "an error in an argument" => (
            "(defmacro {id-of x} {`(do ,x)})\n(id-of (/ 1 0))", &["Division By Zero", "program.valk:2:8"],
        ),
        "an unbound name" => (
            "(defmacro {m} {`(nowhere 1)})\n(m)", &["Symbol `nowhere` is not bound", "program.valk:2:1", "macro `m`"],
        ),
        "too few arguments" => ("(defmacro {m a b} {do a})\n(m 1)", &["macro m: 1 argument", "too few", "program.valk:2:1"]),
        "no end" => ("(defmacro {m} {`(m)})\n(m)", &["more than 1000 expansions", "program.valk:2:1"]),
        "a special form" => ("(defmacro {if x} {do x})", &["`if` is a special form"]),
        "waiting" => ("(defmacro {m} {stdin/read-line})\n(m)", &["cannot be used here", "program.valk:2:1"]),
        "another shape" => ("(defmacro m 1)", &["write it as (defmacro {name"]),
        "a definition that is computed" => ("(defmacro (list 1) {1})", &["write it as (defmacro {name"]),
        "an error as a part" => ("(apply defmacro (list (/ 1 0)))", &["Division By Zero"]),
        "a computed macro" => ("(= {d} defmacro) (d (quote {m}) {1})", &["defmacro"]),
        "a computed macro of an error" => ("(= {d} defmacro) (d (error \"broken name\") {1})", &["broken name"]),
        "a number for a name" => ("(gensym 5)", &["Actual: Number"]),
        "called before it is a macro" => (
            "(fun {f} {later 1})\n(defmacro {later x} {do x})\n(f)", &["Cannot call non-function", "`later` is a macro now"],
        ),
        "memory" => ("(fun {grow l} {grow (cons l l)}) (defmacro {m} {grow nil})\n(m)", &["out of memory"]),
    ] {
        let config = Config { hard_limit_bytes: 32 << 20, ..Config::default() };
        let (_, told) = run_with(config, program);
        for part in parts {
            assert!(told.contains(part), "{part} in {told}");
        }
    }
}

valk_harness::cases! {
    fn the_librarys_macros((program, expected): (&str, &str)) [
        "let*" => ("(print (let* {a 1 b (+ a 1)} {* a b}) (let* {} 5) (let* {a 1} (= {c} 2) (+ a c)))", "2 5 3"),
        "let* and names" => ("(= {a} 9) (print (let* {a 1} a) a)", "1 9"),
        "when-let" => ("(print (when-let {x (+ 1 1)} {* x x}) (when-let {x nil} (print \"no\")))", "4 ()"),
        "->" => ("(print (-> 5 (- 3) {* 4} str) (-> 1))", "8 1"),
        "->>" => ("(print (->> {1 2 3} (map (\\ {x} {* x x})) (foldl + 0)) (->> 2 (- 5)))", "14 3"),
        "for" => (
            "(print (for {x {1 2 3}} {* x x}) (for {x {1 2} y {3 4} :when (!= x 2)} (list x y)) (for {x 5} x))",
            "{1 4 9} {{1 3} {1 4}} Error: Actual: Number, Expected(One-Of): [List, List]",
        ),
        "for and errors" => ("(print (for {x {1 0}} {/ 1 x}) (for {x {1} y (error \"e\")} y))", "{1 Error: Division By Zero} Error: e"),
        "match of literals" => (
            "(fun {f x} {match x {1 \"one\"} {:two \"two\"} {\"s\" \"text\"} {nil \"nothing\"} {_ \"other\"}})
             (print (map f (list 1 :two \"s\" nil 7)))",
            "{one two text nothing other}",
        ),
        "match of lists" => (
            "(fun {f x} {match x {{a} {list :one a}} {{1 & rest} {list :rest rest}} {{a {b c}} {list c b a}} {all {list :all all}}})
             (print (f {5}) (f {1 2 3}) (f {9 {8 7}}) (f {2 3 4}) (f 3))",
            "{:one 5} {:rest {2 3}} {7 8 9} {:all {2 3 4}} {:all 3}",
        ),
        "match of maps" => (
            "(fun {f x} {match x {(map/of :kind :circle :r r) {* 3 (* r r)}} {(map/of :kind k) k} {_ :no}})
             (print (f (map/of :kind :circle :r 2)) (f (map/of :kind :dot)) (f {1}))",
            "12 :dot :no",
        ),
        "match with conditions" => (
            "(fun {f x} {match x {n :when (> n 10) :much} {n n}}) (print (f 11) (f 3))", ":much 3",
        ),
        "match of symbols" => ("(print (match (quote +) {(quote -) 1} {(quote +) 2}))", "2"),
        "match of nothing" => ("(print (match 5 {1 2}))", "Error: match: nothing fits 5"),
        "names that the program binds" => (
            "(fun {head l} {:mine}) (fun {map f l} {:mine}) (fun {flat-map f l} {:mine}) (def {value next} 1 2)
             (print (match {1 2} {{a b} {+ a b}}) (for {x {1 2}} {+ x value}) (match 3 {n {+ n next}}))",
            "3 {2 3} 5",
        ),
    ] {
        let (out, told) = run(program);
        assert_eq!(out, format!("{expected}\n"), "{told}");
    }
}

valk_harness::test! {
    fn modules_export_macros_that_use_what_is_private() {
        let directory = Directory::with(&[
            ("main.valk", "(import counters) (fun {helper n} {:mine}) (print (bump 5) (bump 1) (shown))
                (import (counters :as c)) (print (c/bump 4))"),
            ("counters.valk", "(export bump shown) (def {n} 0) (fun {helper x} {* 2 x})
                (defmacro {bump x} {`(do (def {n} (+ n ,x)) (helper n))}) (fun {shown} {+ n 0})"),
        ]);
        let mut runtime = Runtime::new(Config::default(), Output::memory()).expect("a heap");
        let ran = runtime.run_file(&directory.path("main.valk"), &mut NoWaiting);
        let out = String::from_utf8(runtime.take_output()).expect("text");
        assert_eq!(out, "10 12 6\n20\n", "{ran:?}");
    }

    fn a_check_knows_macros() {
        let directory = Directory::with(&[
            ("main.valk", "(import m) (defmacro {mine x} {`(do ,x)}) (two 1) (mine 2) (print \"never\")"),
            ("m.valk", "(export two) (defmacro {two x} {`(list ,x ,x)})"),
        ]);
        let mut runtime = Runtime::new(Config::default(), Output::memory()).expect("a heap");
        assert!(runtime.check_file(&directory.path("main.valk")).is_empty());
        assert_eq!(runtime.take_output(), b"");
    }

    fn expansions_leave_nothing_behind() {
        let mut runtime = Runtime::new(Config::default(), Output::memory()).expect("a heap");
        let program = format!("{SWAP}(fun {{go n}} {{if (== n 0) {{0}} {{(eval {{my-or 0 1}}) (go (- n 1))}}}})");
        runtime.run_text("p", program.as_bytes(), &mut NoWaiting);
        runtime.run_text("p", b"(go 10)", &mut NoWaiting);
        let before = runtime.vm().heap.symbols().len();
        runtime.run_text("p", b"(go 1000)", &mut NoWaiting);
        assert!(runtime.vm().heap.symbols().len() <= before + 10);
    }
}
