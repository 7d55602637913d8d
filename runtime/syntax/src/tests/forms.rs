//! What texts read as.

use super::{FILE, forms, read, shape};
use crate::{Node, NodeKind, SymbolId, read_one};
use valk_diagnostics::Span;

/// The first form of `source`, or the text of the error value.
fn first(source: &str) -> String {
    match read_one(FILE, source.as_bytes()) {
        Ok(tree) => shape(&tree, 0),
        Err(error) => error.legacy,
    }
}

valk_harness::test! {
    fn integers() {
        assert_eq!(forms("42 -5 007 -0 -007"), "42 -5 7 0 -7");
        assert_eq!(forms("9223372036854775807 -9223372036854775808"),
            "9223372036854775807 -9223372036854775808");
        assert_eq!(forms(&format!("{}5", "0".repeat(500))), "5");
    }
}

valk_harness::test! {
    fn decimals() {
        assert_eq!(forms("0.5 -1.50 007.0 {1.25}"), "0.5 -1.5 7.0 {1.25}");
        assert_eq!(forms("1.5(f)2.5"), "1.5 (f) 2.5");
        for text in ["1.5x", "1.5e3", "1.5-", "999999999999999999999.0", "0.0000000000000000000"] {
            assert_eq!(forms(text), format!("!Invalid number format {text}"));
        }
        for (text, offset) in [(".5", 0), ("1.", 1), ("1.2.3", 3), ("1.x", 1), ("-.5", 1)] {
            let error = format!("![offset: {offset}] Unexpected character .");
            assert!(forms(text).ends_with(&error), "{text}: {}", forms(text));
        }
        // What came before a broken form is kept, its numbers too.
        let reading = read(b"1.5 (2.5 3.5x");
        assert_eq!(reading.tree.decimals.len(), 1);
    }
}

valk_harness::test! {
    fn tokens_that_look_like_integers_are_symbols() {
        let words = "- +5 --1 1-2 12abc 5a -5- -a 1: : :kw a\\b foo/bar \\ _ <= != ?& **";
        assert_eq!(forms(words), words);
        let tree = read(words.as_bytes()).tree;
        assert!(tree.nodes.iter().all(|node| matches!(node.kind, NodeKind::Symbol(_))));
    }
}

valk_harness::test! {
    fn names_have_at_most_two_hundred_bytes() {
        let (one, other) = ("x".repeat(200), "x".repeat(199) + "y");
        let tree = read(format!("{one} {other} {one}").as_bytes()).tree;
        assert_eq!(tree.symbols.len(), 2, "the two differ in their last character");
        assert_eq!(tree.name(0), Some(one.as_str()));
        assert_eq!(tree.node(0).kind, tree.node(2).kind);
        for long in ["x".repeat(201), "x".repeat(199) + "ä", "x".repeat(100_000)] {
            let told = first(&format!("{long} 1"));
            assert_eq!(told, format!("[offset: 0] Name of {} bytes is longer than 200", long.len()));
        }
        let error = read_one(FILE, "x".repeat(201).as_bytes()).expect_err("it is too long");
        let diagnostic = error.diagnostic();
        assert_eq!(diagnostic.code, valk_diagnostics::Code::SymbolTooLong);
        assert!(diagnostic.message.contains("201 bytes; names have at most 200"));
    }

    fn names_have_letters_of_any_language() {
        let words = "ñandú größe 長さ עברית x² é1 ٣ नमस्ते ผู้ใช้ -ä ä- :ключ a/ß";
        assert_eq!(forms(words), words);
        assert_eq!(forms("ñ{ä}ö"), "ñ {ä} ö");
        let accents = read("e\u{301} \u{e9} e\u{301}x \"e\u{301}\"".as_bytes()).tree;
        assert_eq!(accents.symbols, ["\u{e9}".into(), "\u{e9}x".into()]);
        assert_eq!(accents.node(0).kind, accents.node(1).kind, "names that look the same are the same");
        for (text, offset, character) in [("€", 0, '€'), ("a€", 1, '€'), ("ä\u{a0}b", 2, '\u{a0}'), ("ä→", 2, '→')] {
            let told = read(text.as_bytes()).error.expect("it is no name").legacy;
            assert_eq!(told, format!("[offset: {offset}] Unexpected character {character}"));
        }
        assert!(read(b"\xc3").error.is_some() && read(b"a\xc3(").error.is_some());
    }
}

valk_harness::test! {
    fn lists_of_both_kinds() {
        assert_eq!(forms("(+ 1 2) {a {b} (c)} () {}"), "(+ 1 2) {a {b} (c)} () {}");
    }
}

valk_harness::test! {
    fn blanks_before_closers_are_accepted() {
        assert_eq!(forms("( ) { } {\n} (;c\n) (1 ) ( 1) (\t\r\n\x0b)"), "() {} {} () (1) (1) ()");
    }
}

valk_harness::test! {
    fn adjacent_tokens_need_no_blanks() {
        assert_eq!(forms("1\"a\"2"), "1 \"a\" 2");
        assert_eq!(forms("'x'y"), "{x} {y}");
        assert_eq!(forms("(\\{x}{+ x 1})"), "(\\ {x} {+ x 1})");
        assert_eq!(forms("1;c\n2"), "1 2");
    }
}

valk_harness::test! {
    fn prefixes() {
        assert_eq!(forms("'a '(1 2) ''a '()"), "{a} {(1 2)} {{a}} {()}");
        assert_eq!(forms("`(a ,b ,@c)"), "(quasiquote (a (unquote b) (unquote-splicing c)))");
        assert_eq!(forms("' x ` ;c\n y , @"), "{x} (quasiquote y) ![offset: 14] Unexpected character @");
        assert_eq!(forms(",@x ,'x"), "(unquote-splicing x) (unquote {x})");
        assert_eq!(forms("('a b)"), "({a} b)");
    }
}

valk_harness::test! {
    fn escapes() {
        let tree = read(br#""\a\b\f\n\r\t\v\\\'\"""#).tree;
        assert_eq!(tree.string(0), "\x07\x08\x0c\n\r\t\x0b\\'\"");
    }
}

valk_harness::test! {
    fn strings_hold_newlines_nul_and_any_text() {
        assert_eq!(read("\"a\n;b\0é(\"".as_bytes()).tree.string(0), "a\n;b\0é(");
        let tree = read(br#""" "a\nb" "c""#).tree;
        let strings: Vec<&str> = tree.strings.iter().map(AsRef::as_ref).collect();
        assert_eq!(strings, ["", "a\nb", "c"], "contents are not carried over");
    }
}

valk_harness::test! {
    fn reading_one_form_ignores_the_rest() {
        assert_eq!(first("1 2 3"), "1");
        assert_eq!(first("(a) \"never closed"), "(a)");
        assert_eq!(first("'x )"), "{x}");
        assert_eq!(first("; c\n x"), "x");
        assert_eq!(read_one(FILE, b"(a b) c").unwrap().nodes.len(), 3);
    }
}

valk_harness::test! {
    fn nothing_to_read_is_an_error_for_one_and_not_for_all() {
        for source in ["", " \n\t", "; only", ";\n"] {
            assert_eq!(first(source), "Unexpected  end of input");
            assert_eq!(forms(source), "");
        }
    }
}

valk_harness::test! {
    fn shebang_is_for_files() {
        let reading = read(b"#!/usr/bin/env valk\n(a)");
        assert_eq!(reading.tree.shebang, Some(Span::new(FILE, 0, 19)));
        assert_eq!(shape(&reading.tree, 0), "(a)");
        assert_eq!(forms("#!"), "");
        assert_eq!(forms("\u{feff}#!/usr/bin/env valk\n(a)"), "(a)");
        assert_eq!(forms("\u{feff}(a)"), "(a)");
        assert_eq!(read("\u{feff}a".as_bytes()).tree.node(0).span, Span::new(FILE, 3, 4));
        assert_eq!(forms("a \u{feff}b"), "a ![offset: 2] Unexpected character \u{feff}");
        assert_eq!(forms(" #!x"), "![offset: 1] Unexpected character #");
        assert_eq!(forms("#x"), "![offset: 0] Unexpected character #");
        assert_eq!(first("#!x"), "[offset: 0] Unexpected character #");
        assert_eq!(read(b"x").tree.shebang, None);
    }
}

valk_harness::test! {
    fn forms_before_the_error_are_kept_whole() {
        let reading = read(b"(a \"s\") 'b (c \"t\" ;x\n (d");
        assert_eq!(reading.tree.nodes.len(), 5);
        assert_eq!(reading.roots, [0, 3]);
        assert_eq!(reading.tree.roots().collect::<Vec<_>>(), reading.roots);
        assert_eq!(reading.tree.strings.len(), 1);
        assert_eq!(reading.tree.comments.len(), 1);
        assert!(reading.error.is_some());
        assert_eq!(forms("(print \"a\")) (print \"b\")"),
            "(print \"a\") ![offset: 11] Unexpected character )");
    }
}

valk_harness::test! {
    fn nodes_spans_and_comments() {
        let tree = read(b"; c\n`(a {1}) \"x\" ;e").tree;
        let node = |kind, start, end, last| Node { kind, span: Span::new(FILE, start, end), end: last };
        let expected = [
            node(NodeKind::List { quoted: false }, 4, 12, 6),
            node(NodeKind::Name("quasiquote"), 4, 5, 2),
            node(NodeKind::List { quoted: false }, 5, 12, 6),
            node(NodeKind::Symbol(SymbolId(0)), 6, 7, 4),
            node(NodeKind::List { quoted: true }, 8, 11, 6),
            node(NodeKind::Integer(1), 9, 10, 6),
            node(NodeKind::String(0), 13, 16, 7),
        ];
        assert_eq!(tree.nodes, expected);
        assert_eq!(tree.comments, [Span::new(FILE, 0, 3), Span::new(FILE, 17, 19)]);
        assert_eq!(tree.children(0).collect::<Vec<_>>(), [1, 2]);
        assert_eq!(tree.children(2).collect::<Vec<_>>(), [3, 4]);
        assert_eq!(tree.children(6).count(), 0);
        assert_eq!((tree.name(1), tree.name(3)), (Some("quasiquote"), Some("a")));
        assert_eq!((tree.name(0), tree.name(5), tree.name(6)), (None, None, None));
    }
}
