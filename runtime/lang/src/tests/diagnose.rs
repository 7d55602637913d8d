//! What people read about uncaught errors: one program for each code, as text and as JSON.

use crate::reference::lookup;
use crate::{NoWaiting, Output, Ran, Runtime, nearest};
use valk_diagnostics::{Code, Diagnostic, render_json, render_plain};
use valk_heap::Config;

/// Runs a program that fails; its diagnostic, as text and as JSON.
fn failed(program: &str) -> (Diagnostic, String, String) {
    let config = Config { hard_limit_bytes: 16 << 20, ..Config::default() };
    let mut runtime = Runtime::new(config, Output::memory()).expect("a heap");
    match runtime.run_text("program.valk", program.as_bytes(), &mut NoWaiting) {
        Ran::Value(_) => panic!("{program} runs"),
        Ran::Failed(_, diagnostic) => runtime.with_sources(|sources| {
            let text = render_plain(&diagnostic, sources);
            let json = render_json(&diagnostic, sources);
            ((*diagnostic).clone(), text, json)
        }),
    }
}

fn complaint(program: &str) -> String {
    failed(program).1
}

valk_harness::cases! {
    fn each_code_has_its_text((code, program): (Code, &str)) [
        "runtime error" => (Code::RuntimeError, "(fun {f x} {error \"no luck\"})\n(+ 1 (f 2))"),
        "unbound symbol" => (
            Code::UnboundSymbol,
            "(fun {add counter y} {+ countr y})\n(fun {twice n} {* 2 (add n n)})\n(+ 1 (twice 3))",
        ),
        "wrong type" => (Code::WrongType, "(def {x} \"a\")\n(* 2 (+ 1 x))"),
        "argument count" => (Code::ArgumentCount, "(fun {g a b} {a})\n(g 1 2 3)"),
        "not a function" => (Code::NotAFunction, "(def {limit} 7)\n(if 1 {do (limit 6)})"),
        "division by zero" => (Code::DivisionByZero, "(fun {half x} {/ x 0})\n(* 2 (half 4))"),
        "out of memory" => (Code::OutOfMemory, "(fun {count n} {+ 1 (count n)})\n(count 0)"),
        "malformed form" => (Code::MalformedForm, "(+ 1\n   (if 1))"),
        "file unreadable" => (Code::FileUnreadable, "(read-file \"no-such.valk\")"),
        "causes" => (
            Code::RuntimeError,
            "(fun {open name} {error/with-cause (error \"cannot start\") (read-file name)})\n(do (open \"no-such\"))",
        ),
        "end in list" => (Code::EndInList, "(print 1)\n(print (+ 1 2)\n"),
        "library" => (Code::WrongType, "(def {prices} {1 \"a\"})\n(sum prices)"),
    ] {
        let (diagnostic, text, json) = failed(program);
        assert_eq!(diagnostic.code, code, "{text}");
        valk_harness::assert_snapshot!("text", text);
        valk_harness::assert_snapshot!("json", json);
    }
}

valk_harness::test! {
    fn hints_name_what_was_meant() {
        for (program, hint) in [
            ("(lenght {1 2})", "did you mean `len`?"),
            ("(str/spilt \"a b\" \" \")", "did you mean `str/split`?"),
            ("(iff 1 2 3)", "did you mean `if`?"),
            ("(car {1})", "`car` is called `head` here"),
            ("(define {x} 1)", "`define` is called `def` or `fun` here"),
            ("(defx {x} 1)", "did you mean `def`?"),
            ("(fun {f} {1}) (f 1)", "call it as `(f)`"),
            ("(fun {f x & xs} {x}) (def {g} f) (error? 1 2)", "`error?` takes 1 argument"),
            ("(ord 1 2 3)", "`ord` takes 2 arguments"),
            ("((len {1 2}) 3)", "the value of `(len {1 2})` is called here"),
            ("(if 1 {5 6})", "these braces hold code that calls `5`"),
            ("(\"text\" 1)", "`\"text\"` is called here"),
            ("(def {x} {1 2}) (x 1)", "`x` is {1 2}; parentheses are calls"),
            ("(head 1 2)", "called here"),
        ] {
            let text = complaint(program);
            assert!(text.contains(hint), "{program}\n{text}");
        }
    }
}

valk_harness::test! {
    fn nothing_is_suggested_for_names_that_resemble_none() {
        for program in ["(zzzzzzzzzzzz)", "q"] {
            let text = complaint(program);
            assert!(!text.contains("did you mean"), "{text}");
        }
    }
}

valk_harness::test! {
    fn nearest_names_come_best_first() {
        let known = ["str/split", "str/join", "split", "len", "let", "x", "sort", "stream/len"];
        let near = |wanted| nearest(wanted, known.into_iter());
        assert_eq!(near("splt"), ["split"]);
        assert_eq!(near("lne"), ["len"]);
        assert_eq!(near("lex"), ["len", "let"]);
        assert_eq!(near("str"), ["str/join", "str/split"]);
        assert_eq!(near("y"), [""; 0], "a letter is no misspelling of another");
        assert_eq!(near(&"s".repeat(100)), [""; 0]);
        assert_eq!(nearest("abc", ["abd", "abd"].into_iter()), ["abd"]);
    }
}

valk_harness::test! {
    fn an_interruption_names_the_loop() {
        let mut runtime =
            Runtime::new(Config::default(), Output::memory()).expect("a heap");
        runtime.vm().heap.interrupt().request();
        let program = b"(fun {again n} {again (+ n 1)})\n(+ 1 (again 0))";
        let Ran::Failed(_, diagnostic) = runtime.run_text("p.valk", program, &mut NoWaiting) else {
            panic!("it goes on for ever");
        };
        assert_eq!(diagnostic.code, Code::Interrupted);
        assert_eq!(diagnostic.message, valk_vm::INTERRUPTED);
    }

    fn names_are_described_by_what_they_are_bound_to() {
        let mut runtime =
            Runtime::new(Config::default(), Output::memory()).expect("a heap");
        runtime.run_text("p", b"(fun {f x & more} {x}) (def {limit} {1 2})", &mut NoWaiting);
        for (name, text) in [
            ("f", "call it as `(f x & more)`"),
            ("limit", "`limit` is {1 2}"),
            ("if", lookup("if").expect("an entry").render().trim_end()),
            ("+", lookup("+").expect("an entry").render().trim_end()),
        ] {
            assert_eq!(runtime.describe(name).as_deref(), Ok(text));
        }
        let unknown = runtime.describe("limt").expect_err("bound to nothing");
        assert!(unknown.contains("did you mean `limit`"), "{unknown}");
        assert!(runtime.names().windows(2).all(|pair| pair[0] <= pair[1]));
    }
}

valk_harness::test! {
    fn long_forms_are_quoted_short_and_very_long_ones_not_looked_into() {
        let text = complaint(&format!("({{{}}} 1)", "word ".repeat(20)));
        assert!(text.contains('…'), "{text}");
        let text = complaint(&format!("(+ 1 nosuch (len \"{}\"))", "x".repeat(70_000)));
        assert!(text.contains("Symbol `nosuch` is not bound"), "{text}");
    }
}
