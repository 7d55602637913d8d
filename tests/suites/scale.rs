//! Sizes at which recursion on the host stack or quadratic work would show.

use valk_tests::program::{binary, file, root, run, stderr, stdout};

/// Depth of nested lists in a source text.
const NESTING: usize = 100_000;
/// Bytes of a string literal.
const LITERAL_BYTES: usize = 64 * 1024 * 1024;

/// Runs a program text and gives what it prints.
fn printed(name: &str, program: &str) -> String {
    let output = run(&[&file(name, program)]);
    let (out, error) = (stdout(&output), stderr(&output));
    let shown: String = error.chars().take(400).collect();
    assert_eq!(output.status.code(), Some(0), "{shown}");
    out
}

fn nested(open: &str, inner: &str, close: &str) -> String {
    [open.repeat(NESTING), inner.to_string(), close.repeat(NESTING)].concat()
}

valk_harness::test! {
    #[timeout_ms = 120_000]
    fn a_string_literal_of_64_mib() {
        let program = format!("(print (len \"{}\"))", "x".repeat(LITERAL_BYTES));
        assert_eq!(printed("literal.valk", &program), format!("{LITERAL_BYTES}\n"));
    }
}

valk_harness::test! {
    #[timeout_ms = 120_000]
    fn deep_nesting_of_data() {
        let data = nested("{", "1", "}");
        let program = format!("(= {{d}} {data}) (print (== d {data}) (len (str d)))");
        assert_eq!(printed("data.valk", &program), format!("1 {}\n", 2 * NESTING + 1));
    }
}

valk_harness::test! {
    #[timeout_ms = 120_000]
    fn deep_nesting_of_code() {
        let calls = nested("(+ 1 ", "0", ")");
        assert_eq!(printed("calls.valk", &format!("(print {calls})")), format!("{NESTING}\n"));
        let singles = nested("(", "5", ")");
        assert_eq!(printed("singles.valk", &format!("(print {singles})")), "5\n");
    }
}

valk_harness::test! {
    #[timeout_ms = 120_000]
    fn deep_nesting_of_prefixes() {
        // One level of `'` is a list around what follows.
        let program = format!("(print (len (str {}x)))", "'".repeat(NESTING));
        assert_eq!(printed("quotes.valk", &program), format!("{}\n", 2 * NESTING + 1));
        let program = format!("(print {}1)", "`,".repeat(NESTING));
        assert_eq!(printed("templates.valk", &program), "1\n");
    }
}

valk_harness::test! {
    #[timeout_ms = 120_000]
    fn lists_of_a_million_elements() {
        let program = "(= {a} (range 0 1000000)) (= {b} (range 0 1000000))
            (print (== a b) (== a (tail b)) (len (str a)) (head (reverse a)) (len (init a)))
            (print (len (join a b)) (foldl + 0 a) (len (map (\\ {x} {+ x 1}) a)))";
        // The digits of all numbers, a space after each but the last, two brackets.
        let digits = 10 + 180 + 2_700 + 36_000 + 450_000 + 5_400_000;
        let characters = digits + 999_999 + 2;
        assert_eq!(printed("lists.valk", program),
            format!("1 0 {characters} 999999 999999\n2000000 499999500000 1000000\n"));
    }
}

valk_harness::test! {
    #[timeout_ms = 120_000]
    fn ends_of_a_map_that_newer_ones_were_made_of() {
        for keys in ["i", "(str i)"] {
            let program = format!("(fun {{fill n}} {{foldl (\\ {{m i}} {{map/set m {keys} i}}) (map/of) (range 0 n)}})
                (= {{m}} (fill 200000)) (= {{first last}} (fst (map/first m)) (fst (map/last m)))
                (fun {{looks n}} {{foldl (\\ {{sum _}} {{+ sum (snd (map/first m)) (snd (map/last m))
                    (map/foldl (\\ {{_ k v}} {{if (== v 3) {{reduced v}} {{do v}}}}) 0 m)}}) 0 (range 0 n)}})
                (print (map/size (map/set m first 6)) (looks 2000))
                (print (map/size (map/set m \"new\" 6)) (looks 2000))
                (print (map/size (map/remove m last)) (looks 2000))
                (print (sum (map (\\ {{_}} {{snd (map/first (map/remove-first m))}}) (range 0 2000))))");
            let looks = 2000 * (199_999 + 3);
            let expected = format!("200000 {looks}\n200001 {looks}\n199999 {looks}\n2000\n");
            assert_eq!(printed("ends.valk", &program), expected);
        }
    }
}

valk_harness::test! {
    #[timeout_ms = 120_000]
    fn a_host_stack_of_256_kib_is_enough() {
        let data = "{".repeat(20_000) + "1" + &"}".repeat(20_000);
        let program = format!(
            "(fun {{deep n}} {{if (== n 0) {{0}} {{+ 1 (deep (- n 1))}}}})
             (= {{d}} {data})
             (fun {{wrap n l}} {{if (== n 0) {{do l}} {{wrap (- n 1) (list l)}}}})
             (print (deep 1000000) (== d {data}) (len (str (wrap 300000 nil))))
             (print (eval (wrap 20000 5)))"
        );
        let path = file("deep.valk", program);
        let command = format!("ulimit -s 256 && exec {} {path}", binary().display());
        let output = std::process::Command::new("sh").args(["-c", &command]).current_dir(root())
            .output().expect("sh runs");
        assert_eq!(stdout(&output).lines().next(), Some("1000000 1 600002"), "{}", stderr(&output));
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    }
}
