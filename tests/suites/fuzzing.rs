//! A bounded part of what `just fuzz` does at length; the seeds are fixed, so that a run repeats.

use valk_tests::fuzz::differential::Collections;
use valk_tests::fuzz::source::{Form, text};
use valk_tests::fuzz::{bytes, differential, generate, shrink};
use valk_tests::program::root;
use valk_tests::reference;

/// Programs compared in each of the two ways.
const PROGRAMS: u64 = 200;
/// Programs compared with a collection at every safepoint.
const STRESSED: u64 = 40;
/// Inputs for the reader.
const INPUTS: u64 = 1500;

fn agree(first: u64, count: u64, collections: Collections) {
    let tally = differential::campaign(first, collections, |tally| tally.tried() < count);
    assert!(tally.failures.is_empty(), "{}", tally.failures.join("\n"));
    assert!(tally.compared > count / 2, "most programs end: {tally:?}");
}

valk_harness::test! {
    #[timeout_ms = 120_000]
    fn random_programs_print_what_the_reference_prints() {
        agree(1, PROGRAMS, Collections::Calm);
    }
}

valk_harness::test! {
    #[timeout_ms = 120_000]
    fn random_programs_do_not_notice_collections() {
        agree(1_000_000, STRESSED, Collections::Everywhere);
        agree(2_000_000, STRESSED, Collections::Random);
    }
}

valk_harness::test! {
    #[timeout_ms = 120_000]
    fn any_bytes_are_read_printed_and_compiled() {
        let mut fuzzer = bytes::Fuzzer::new(bytes::corpus(&root().join("tests/fuzz/corpus")));
        let failures: Vec<String> =
            (1..=INPUTS).filter_map(|seed| fuzzer.seed(seed).err()).collect();
        assert!(failures.is_empty(), "{}", failures.join("\n"));
    }
}

valk_harness::test! {
    /// Without this a generator that makes only literals would go unnoticed.
    fn programs_are_varied() {
        let all: String = (0..400).map(|seed| text(&generate::program(seed))).collect();
        for part in ["(fun {f0", "`{", ",@", "(select ", "(eval ", "& rest", "(error ", "{head",
            "(\\ {", "(let {", "9223372036854775807", "(case ", "unknown", "(foldl "]
        {
            assert!(all.contains(part), "no program has {part}");
        }
    }
}

valk_harness::test! {
    fn a_difference_is_reported_small() {
        let sum = Form::call("+", vec![Form::atom("1"), Form::atom("2")]);
        let noise = Form::call("print", vec![Form::quoted(vec![sum.clone(), Form::atom("x")])]);
        let program = vec![noise.clone(), Form::call("list", vec![noise, sum.clone()])];
        let small = shrink::shrink(&program, |forms| text(forms).contains("(+ "));
        assert_eq!(text(&small), "(+ 2)", "one call with one argument is the least");
    }
}

valk_harness::cases! {
    fn the_reference_knows((program, expected): (&str, &str)) [
        "partial application" => ("(print ((\\ {x y} {- x y}) 5))", "<lambda>\n()"),
        "errors as arguments" => ("(error? (+ 1 nosuch))", "Num[1]"),
        "the end at an error" => ("(print 1) nosuch (print 2)",
            "1\nError[LEnv: Symbol `nosuch` is not bound]"),
        "closures over variables" => (
            "(fun {mk n} {(\\ {m} {(= {n} (+ n m)) (+ 0 n)})}) (= {c} (mk 10)) (list (c 1) (c 1))",
            "{Num[11] Num[11]}"),
        "nested templates" => ("`(a `(b ,(+ 1 2)))", "(a (quasiquote (b Num[3])))"),
        "reprs of functions" => ("(\\ {x} {+ x 1})", "(\\ {x} {+ x Num[1]})"),
    ] {
        let ran = reference::run(program.as_bytes(), 10_000).expect("these end");
        let out = [ran.output, reference::repr(&ran.result)].concat();
        assert_eq!(String::from_utf8_lossy(&out), expected);
    }
}

valk_harness::test! {
    fn the_reference_knows_what_the_language_leaves_open() {
        let is_open = |program: &str| {
            reference::run(program.as_bytes(), 10_000).expect("it ends").open
        };
        assert!(is_open("(fun {f a s} {((\\ {x} {= {r} x}) s)}) (f 7 (head {a}))"));
        assert!(!is_open("(fun {f a s} {= {r} s}) (f 7 (head {a}))"), "its own variable");
        assert!(!is_open("(fun {f a s} {= {r} s}) ((f 7) (head {a}))"), "that of a partial");
        assert!(!is_open("(= {a} 7) (fun {f s} {= {r} s}) (f (head {a}))"), "a global one");
    }

    fn the_reference_gives_up() {
        let endless: [&[u8]; 2] = [
            b"(fun {f n} {f n}) (f 1)",
            b"(fun {f l n} {if n {f (list l l) (- n 1)} {do l}}) (f 1 99)",
        ];
        for program in endless {
            let ends =
                reference::on_large_stack(|| reference::run(program, 10_000).is_some());
            assert!(!ends, "{}", String::from_utf8_lossy(program));
        }
    }
}
