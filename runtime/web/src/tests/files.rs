//! Which files are given, with which conditions and ranges, and which never are.

use crate::files::{Answer, Asked, answer};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

/// A directory of its own, removed at the end.
struct Root(PathBuf);

impl Root {
    fn new() -> Root {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("valk-web-files-{}-{number}", std::process::id());
        let outside = std::env::temp_dir().join(name);
        let root = outside.join("root");
        std::fs::create_dir_all(root.join("sub")).expect("a directory");
        std::fs::create_dir(root.join("empty")).expect("a directory");
        for (path, text) in [
            ("secret.txt", "secret"),
            ("root/a.txt", "0123456789"),
            ("root/none", ""),
            ("root/b c.HTML", "<p>"),
            ("root/.hidden", "hidden"),
            ("root/sub/index.html", "index"),
        ] {
            std::fs::write(outside.join(path), text).expect("a file");
        }
        #[cfg(unix)]
        for (name, target) in [("out", "../secret.txt"), ("in", "a.txt")] {
            std::os::unix::fs::symlink(target, root.join(name)).expect("a link");
        }
        Root(root)
    }

    fn ask(&self, path: &str, adjust: impl FnOnce(&mut Asked)) -> Answer {
        let mut asked =
            Asked { path: path.to_owned(), seen_path: format!("/m{path}"), ..Asked::default() };
        adjust(&mut asked);
        answer(&self.0, &asked)
    }

    fn get(&self, path: &str) -> (u16, String) {
        let answer = self.ask(path, |_| {});
        (answer.status, String::from_utf8_lossy(&answer.body).into_owned())
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        let outside = self.0.parent().expect("it has one");
        // Left to the system where it cannot be removed.
        let _ = std::fs::remove_dir_all(outside);
    }
}

/// Sets what a request asks.
type Adjust<'a> = Box<dyn Fn(&mut Asked) + 'a>;

fn field<'a>(answer: &'a Answer, name: &str) -> Option<&'a str> {
    answer.fields.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
}

valk_harness::test! {
    fn files_below_the_root_are_given_and_nothing_else() {
        let root = Root::new();
        let found = |text: &str| (200, text.to_owned());
        assert_eq!(root.get("/a.txt"), found("0123456789"));
        assert_eq!(root.get("/a.txt?query"), found("0123456789"));
        assert_eq!(root.get("/b%20c.HTML"), found("<p>"));
        assert_eq!(root.get("/none"), found(""));
        assert_eq!(root.get("/sub/"), found("index"));
        assert_eq!(root.get("/sub/index.html"), found("index"));
        assert_eq!(root.get("/in"), found("0123456789"));
        for path in [
            "/", "/empty/", "/a.txt/", "/missing", "/../secret.txt", "/%2e%2e/secret.txt", "/..%2fsecret.txt",
            "/sub/../../secret.txt", "/.hidden", "/./a.txt", "//a.txt", "/sub//index.html", "/out", "/a.txt%00",
            "/%zz", "/sub%5c..%5ca.txt", "a.txt", "/C:/a", "/sub%2findex.html",
        ] {
            assert_eq!(root.get(path).0, 404, "{path}");
        }
        let moved = root.ask("/sub?x=y", |_| {});
        assert_eq!((moved.status, field(&moved, "location")), (308, Some("/m/sub/?x=y")));
        let moved = root.ask("/sub", |asked| asked.seen_path = "//host/sub?q".to_owned());
        assert_eq!(field(&moved, "location"), Some("/host/sub/?q"));
        assert_eq!(answer(Path::new("/nowhere/at/all"), &Asked::default()).status, 404);
    }

    fn a_file_is_described() {
        let root = Root::new();
        let whole = root.ask("/a.txt", |_| {});
        assert_eq!(field(&whole, "content-type"), Some("text/plain; charset=utf-8"));
        assert_eq!(field(&whole, "accept-ranges"), Some("bytes"));
        assert!(field(&whole, "etag").is_some_and(|tag| tag.starts_with('"') && tag.ends_with("-a\"")));
        let html = root.ask("/b%20c.HTML", |_| {});
        assert_eq!(field(&html, "content-type"), Some("text/html; charset=utf-8"));
        let none = root.ask("/none", |_| {});
        assert_eq!(field(&none, "content-type"), Some("application/octet-stream"));
        let head = root.ask("/a.txt", |asked| asked.is_head = true);
        assert_eq!((head.status, head.body.len(), field(&head, "content-length")), (200, 0, Some("10")));
    }

    fn conditions_are_looked_at_in_their_order() {
        let root = Root::new();
        let whole = root.ask("/a.txt", |_| {});
        let tag = field(&whole, "etag").expect("a tag").to_owned();
        let date = field(&whole, "last-modified").expect("a date").to_owned();
        let weak = format!("\"x\", W/{tag}");
        let old = "Thu, 01 Jan 1970 00:00:00 GMT";
        let cases: Vec<(u16, Adjust<'_>)> = vec![
            (304, Box::new(|a| a.if_none_match = Some(tag.clone()))),
            (304, Box::new(|a| a.if_none_match = Some(weak.clone()))),
            (304, Box::new(|a| a.if_none_match = Some("*".to_owned()))),
            (200, Box::new(|a| a.if_none_match = Some("\"x\"".to_owned()))),
            (304, Box::new(|a| a.if_modified_since = Some(date.clone()))),
            (200, Box::new(|a| a.if_modified_since = Some(old.to_owned()))),
            (200, Box::new(|a| a.if_modified_since = Some("yesterday".to_owned()))),
            (200, Box::new(|a| {
                a.if_none_match = Some("\"x\"".to_owned());
                a.if_modified_since = Some(date.clone());
            })),
            (412, Box::new(|a| a.if_match = Some("\"x\"".to_owned()))),
            (412, Box::new(|a| a.if_match = Some(weak.clone()))),
            (200, Box::new(|a| a.if_match = Some(tag.clone()))),
            (412, Box::new(|a| a.if_unmodified_since = Some(old.to_owned()))),
            (200, Box::new(|a| a.if_unmodified_since = Some(date.clone()))),
        ];
        for (number, (status, adjust)) in cases.iter().enumerate() {
            let answer = root.ask("/a.txt", adjust);
            assert_eq!(answer.status, *status, "case {number}");
            assert_eq!(answer.body.is_empty(), *status != 200);
            assert_eq!(field(&answer, "etag"), Some(tag.as_str()));
        }
    }

    fn ranges_are_parts() {
        let root = Root::new();
        let whole = root.ask("/a.txt", |_| {});
        let tag = field(&whole, "etag").expect("a tag");
        for (range, status, body, told) in [
            ("bytes=0-3", 206, "0123", Some("bytes 0-3/10")),
            ("bytes=3-", 206, "3456789", Some("bytes 3-9/10")),
            ("bytes=8-99", 206, "89", Some("bytes 8-9/10")),
            ("bytes=-3", 206, "789", Some("bytes 7-9/10")),
            ("bytes=-99", 206, "0123456789", Some("bytes 0-9/10")),
            ("bytes=10-", 416, "", Some("bytes */10")),
            ("bytes=-0", 416, "", Some("bytes */10")),
            ("bytes=99999999999999999999-", 416, "", Some("bytes */10")),
            ("bytes=5-3", 200, "0123456789", None),
            ("bytes=0-1,3-4", 200, "0123456789", None),
            ("bytes=a-b", 200, "0123456789", None),
            ("bytes=-", 200, "0123456789", None),
            ("bytes=x-", 200, "0123456789", None),
            ("lines=0-3", 200, "0123456789", None),
        ] {
            let answer = root.ask("/a.txt", |asked| asked.range = Some(range.to_owned()));
            assert_eq!((answer.status, &answer.body[..]), (status, body.as_bytes()), "{range}");
            assert_eq!(field(&answer, "content-range"), told, "{range}");
        }
        let ranged = |if_range: &str| {
            let adjust = |asked: &mut Asked| {
                asked.range = Some("bytes=0-3".to_owned());
                asked.if_range = Some(if_range.to_owned());
            };
            root.ask("/a.txt", adjust).status
        };
        assert_eq!((ranged(tag), ranged("\"x\"")), (206, 200));
    }

    fn of_a_large_file_there_are_ranges_only() {
        let root = Root::new();
        let file = std::fs::File::create(root.0.join("large")).expect("a file");
        file.set_len(crate::files::FILE_BYTES_MAX + 1).expect("a hole");
        assert_eq!(root.get("/large").0, 501);
        let part = root.ask("/large", |asked| asked.range = Some("bytes=-2".to_owned()));
        assert_eq!((part.status, &part.body[..]), (206, &[0, 0][..]));
    }
}
