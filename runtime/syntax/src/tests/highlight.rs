//! Classes of ranges.

use crate::{TokenClass, highlight};

/// One letter per byte: class of the range it is in, or a blank.
fn classes(source: &[u8]) -> String {
    let mut letters = vec![' '; source.len()];
    for (range, class) in highlight(source) {
        let letter = match class {
            TokenClass::Comment => 'c',
            TokenClass::String => 's',
            TokenClass::Number => 'i',
            TokenClass::Keyword => 'k',
            TokenClass::Callee => 'f',
            TokenClass::Symbol => 'v',
            TokenClass::Bracket => 'b',
            TokenClass::Prefix => 'p',
            TokenClass::Invalid => 'X',
        };
        assert!(letters[range.clone()].iter().all(|&letter| letter == ' '), "{range:?} overlaps");
        letters[range].fill(letter);
    }
    letters.into_iter().collect()
}

valk_harness::test! {
    fn every_class() {
        let source = "(foo x :k 12 \"s\\n\" '{y} ,@z) ; end";
        let expected = "bfff v kk ii sssss pbvb ppvb ccccc";
        assert_eq!(classes(source.as_bytes()), expected);
    }
}

valk_harness::test! {
    fn callee_follows_a_round_bracket() {
        assert_eq!(classes(b"( ;c\n f g)"), "b cc  f vb");
        assert_eq!(classes(b"{f} (1 f) (:k f) ((f) g)"), "bvb bi vb bkk vb bbfb vb");
        assert_eq!(classes(b"(@ f)"), "bX vb");
    }
}

valk_harness::test! {
    fn shebang_is_a_comment() {
        assert_eq!(classes(b"#!x y\n1"), "ccccc i");
    }
}

valk_harness::test! {
    fn errors_are_marked_and_passed() {
        assert_eq!(classes(b"a @ \xff b"), "v X X v");
        assert_eq!(classes(b"99999999999999999999 1"), "XXXXXXXXXXXXXXXXXXXX i");
        assert_eq!(classes(b"\"a\\q\\xb\" c"), "ssXXXXss v");
        assert_eq!(classes(b"\"\xff\xffa\xfe\" c"), "sXXsXs v");
        assert_eq!(classes(b"(a))}"), "bfbbb");
    }
}

valk_harness::test! {
    fn open_strings_reach_to_the_end() {
        assert_eq!(classes(b"a \"b c"), "v ssss");
        assert_eq!(classes(b"a \"b\\"), "v ssX");
        assert_eq!(classes(b"\"\\q"), "sXX");
        assert_eq!(classes(b"\"\\qa"), "sXXs");
    }
}
