//! The JSON form, field by field.

use super::one_file;
use crate::{Call, Cause, Code, Diagnostic, FileId, SourceMap, Span, render_json};
use serde_json::{Value, json};

fn parsed(diagnostic: &Diagnostic, sources: &SourceMap) -> Value {
    let text = render_json(diagnostic, sources);
    assert!(!text.contains('\n'), "{text}");
    serde_json::from_str(&text).unwrap()
}

valk_harness::test! {
    fn all_fields_are_there() {
        let (sources, file) = one_file("é(\n1 2}".as_bytes());
        let mut diagnostic = Diagnostic::error(Code::MismatchedCloser, "expected `)`,\nfound `}`")
            .secondary(Span::new(file, 2, 3), "begins here")
            .primary(Span::new(file, 7, 8), "wrong")
            .note("a \"note\"")
            .help("write `)`");
        let span = |start, end| Some(Span::new(file, start, end));
        diagnostic.calls = vec![
            Call { name: "f".into(), span: span(4, 5) },
            Call { name: "<top level>".into(), span: None },
        ];
        diagnostic.causes =
            vec![Cause { code: Code::RuntimeError, message: "earlier".into(), span: span(0, 2) }];
        let expected = json!({
            "code": "E0006", "name": "mismatched-closer", "severity": "error",
            "message": "expected `)`,\nfound `}`",
            "file": "t.valk", "line": 2, "column": 4, "end_line": 2, "end_column": 5,
            "labels": [
                {
                    "file": "t.valk", "line": 1, "column": 2, "end_line": 1, "end_column": 3,
                    "message": "begins here", "primary": false,
                },
                {
                    "file": "t.valk", "line": 2, "column": 4, "end_line": 2, "end_column": 5,
                    "message": "wrong", "primary": true,
                },
            ],
            "calls": [
                {
                    "file": "t.valk", "line": 2, "column": 1, "end_line": 2, "end_column": 2,
                    "name": "f",
                },
                {
                    "file": null, "line": null, "column": null, "end_line": null,
                    "end_column": null, "name": "<top level>",
                },
            ],
            "causes": [
                {
                    "file": "t.valk", "line": 1, "column": 1, "end_line": 1, "end_column": 2,
                    "code": "E0030", "name": "runtime-error", "message": "earlier",
                },
            ],
            "notes": ["a \"note\""],
            "help": "write `)`",
        });
        assert_eq!(parsed(&diagnostic, &sources), expected);
    }
}

valk_harness::test! {
    fn without_a_place_the_place_is_null() {
        let diagnostic = Diagnostic::warning(Code::Usage, "m");
        let expected = json!({
            "code": "E0040", "name": "usage", "severity": "warning", "message": "m",
            "file": null, "line": null, "column": null, "end_line": null, "end_column": null,
            "labels": [], "calls": [], "causes": [], "notes": [], "help": null,
        });
        assert_eq!(parsed(&diagnostic, &SourceMap::new()), expected);
    }
}

valk_harness::test! {
    fn unknown_files_are_null_too() {
        let diagnostic = Diagnostic::error(Code::EndOfInput, "m")
            .primary(Span::point(FileId::UNKNOWN, 3), "here");
        let value = parsed(&diagnostic, &SourceMap::new());
        assert_eq!(value["file"], Value::Null);
        assert_eq!(value["line"], Value::Null);
        assert_eq!(value["labels"][0]["message"], "here");
    }
}
