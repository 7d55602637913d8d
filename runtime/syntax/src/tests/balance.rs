//! When more lines are needed.

use crate::{Balance, balance};

fn open(depth: u32, starts: &[(usize, usize)]) -> Balance {
    Balance::Open { depth, openers: starts.iter().map(|&(start, end)| start..end).collect() }
}

valk_harness::test! {
    fn complete_texts() {
        for source in ["", "  \n", "; c (", "1", "(a) {b}", "( )", "'x", "`(a ,b ,@c)", "(')x)",
            "\"(\"", "\"\\\"\"", "#!x (\n1", "'(a '(b))"] {
            let expected = if source == "(')x)" { Balance::Broken } else { Balance::Complete };
            assert_eq!(balance(source.as_bytes()), expected, "{source}");
        }
    }
}

valk_harness::test! {
    fn open_lists_and_prefixes() {
        assert_eq!(balance(b"(def {f}"), open(1, &[(0, 1)]));
        assert_eq!(balance(b"(a {b (c) ; )"), open(2, &[(0, 1), (3, 4)]));
        assert_eq!(balance(b"'"), open(0, &[(0, 1)]));
        assert_eq!(balance(b"(a ,@"), open(1, &[(0, 1), (3, 5)]));
        assert_eq!(balance(b"'(x `y"), open(1, &[(0, 1), (1, 2)]));
    }
}

valk_harness::test! {
    fn open_strings() {
        assert_eq!(balance(b"(print \"abc"), Balance::InString);
        assert_eq!(balance(b"\"abc\\"), Balance::InString);
        assert_eq!(balance(b"\"a\nb"), Balance::InString);
    }
}

valk_harness::test! {
    fn broken_texts() {
        for source in [&b")"[..], b"(a}", b"{a)", b"(')", b"@", b"(\"\\q", b"(99999999999999999999",
            b"\xff", b"\"\xff"] {
            assert_eq!(balance(source), Balance::Broken, "{source:?}");
        }
    }
}
