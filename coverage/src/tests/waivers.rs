use super::Tree;
use crate::error::Error;
use crate::waivers::{parse, read};

const GOOD: &str = r#"
# A comment.
[[waiver]]
path = "a.rs"          # another
lines = "3-5"
category = "platform"
reason = "other system"
owner = "vm"
expires = "2027-01-31"

[[waiver]]
path = "b.rs"
"#;

fn refused(text: &str) -> String {
    parse("w.toml", text).unwrap_err().to_string()
}

valk_harness::test! {
    fn fields_are_read() {
        let waivers = parse("w.toml", GOOD).unwrap();
        let [first, second] = waivers.as_slice() else { panic!("{waivers:?}") };
        assert_eq!(first.location(), "a.rs:3-5");
        assert_eq!((first.category.as_str(), first.reason.as_str()), ("platform", "other system"));
        assert_eq!((first.owner.as_str(), first.expires.as_str()), ("vm", "2027-01-31"));
        assert_eq!((first.at_line, second.at_line), (3, 11));
        assert_eq!(second.location(), "b.rs");
        assert!(first.covers(3) && first.covers(5) && !first.covers(6) && second.covers(6));
        assert_eq!(parse("w.toml", "[[waiver]]\nlines = \"7\"").unwrap()[0].lines, Some(7..=7));
    }
}

valk_harness::test! {
    fn typing_errors_stop_the_gate() {
        for (text, expected) in [
            ("path = \"a\"", "w.toml:1: `path` before the first [[waiver]]"),
            ("[[waiver]]\npath \"a\"", "w.toml:2: expected [[waiver]], a comment or key"),
            ("[[waiver]]\npath = a", "expected [[waiver]]"),
            ("[[waiver]]\npath = \"a", "expected [[waiver]]"),
            ("[[waiver]]\npath = \"a\" b", "expected [[waiver]]"),
            ("[[waivers]]", "expected [[waiver]]"),
            ("[[waiver]]\nfile = \"a\"", "unknown key `file`"),
            ("[[waiver]]\npath = \"a\"\npath = \"b\"", "w.toml:3: `path` twice"),
            ("[[waiver]]\npath = \"a\\n\"", "no escapes"),
            ("[[waiver]]\nlines = \"5-3\"", "`5-3` is no line range"),
            ("[[waiver]]\nlines = \"0\"", "`0` is no line range"),
            ("[[waiver]]\nlines = \"x-3\"", "`x-3` is no line range"),
            ("[[waiver]]\nlines = \"3-x\"", "`3-x` is no line range"),
        ] {
            let message = refused(text);
            assert!(message.contains(expected), "{text}: {message}");
        }
    }
}

valk_harness::test! {
    fn the_file_must_exist() {
        let tree = Tree::new(&[("w.toml", GOOD)]);
        assert_eq!(read(&tree.path("w.toml")).unwrap().len(), 2);
        assert!(matches!(read(&tree.path("none.toml")), Err(Error::Read { .. })));
    }
}
