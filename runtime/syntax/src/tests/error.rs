//! Error values as programs see them, and reports as people see them.

use super::{FILE, forms, read, report};
use crate::{ReadError, ReadErrorKind, Utf8Problem, check_utf8, read_all, read_one};
use valk_diagnostics::{Code, SOURCE_BYTES_MAX, SourceMap, Span, render_plain};

fn error(source: &[u8]) -> ReadError {
    let error = read(source).error.expect("the text has an error");
    assert_eq!(error.to_string(), error.legacy);
    error
}

fn legacy(source: &str) -> String {
    error(source.as_bytes()).legacy
}

valk_harness::test! {
    fn texts_of_the_specification() {
        for (source, expected) in [
            ("'", "Unexpected  end of input"),
            ("` ;c", "Unexpected  end of input"),
            ("(a ,@ ", "Unexpected  end of input"),
            ("(1 2", "[offset: 4] Unexpected end of input reading expr, while looking for `)`"),
            ("{1", "[offset: 2] Unexpected end of input reading expr, while looking for `}`"),
            ("({ ;x", "[offset: 5] Unexpected end of input reading expr, while looking for `}`"),
            ("(+ 1", "[offset: 4] Unexpected end of input reading expr, while looking for `)`"),
            ("(", "[offset: 1] Unexpected end of input reading expr, while looking for `)`"),
            ("\"abc", "Unexpected  end of input at string literal"),
            ("(a \"", "Unexpected  end of input at string literal"),
            ("\"abc\\", "Unexpected end of input after escape character"),
            ("\"a\\qb\"", "Invalid escape character \\q"),
            ("\"\\0\"", "Invalid escape character \\0"),
            ("\"\\é\"", "Invalid escape character \\é"),
            ("(\"\\ {x}\" oops", "Invalid escape character \\ "),
            ("@", "[offset: 0] Unexpected character @"),
            ("(1 2}", "[offset: 4] Unexpected character }"),
            ("{1 2)", "[offset: 4] Unexpected character )"),
            (" )", "[offset: 1] Unexpected character )"),
            ("}", "[offset: 0] Unexpected character }"),
            ("(a ')", "[offset: 4] Unexpected character )"),
            ("a.b", "[offset: 1] Unexpected character ."),
            ("\x0c", "[offset: 0] Unexpected character \x0c"),
            ("(€", "[offset: 1] Unexpected character €"),
            ("a\0b", "[offset: 1] Unexpected character \0"),
            ("9223372036854775808", "Invalid number format 9223372036854775808"),
            ("-9223372036854775809", "Invalid number format -9223372036854775809"),
        ] {
            assert_eq!(legacy(source), expected, "{source:?}");
            if !source.starts_with('a') {
                assert_eq!(read_one(FILE, source.as_bytes()).unwrap_err().legacy, expected);
            }
        }
    }
}

valk_harness::test! {
    fn bytes_that_are_not_utf8_have_their_own_error() {
        for (source, offset, len, byte) in [
            (&b"(a \xff)"[..], 3, 1, 0xff),
            (b"\"ab\xe2\x82\"", 3, 2, 0xe2),
            (b"\"\\\xc3\"", 2, 1, 0xc3),
            (b"\"\xf0\x9d\x84", 1, 3, 0xf0),
            (b"x\xe9", 1, 1, 0xe9),
        ] {
            let error = error(source);
            assert_eq!(error.kind, ReadErrorKind::InvalidUtf8(byte), "{source:?}");
            assert_eq!(error.code(), Code::NotUtf8);
            assert_eq!(error.span, Span::new(FILE, offset, offset + len));
            let expected = format!("[offset: {offset}] Byte 0x{byte:02X} is not valid UTF-8");
            assert_eq!(error.legacy, expected);
        }
    }
}

valk_harness::test! {
    fn comments_may_hold_any_byte_for_the_reader_but_not_for_files() {
        let source = b"; \xe2\x82\n(a)";
        assert!(read(source).error.is_none());
        let problem = check_utf8(source).unwrap_err();
        assert_eq!(problem, Utf8Problem { offset: 2, byte: 0xe2, len: 2 });
        assert_eq!(problem.to_string(), "[offset: 2] Byte 0xE2 is not valid UTF-8");
        assert_eq!(check_utf8("é".as_bytes()), Ok("é"));
        let cut = check_utf8(b"ab\xf0\x9d").unwrap_err();
        assert_eq!((cut.offset, cut.len), (2, 2), "the text ends inside a sequence");

        let mut sources = SourceMap::new();
        let file = sources.add("t.valk", *source);
        let expected = "\
error[E0010]: byte 0xE2 at offset 2 is not valid UTF-8
 --> t.valk:1:3
  |
1 | ; \\xE2\\x82
  |   ^^^^^^^^ cannot be decoded
  |
  = help: save the file in the UTF-8 encoding
";
        assert_eq!(render_plain(&problem.diagnostic(file), &sources), expected);
    }
}

valk_harness::test! {
    fn too_large_a_source_is_refused_unread() {
        // Zeroed memory is not touched before the length is checked.
        let source = vec![0_u8; SOURCE_BYTES_MAX + 1];
        let reading = read(&source);
        assert!(reading.roots.is_empty() && reading.tree.nodes.is_empty() && reading.steps == 0);
        let error = reading.error.unwrap();
        assert_eq!(error.kind, ReadErrorKind::SourceTooLarge { bytes: SOURCE_BYTES_MAX + 1 });
        assert_eq!(error.legacy, "Source of 2147483648 bytes is longer than 2147483647");
        assert_eq!(read_one(FILE, &source), Err(error.clone()));
        assert_eq!(crate::balance(&source), crate::Balance::Broken);
        assert!(crate::highlight(&source).is_empty());
        let expected = "\
error[E0011]: 2147483648 bytes of source; the reader takes 2147483647
  = help: split the source into several files
";
        assert_eq!(render_plain(&error.diagnostic(), &SourceMap::new()), expected);
    }
}

valk_harness::test! {
    fn report_end_in_list() {
        assert_eq!(report(b"(def {f}\n  (g 1)"), "\
error[E0001]: expected `)`, found the end of the input
 --> t.valk:2:8
  |
1 | (def {f}
  | - this list is not closed
2 |   (g 1)
  |        ^ the input ends here
  |
  = help: add the missing `)`
");
    }
}

valk_harness::test! {
    fn report_end_in_list_names_the_place_where_the_bracket_is_likely_missing() {
        assert_eq!(report(b"(def {f} (\\ {x} {\n  (g x)})\n(def {h} 1)\n(k"), "\
error[E0001]: expected `)`, found the end of the input
 --> t.valk:4:3
  |
1 | (def {f} (\\ {x} {
  | - the outermost open list
...
3 | (def {h} 1)
  | - begins in the first column, but a list before it is still open
4 | (k
  | - ^ the input ends here
  | this list is not closed
  |
  = help: add the missing `)`
");
    }
}

valk_harness::test! {
    fn suspects_do_not_outlive_their_form() {
        let error = error(b"(a\n(b))\n(c (d");
        assert_eq!(error.suspect, None);
        assert_eq!(error.opener, Some(Span::new(FILE, 11, 12)));
        assert_eq!(error.outermost, Some(Span::new(FILE, 8, 9)));
    }
}

valk_harness::test! {
    fn report_end_in_string() {
        let expected = "\
error[E0002]: expected `\"` at the end of a string, found the end of the input
 --> t.valk:1:8
  |
1 | (print \"abc)
  |        ^ this string is not closed
  |
  = help: add the missing `\"`; write `\\\"` for a quote inside the string
";
        assert_eq!(report(b"(print \"abc)\n(b)"), expected);
        assert_eq!(report(b"(print \"abc)\n(b)\\"), expected);
    }
}

valk_harness::test! {
    fn report_bad_escape() {
        assert_eq!(report(b"(print \"a\\qb\")"), "\
error[E0003]: `\\q` is not an escape
 --> t.valk:1:10
  |
1 | (print \"a\\qb\")
  |        - ^^ not an escape
  |        in this string
  |
  = help: the escapes are \\a \\b \\f \\n \\r \\t \\v \\\\ \\' \\\"; write `\\\\` for a backslash
");
        assert!(report(b"\"(\\ {x} {x})\"").contains("a lambda in a string is `(\\\\ {x} {x})`"));
        assert!(report(b"\"\\x41\"").contains("there are no numeric escapes"));
        assert!(report(b"\"\\\n\"").contains("error[E0003]: `\\\\n` is not an escape\n"));
    }
}

valk_harness::test! {
    fn report_illegal_character() {
        assert_eq!(report("(print “hi”)".as_bytes()), "\
error[E0004]: unexpected character `“` (U+201C)
 --> t.valk:1:8
  |
1 | (print “hi”)
  |        ^ not allowed here
  |
  = help: write strings with straight quotes: \"…\"
");
        for (source, headline, help) in [
            ("a\0", "unexpected character NUL (U+0000)", "is it a text file?"),
            ("[1]", "unexpected character `[`", "lists are written `(…)` or `{…}`"),
            ("x.5", "unexpected character `.`", "digits on both sides of the point"),
            ("x \u{feff}x", "`\\u{feff}` (U+FEFF)", "remove the byte order mark"),
            ("\u{a0}", "(U+00A0)", "use an ordinary space"),
            ("\x0c", "`\\u{c}` (U+000C)", "use an ordinary space"),
            ("$", "unexpected character `$`", "names consist of letters, digits and"),
            ("€", "unexpected character `€` (U+20AC)", "names consist of letters"),
        ] {
            let report = report(source.as_bytes());
            assert!(report.contains(headline) && report.contains(help), "{report}");
        }
    }
}

valk_harness::test! {
    fn report_closers() {
        assert_eq!(report(b"(a))"), "\
error[E0005]: `)` closes nothing
 --> t.valk:1:4
  |
1 | (a))
  |    ^ no list is open here
  |
  = help: remove this `)`, or add the bracket that it should close
");
        assert_eq!(report(b"(list 1 2}"), "\
error[E0006]: expected `)`, found `}`
 --> t.valk:1:10
  |
1 | (list 1 2}
  | -        ^ wrong bracket
  | the list begins here
  |
  = help: write `)` here, or open the list with the other bracket
");
        assert_eq!(report(b"(list ,@)"), "\
error[E0009]: expected an expression after `,@`, found `)`
 --> t.valk:1:9
  |
1 | (list ,@)
  |       --^ expected an expression
  |       this prefix needs an expression
  |
  = help: remove the `,@`, or write what it applies to
");
    }
}

valk_harness::test! {
    fn report_integer_range() {
        assert_eq!(report(b"(f 9223372036854775808)"), "\
error[E0007]: integer `9223372036854775808` does not fit in 64 bits
 --> t.valk:1:4
  |
1 | (f 9223372036854775808)
  |    ^^^^^^^^^^^^^^^^^^^ out of range
  |
  = note: it is above the largest integer; the range is -9223372036854775808 to 9223372036854775807
");
        let long = report(format!("-{}", "9".repeat(5000)).as_bytes());
        let headline = format!("error[E0007]: integer `-{}…` does not", "9".repeat(39));
        assert!(long.starts_with(&headline), "{long}");
        assert!(long.contains("below the smallest"), "{long}");
    }
}

valk_harness::test! {
    fn report_decimals() {
        assert_eq!(report(b"(f 1.2345678901234567890)"), "\
error[E0012]: decimal `1.2345678901234567890` cannot be represented
 --> t.valk:1:4
  |
1 | (f 1.2345678901234567890)
  |    ^^^^^^^^^^^^^^^^^^^^^ out of range
  |
  = note: it has more than 18 digits after the point
");
        let large = report(b"170141183460469231732.0");
        assert!(large.contains("it is outside -170141183460469231731.6"), "{large}");
        assert_eq!(report(b"1.5e3"), "\
error[E0013]: `1.5e3` is no number
 --> t.valk:1:1
  |
1 | 1.5e3
  | ^^^^^ not a number
  |
  = help: decimals are digits, a point and digits; there are no exponents and no suffixes
");
    }
}

valk_harness::test! {
    fn report_end_of_input() {
        assert_eq!(report(b"(a '"), "\
error[E0008]: expected an expression after `'`, found the end of the input
 --> t.valk:1:5
  |
1 | (a '
  |    -^ the input ends here
  |    this prefix needs an expression
");
        let mut sources = SourceMap::new();
        let file = sources.add("t.valk", *b"");
        let error = read_one(file, b"").unwrap_err();
        assert_eq!(render_plain(&error.diagnostic(), &sources), "\
error[E0008]: expected an expression, found the end of the input
 --> t.valk:1:1
  |
1 |
  | ^ the input ends here
");
    }
}

valk_harness::test! {
    fn report_invalid_utf8_in_a_string() {
        assert_eq!(report(b"\"a\xffb\""), "\
error[E0010]: byte 0xFF at offset 2 is not valid UTF-8
 --> t.valk:1:3
  |
1 | \"a\\xFFb\"
  | - ^^^^ cannot be decoded
  | in this string
  |
  = help: save the text in the UTF-8 encoding
");
    }
}

valk_harness::test! {
    fn the_first_error_in_the_text_is_reported() {
        assert_eq!(forms("(\"\\q\" 99999999999999999999 @"), "!Invalid escape character \\q");
        assert_eq!(forms("(99999999999999999999 \"\\q\""),
            "!Invalid number format 99999999999999999999");
        let errors: Vec<u32> = [&b"\xff\""[..], b"\"\xff", b"\"\xff\\q"]
            .iter()
            .map(|source| read_all(FILE, source).error.unwrap().span.start)
            .collect();
        assert_eq!(errors, [0, 1, 1]);
    }
}
