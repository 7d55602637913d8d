//! What is asked, byte for byte, and what the answers must be.

use std::sync::atomic::Ordering;

use crate::recording::error_kind::ErrorKind;
use crate::requests::checks::{BodyCheck, Checks};
use crate::requests::template::parse_headers;

use super::servers::{load, start};

const SHORT: &[&str] = &["--duration", "100ms", "--rate", "50", "--connections", "1"];

valk_harness::test! {
    fn method_fields_and_body_arrive() {
        let server = start();
        let flags = [
            "--path", "/echo", "-X", "PUT", "-H", "x-trace: a b", "-H", ":authority: name.test:7",
            "-H", "accept: text/html", "-d", "hello",
        ];
        let outcome = load("steady", &server.base, &[SHORT, &flags].concat());
        assert_eq!(outcome.code, 0, "{}{}", outcome.out, outcome.err);
        let heads = server.seen.heads.lock().unwrap();
        let (method, authority, fields) = &heads[0];
        assert_eq!((method.as_str(), authority.as_str()), ("PUT", "name.test:7"));
        assert_eq!(fields["x-trace"], "a b");
        assert_eq!(fields["accept"], "text/html");
        assert_eq!(server.seen.posted.load(Ordering::SeqCst), 5 * heads.len());
        assert_eq!(outcome.json()["config"]["method"], "PUT");
    }
}

valk_harness::test! {
    fn a_json_body_is_checked_and_labelled() {
        let server = start();
        let flags = ["--path", "/echo", "--data-json", "{\"a\":1}"];
        load("steady", &server.base, &[SHORT, &flags].concat());
        let heads = server.seen.heads.lock().unwrap();
        assert_eq!((heads[0].0.as_str(), &heads[0].2["content-type"]), ("POST", &"application/json".parse().unwrap()));
        let outcome = load("steady", &server.base, &["--data-json", "{a:1}"]);
        assert_eq!(outcome.code, 2);
        assert!(outcome.err.contains("--data-json is not JSON"), "{}", outcome.err);
    }
}

valk_harness::test! {
    fn answers_are_checked() {
        let server = start();
        for (flags, kind) in [
            (&["--expect-contains", "hell"][..], None),
            (&["--expect-contains", "world"], Some("check: contains")),
            (&["--expect-bytes", "5"], None),
            (&["--expect-bytes", "6"], Some("check: size")),
            (&["--expect-status", "2xx"], None),
            (&["--expect-status", "201-204,404"], Some("status-200")),
            (&["--expect-status", "503", "--path", "/overloaded"], None),
        ] {
            let json = load("steady", &server.base, &[SHORT, flags].concat()).json();
            let group = &json["groups"]["steady"];
            match kind {
                None => assert_eq!(group["ok"], 5, "{flags:?} {group:#}"),
                Some(kind) => assert_eq!(group["errors_by_kind"][kind], 5, "{flags:?} {group:#}"),
            }
        }
        let json = load("steady", &server.base, &[SHORT, &["--path", "/moved"]].concat()).json();
        assert_eq!(json["groups"]["steady"]["redirects"], 5);
        let flags = ["--users", "1", "--duration", "1s", "--think", "50ms", "--path", "/moved"];
        let json = load("browse", &server.base, &flags).json();
        assert_eq!(json["groups"]["users"]["redirects"], json["groups"]["users"]["ok"]);
    }
}

valk_harness::test! {
    fn paths_leave_byte_for_byte() {
        let server = start();
        for path in ["//127.0.0.2:19202/hit", "/\\127.0.0.2/hit", "/a/../b/./c", "/%7Euser?q=%20&r=//x", "/{x}|y"] {
            let outcome = load("steady", &server.base, &[SHORT, &["--path", path]].concat());
            assert_eq!(outcome.code, 0, "{path}: {}{}", outcome.out, outcome.err);
            assert_eq!(server.seen.paths.lock().unwrap().last().unwrap(), path);
        }
        // A path that ends like a weight has one.
        load("steady", &server.base, &[SHORT, &["--path", "/x=3=1"]].concat());
        assert_eq!(server.seen.paths.lock().unwrap().last().unwrap(), "/x=3");
    }
}

valk_harness::test! {
    fn a_text_is_found_across_parts() {
        let checks = Checks { contains: Some(b"needle".to_vec()), ..Checks::default() };
        let mut check = BodyCheck::default();
        for part in [&b"hay nee"[..], b"d", b"le hay"] {
            check.feed(&checks, part);
        }
        assert_eq!((check.verdict(&checks, 200), check.bytes()), (None, 14));
        check.reset();
        check.feed(&checks, b"needl");
        assert_eq!(check.verdict(&checks, 200), Some(ErrorKind::Contains));
        assert_eq!(check.verdict(&checks, 500), Some(ErrorKind::Status(500)));
        let empty = Checks { contains: Some(Vec::new()), ..Checks::default() };
        assert_eq!(BodyCheck::default().verdict(&empty, 200), None);
    }
}

valk_harness::test! {
    fn senseless_requests_are_refused() {
        for (flags, why) in [
            (&["-H", "novalue"][..], "write it as `name: value`"),
            (&["-H", ":path: /x"], "only :authority"),
            (&["-H", "Transfer-Encoding: chunked"], "HTTP/2 does not have this field"),
            (&["-H", "b ad: x"], "not a name of a field"),
            (&["-H", "x: a\nb"], "not a value of a field"),
            (&["-X", "GE T"], "is not a method"),
            (&["-X", "CONNECT"], "is not a method to send"),
            (&["-d", "a", "--data-json", "1"], "cannot be used with"),
            (&["--expect-status", "20"], "is not a status"),
            (&["--expect-status", "300-200"], "is not a status"),
            (&["--expect-status", "9xx"], "is not a status"),
        ] {
            let outcome = load("steady", "http://127.0.0.1:1", flags);
            assert_eq!(outcome.code, 2, "{flags:?}: {}", outcome.err);
            assert!(outcome.err.contains(why), "{flags:?}: {}", outcome.err);
        }
        let outcome = load("steady", "http://127.0.0.1:1", &["--data-file", "/nowhere/body"]);
        assert_eq!(outcome.code, 1);
        assert!(outcome.err.contains("cannot read /nowhere/body"), "{}", outcome.err);
        let many = ["-H", "a: b"].repeat(101);
        assert!(load("steady", "http://127.0.0.1:1", &many).err.contains("101 headers; at most 100"));
        let host = parse_headers(&["Host: other".to_string()]).unwrap();
        assert_eq!(host.1.as_deref(), Some("other"));
    }
}
