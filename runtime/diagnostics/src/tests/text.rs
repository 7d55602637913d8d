//! Rendered text, line by line.

use super::{lines, one_file, rendered};
use crate::{
    Call, Cause, Code, Diagnostic, FileId, Severity, SourceMap, Span, render_ansi, render_plain,
};

valk_harness::test! {
    fn one_label() {
        let (sources, file) = one_file(b"(def {x} 1)\n\n(print \"a\\qb\")\n");
        let diagnostic = Diagnostic::error(Code::BadEscape, "`\\q` is not an escape")
            .primary(Span::new(file, 22, 24), "not an escape")
            .note("read as written")
            .help("write `\\\\` for a backslash");
        let expected = lines(&[
            "error[E0003]: `\\q` is not an escape",
            " --> t.valk:3:10",
            "  |",
            "3 | (print \"a\\qb\")",
            "  |          ^^ not an escape",
            "  |",
            "  = note: read as written",
            "  = help: write `\\\\` for a backslash",
        ]);
        assert_eq!(render_plain(&diagnostic, &sources), expected);
    }
}

valk_harness::test! {
    fn two_labels_on_one_line() {
        let (sources, file) = one_file(b"(list 1 2}");
        let diagnostic = Diagnostic::error(Code::MismatchedCloser, "expected `)`, found `}`")
            .primary(Span::new(file, 9, 10), "wrong bracket")
            .secondary(Span::new(file, 0, 1), "the list begins here");
        let expected = lines(&[
            "error[E0006]: expected `)`, found `}`",
            " --> t.valk:1:10",
            "  |",
            "1 | (list 1 2}",
            "  | -        ^ wrong bracket",
            "  | the list begins here",
        ]);
        assert_eq!(render_plain(&diagnostic, &sources), expected);
    }
}

valk_harness::test! {
    fn three_labels_on_one_line_are_joined_by_bars() {
        let (sources, file) = one_file(b"aa bb cc dd");
        let diagnostic = Diagnostic::warning(Code::RuntimeError, "m")
            .secondary(Span::new(file, 0, 2), "first")
            .primary(Span::new(file, 3, 5), "second")
            .secondary(Span::new(file, 6, 8), "")
            .secondary(Span::new(file, 9, 11), "fourth");
        let expected = lines(&[
            "warning[E0030]: m",
            " --> t.valk:1:4",
            "  |",
            "1 | aa bb cc dd",
            "  | -- ^^ -- -- fourth",
            "  | |  second",
            "  | first",
        ]);
        assert_eq!(render_plain(&diagnostic, &sources), expected);
    }
}

valk_harness::test! {
    fn labels_at_one_place_keep_all_texts_and_the_primary_stroke() {
        let (sources, file) = one_file(b"abcdef");
        let diagnostic = Diagnostic::error(Code::RuntimeError, "m")
            .secondary(Span::new(file, 0, 6), "outer")
            .secondary(Span::new(file, 2, 3), "same place")
            .primary(Span::new(file, 2, 3), "inner");
        let expected = lines(&[
            "error[E0030]: m",
            " --> t.valk:1:3",
            "  |",
            "1 | abcdef",
            "  | --^--- inner",
            "  | | same place",
            "  | outer",
        ]);
        assert_eq!(render_plain(&diagnostic, &sources), expected);
    }
}

valk_harness::test! {
    fn lines_far_apart_and_a_wide_gutter() {
        let text = "x\n".repeat(9) + "last";
        let (sources, file) = one_file(text.as_bytes());
        let diagnostic = Diagnostic::error(Code::EndInList, "m")
            .primary(Span::new(file, 22, 22), "end")
            .secondary(Span::new(file, 0, 1), "begin")
            .secondary(Span::new(file, 2, 3), "next");
        let expected = lines(&[
            "error[E0001]: m",
            "  --> t.valk:10:5",
            "   |",
            " 1 | x",
            "   | - begin",
            " 2 | x",
            "   | - next",
            "...",
            "10 | last",
            "   |     ^ end",
        ]);
        assert_eq!(render_plain(&diagnostic, &sources), expected);
    }
}

valk_harness::test! {
    fn spans_over_several_lines_mark_both_ends() {
        let expected = lines(&[
            "error[E0004]: headline",
            " --> t.valk:1:3",
            "  |",
            "1 | a (b",
            "  |   ^^",
            "...",
            "3 |   d) e",
            "  |   ^^ this form",
        ]);
        assert_eq!(rendered(b"a (b\n c\n  d) e", 2, 12, "this form"), expected);
    }
}

valk_harness::test! {
    fn span_with_its_final_newline_stays_on_its_line() {
        let expected = lines(&[
            "error[E0004]: headline",
            " --> t.valk:1:1",
            "  |",
            "1 | ab",
            "  | ^^ all",
        ]);
        assert_eq!(rendered(b"ab\ncd", 0, 3, "all"), expected);
    }
}

valk_harness::test! {
    fn last_line_of_blanks_is_marked() {
        let expected = lines(&[
            "error[E0004]: headline",
            " --> t.valk:1:1",
            "  |",
            "1 | ab",
            "  | ^^",
            "2 |",
            "  | ^^ end",
        ]);
        assert_eq!(rendered(b"ab\n  ", 0, 5, "end"), expected);
    }
}

valk_harness::test! {
    fn empty_file_and_end_of_file() {
        let empty = lines(&["error[E0004]: headline", " --> t.valk:1:1", "  |", "1 |", "  | ^ x"]);
        assert_eq!(rendered(b"", 0, 0, "x"), empty);
        let end = lines(&["error[E0004]: headline", " --> t.valk:2:1", "  |", "2 |", "  | ^ x"]);
        assert_eq!(rendered(b"ab\n", 3, 3, "x"), end);
        assert_eq!(rendered(b"ab\n", 300, 400, "x"), end, "past the end is the end");
        assert_eq!(rendered(b"ab\n", 3, 1, "x"), end, "a span that ends before it starts");
    }
}

valk_harness::test! {
    fn tabs_wide_and_combining_characters_keep_marks_aligned() {
        let expected = lines(&[
            "error[E0004]: headline",
            " --> t.valk:1:8",
            "  |",
            "1 | a   b   漢e\u{301}x",
            "  |            ^ here",
        ]);
        assert_eq!(rendered("a\tb\t漢e\u{301}x".as_bytes(), 10, 11, "here"), expected);
    }
}

valk_harness::test! {
    fn controls_and_undecodable_bytes_are_escaped() {
        let expected = lines(&[
            "error[E0004]: headline",
            " --> t.valk:1:4",
            "  |",
            "1 | \\u{1b}\\xFF\\u{202e}x",
            "  |                   ^ here",
        ]);
        assert_eq!(rendered("\u{1b}\0\u{202e}x".replace('\0', "?").as_bytes(), 5, 6, "here"), lines(&[
            "error[E0004]: headline",
            " --> t.valk:1:4",
            "  |",
            "1 | \\u{1b}?\\u{202e}x",
            "  |                ^ here",
        ]));
        assert_eq!(rendered(b"\x1b\xff\xe2\x80\xaex", 5, 6, "here"), expected);
    }
}

valk_harness::test! {
    fn messages_from_outside_cannot_drive_the_terminal() {
        let diagnostic = Diagnostic::error(Code::RuntimeError, "a\x1b[2Jb\nsecond\tline")
            .note("n\u{9b}1\nn2")
            .help("h\r");
        let expected = lines(&[
            "error[E0030]: a\\u{1b}[2Jb",
            "    second\\tline",
            "  = note: n\\u{9b}1",
            "          n2",
            "  = help: h\\r",
        ]);
        assert_eq!(render_plain(&diagnostic, &SourceMap::new()), expected);
    }
}

valk_harness::test! {
    fn labels_of_other_files_follow_the_main_one() {
        let mut sources = SourceMap::new();
        let first = sources.add("a.valk", *b"one");
        let second = sources.add("b.valk", *b"two\nthree");
        let diagnostic = Diagnostic::new(Severity::Info, Code::RuntimeError, "m")
            .secondary(Span::new(first, 0, 3), "called here")
            .secondary(Span::point(FileId::UNKNOWN, 7), "unseen")
            .primary(Span::new(second, 4, 9), "raised here")
            .secondary(Span::new(second, 0, 3), "also");
        let expected = lines(&[
            "info[E0030]: m",
            " --> b.valk:2:1",
            "  |",
            "1 | two",
            "  | --- also",
            "2 | three",
            "  | ^^^^^ raised here",
            " ::: a.valk:1:1",
            "  |",
            "1 | one",
            "  | --- called here",
        ]);
        assert_eq!(render_plain(&diagnostic, &sources), expected);
    }
}

valk_harness::test! {
    fn calls_and_causes_stand_below_the_excerpt() {
        let (sources, file) = one_file(b"ab\ncd");
        let span = |start| Some(Span::new(file, start, start + 1));
        let call = |name: &str, span| Call { name: name.into(), span };
        let mut diagnostic = Diagnostic::error(Code::RuntimeError, "m")
            .primary(Span::new(file, 0, 1), "here")
            .note("n");
        diagnostic.calls = vec![
            call("f", span(0)),
            call("g", span(1)),
            call("g", span(1)),
            call("g", span(3)),
            call("h\x1b", None),
        ];
        diagnostic.causes = vec![
            Cause { code: Code::FileNotFound, message: "first\nsecond".into(), span: None },
            Cause { code: Code::RuntimeError, message: "earlier".into(), span: span(4) },
        ];
        let expected = lines(&[
            "error[E0030]: m",
            " --> t.valk:1:1",
            "  |",
            "1 | ab",
            "  | ^ here",
            "  |",
            "  = calls: f (t.valk:1:1)",
            "           called from g (t.valk:1:2), 2 times",
            "           called from g (t.valk:2:1)",
            "           called from h\\u{1b}",
            "  = cause: E0020: first",
            "           second",
            "  = cause: E0030: earlier (t.valk:2:2)",
            "  = note: n",
        ]);
        assert_eq!(render_plain(&diagnostic, &sources), expected);
    }
}

valk_harness::test! {
    fn without_a_primary_label_the_first_one_leads() {
        let (sources, file) = one_file(b"ab");
        let diagnostic = Diagnostic::error(Code::RuntimeError, "m")
            .secondary(Span::new(file, 1, 2), "b");
        assert!(render_plain(&diagnostic, &sources).contains("--> t.valk:1:2\n"));
    }
}

valk_harness::test! {
    fn colour_wraps_the_same_text() {
        let (sources, file) = one_file(b"(list 1 2}");
        let mut diagnostic = Diagnostic::error(Code::MismatchedCloser, "expected `)`, found `}`")
            .primary(Span::new(file, 9, 10), "wrong bracket")
            .secondary(Span::new(file, 0, 1), "")
            .note("n")
            .help("h");
        let coloured = render_ansi(&diagnostic, &sources);
        assert!(coloured.starts_with("\x1b[1;31merror[E0006]\x1b[0m\x1b[1m: \x1b[0m"), "{coloured:?}");
        assert!(coloured.contains("\x1b[1;34m-\x1b[0m        \x1b[1;31m^\x1b[0m"), "{coloured:?}");
        assert!(coloured.contains("\x1b[1;36mhelp\x1b[0m: h\n"), "{coloured:?}");
        let stripped: String = coloured
            .split('\x1b')
            .enumerate()
            .map(|(index, piece)| if index == 0 { piece } else { piece.split_once('m').unwrap().1 })
            .collect();
        let trimmed: String =
            stripped.lines().flat_map(|line| [line.trim_end(), "\n"]).collect();
        assert_eq!(trimmed, render_plain(&diagnostic, &sources));

        diagnostic.severity = Severity::Warning;
        assert!(render_ansi(&diagnostic, &sources).starts_with("\x1b[1;33mwarning"));
        diagnostic.severity = Severity::Info;
        assert!(render_ansi(&diagnostic, &sources).starts_with("\x1b[1;36minfo"));
    }
}
