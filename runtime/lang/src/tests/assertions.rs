//! Assertions of programs: what they give, and what the framework hears of failed ones.

use crate::{NoWaiting, Output, Runtime};
use valk_heap::Config;

/// What a program prints.
fn printed(program: &str) -> String {
    let config = Config::default();
    let mut runtime = Runtime::new(config, Output::memory()).expect("a heap");
    let _ = runtime.run_text("p.valk", program.as_bytes(), &mut NoWaiting);
    String::from_utf8_lossy(&runtime.take_output()).into_owned()
}

valk_harness::cases! {
    fn an_assertion_is_1_or_an_error((program, expected): (&str, &str)) [
        "a true condition" => ("(test/assert 5 \"m\")", "1"),
        "0" => ("(test/assert 0 \"m\")", "Error: m"),
        "nil" => ("(test/assert nil \"m\")", "Error: m"),
        "an error" => ("(test/assert (error \"e\") \"m\")", "Error: e"),
        "a message that is not text" =>
            ("(test/assert 0 5)", "Error: Actual: Number, Expected(One-Of): [String]"),
        "equal values" => ("(test/assert-eq {1} (list 1) \"m\")", "1"),
        "others" => ("(test/assert-eq 1 2 \"m\")", "Error: m"),
        "of errors" => ("(test/assert-eq 1 2 5)", "Error: Actual: Number, Expected(One-Of): [String]"),
        "messages" => ("(test/assert-message \"e\" (error \"e\") \"m\")", "1"),
        "no error" => ("(test/assert-message \"e\" 5 \"m\")", "Error: m"),
    ] {
        assert_eq!(printed(&format!("(print {program})")), format!("{expected}\n"));
    }
}

valk_harness::test! {
    fn what_failed_is_told_once_with_place_form_and_values() {
        let program = "(do (test/assert-eq {1 {2 3}} (list 1\n  (list 2 4)) \"lists\") 1)\n\
            (print (head (test/take-failures)))\n(print (test/take-failures))";
        let expected = "p.valk:1:5: lists\n  (test/assert-eq {1 {2 3}} (list 1 (list 2 4)) \"lists\")\n  \
            expected: {1 {2 3}}\n  actual:   {1 {2 4}}\n  \
            they differ from element 2, in it element 2 on\n()\n";
        assert_eq!(printed(program), expected);
    }
}

valk_harness::cases! {
    fn compared_values_can_be_told_apart((compared, expected): (&str, &str)) [
        "a number and its text" => ("1 \"1\"", "expected: Num[1]\n  actual:   \"1\""),
        "a list that ends early" =>
            ("{1 2} {1}", "expected: {1 2}\n  actual:   {1}\n  they differ from element 2 on"),
        "nil and a list" =>
            ("nil {1}", "expected: ()\n  actual:   {1}\n  they differ from element 1 on"),
    ] {
        let program = format!("(do (test/assert-eq {compared} \"m\") 1) (print (head (test/take-failures)))");
        let told = printed(&program);
        assert!(told.ends_with(&format!("{expected}\n")), "{told}");
    }
}

valk_harness::test! {
    fn notes_are_bounded_and_so_are_values() {
        let program = "(fun {fail i} {test/assert-eq i (make-string 5000 \"é\") \"m\"})\n\
            (do (repeat fail 103) 1) (= {told} (test/take-failures))\n\
            (print (len told) (last told)) (print (str/contains? (head told) \"… (8000 bytes more)\"))";
        assert_eq!(printed(program), "101 and 3 further failed assertions\n1\n");
    }
}

valk_harness::test! {
    fn an_assertion_that_nobody_wrote_has_no_form() {
        let program = "(do (eval (list test/assert 0 \"made\")) 1) (print (head (test/take-failures)))";
        let told = printed(program);
        assert!(told.ends_with("made\n") || told.contains("made\n  (eval"), "{told}");
    }
}
