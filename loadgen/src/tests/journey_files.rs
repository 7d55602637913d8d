//! Files of journeys: what they mean, what is wrong with them, and what they would send.

use std::path::{Path, PathBuf};

use crate::journeys::capture::Capture;
use crate::journeys::file::parse;
use crate::journeys::text::Text;

use super::servers::{command, never};

/// A directory of its own with these files.
pub fn directory(name: &str, files: &[(&str, &str)]) -> PathBuf {
    let directory = std::env::temp_dir().join(format!("valk-load-{name}-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    for (name, text) in files {
        std::fs::write(directory.join(name), text).unwrap();
    }
    directory
}

const SHOP: &str = r#"
[variables]
user = ["ann", "bob & co"]
item = { csv = "items.csv", column = "id" }
shop = 7
half = 0.5
lang = { values = ["en"], order = "random" }

[[journey]]
name = "buy"
weight = 3

[[journey.step]]
name = "login"
method = "PUT"
path = "/login?user={{user}}&shop={{ shop }}"
headers = { content-type = "application/json", accept-language = "{{lang}}" }
body = '''{"user": "{{user}}",
"half": {{half}}}'''
expect-status = "200-201,404"
expect-contains = "token"
expect-bytes = "1KiB"
think = "200ms"
capture = { token = { json = "/token" }, id = { regex = 'id=(\d+)' } }

[[journey.step]]
name = "item"
path = "/item/{{item}}/{{id}}"
headers = { authorization = "Bearer {{token}}" }

[[journey]]
[[journey.step]]
name = "post"
path = "/"
body = "{{item}}"
"#;

const ITEMS: &str = "\u{feff}name,id\r\n\"a, \"\"b\"\"\",a/b\r\n\r\nc,\"9\n9\"\n";

fn dry_run(path: &Path, more: &[&str]) -> super::servers::CommandOutput {
    let file = path.to_str().unwrap();
    let base = ["run", "journey", "--target", "http://127.0.0.1:9", "--file", file, "--dry-run"];
    command(&[&base, more].concat(), never())
}

valk_harness::test! {
    fn a_dry_run_shows_what_would_be_sent() {
        let items = ITEMS.replace("9\n9", "99");
        let path = directory("dry-run", &[("shop.toml", SHOP), ("items.csv", &items)]);
        let outcome = dry_run(&path.join("shop.toml"), &["-H", "accept-language: de", "-H", "x-run: 1"]);
        assert_eq!((outcome.code, outcome.err.as_str()), (0, ""));
        let expected = r#"journey buy (weight 3)
  login: PUT http://127.0.0.1:9/login?user=ann&shop=7
    x-run: 1
    content-type: application/json
    accept-language: en
    {"user": "ann",
    "half": 0.5}
    -> status 200-201, status 404, body contains "token", body has 1024 bytes, token = JSON `/token`, id = regular expression `id=(\d+)`, pause 200ms
  item: GET http://127.0.0.1:9/item/a%2Fb/{{id}}
    accept-language: de
    x-run: 1
    authorization: Bearer {{token}}
journey journey-2 (weight 1)
  post: POST http://127.0.0.1:9/
    accept-language: de
    x-run: 1
    99
"#;
        assert_eq!(outcome.out, expected);
    }
}

/// The file with one thing in it changed.
fn changed(from: &str, to: &str) -> String {
    assert!(SHOP.contains(from), "{from}");
    SHOP.replacen(from, to, 1)
}

valk_harness::test! {
    fn errors_name_the_line_and_the_nearest_word() {
        let directory = directory("errors", &[
            ("items.csv", &ITEMS.replace("9\n9", "99")), ("empty.csv", ""), ("names.csv", "id\n"),
            ("open.csv", "id\n\"a\n"), ("short.csv", "name,id\na\n"), ("control.csv", ITEMS),
        ]);
        let long = std::fs::File::create(directory.join("long.csv")).unwrap();
        long.set_len((16 << 20) + 1).unwrap();
        let path = directory.join("shop.toml");
        let step = "[[journey.step]]\nname = \"post\"\npath = \"/\"\nbody = \"{{item}}\"\n";
        for (text, line, message) in [
            (changed("weight = 3", "weight = "), 11, "string values must be quoted"),
            (changed("[variables]", "[varibles]"), 2, "the file has no key `varibles` (did you mean `variables`?); keys: variables, journey"),
            (changed("weight = 3", "wait = 3"), 11, "a journey has no key `wait`; keys: name, weight, step"),
            (changed("weight = 3", "weight = 0"), 11, "`weight` of a journey: `0` is not a number from 1 to 100"),
            (changed("weight = 3", "weight = []"), 11, "`weight` of a journey is text or a number, not array"),
            (changed("[variables]", "variables = 3\n[other]"), 3, "the file has no key `other`"),
            (changed("[\"ann\", \"bob & co\"]", "[]"), 3, "variable `user` has no value"),
            (changed("user = [", "\"us er\" = ["), 3, "a variable cannot be called `us er`; use letters"),
            (changed("user = [", "\"\" = ["), 3, "a variable cannot be called ``"),
            (changed("\"ann\"", "\"a\\n\""), 3, "variable `user` has a control character in \"a\\n\""),
            (changed("\"ann\"", "true"), 3, "`user` of `variables` is text or a number, not boolean"),
            (changed("[\"ann\", \"bob & co\"]", "true"), 3, "`user` of `variables` is text or a number"),
            (changed("\"items.csv\"", "\"control.csv\""), 4, "variable `item` has a control character in \"9\\n9\""),
            (changed("\"items.csv\"", "\"none.csv\""), 4, "none.csv: No such file"),
            (changed("\"items.csv\"", "\"long.csv\""), 4, "long.csv: it has 16777217 bytes; at most 16777216"),
            (changed("\"items.csv\"", "\"empty.csv\""), 4, "the file is empty"),
            (changed("\"items.csv\"", "\"names.csv\""), 4, "there are no lines below the names"),
            (changed("\"items.csv\"", "\"open.csv\""), 4, "line 2: a `\"` is not closed"),
            (changed("\"items.csv\"", "\"short.csv\""), 4, "line 2 has no column `id`"),
            (changed("column = \"id\"", "column = \"ide\""), 4, "no column `ide` (did you mean `id`?); there are name, id"),
            (changed(", column = \"id\"", ""), 4, "variable `item` needs `column` beside `csv`"),
            (changed(", column = \"id\"", ", values = []"), 4, "variable `item` has both `csv` and `values`"),
            (changed("{ values = [\"en\"], order = \"random\" }", "{ order = \"next\" }"), 7, "variable `lang` needs `values`, or `csv` and `column`"),
            (changed("{ values = [\"en\"]", "{ values = \"en\""), 7, "`values` of variable `lang` is an array, not string: write it as [[values]]"),
            (changed("\"random\"", "\"rand\""), 7, "`order` of variable `lang`: `rand` is no order; there are next, random"),
            (changed("name = \"login\"\n", ""), 13, "a step needs a `name`"),
            (changed("\"login\"", "\"journey\""), 14, "a step cannot be called `journey`"),
            (changed("\"login\"", "\"log in\""), 14, "a step cannot be called `log in`"),
            (changed("\"PUT\"", "\"P T\""), 15, "`method` of a step: `P T` is not a method to send"),
            (changed("\"PUT\"", "\"CONNECT\""), 15, "`CONNECT` is not a method to send"),
            (changed("{{user}}&", "{{usr}}&"), 16, "`path` of a step: no value `usr` (did you mean `user`?); it is neither"),
            (changed("{{user}}&", "{{user&"), 16, "`path` of a step: "),
            (changed("{{user}}&", "{{token}}&"), 16, "no value `token`"),
            (changed("\"/login", "\"login"), 16, "`login?user={{user}}&shop={{ shop }}` does not start with `/`"),
            (changed("\"/login", "\"/log in"), 16, "holds characters a URL path cannot have"),
            (changed("\"/login", "\"/#login"), 16, "holds characters a URL path cannot have"),
            (changed("content-type =", "\"content type\" ="), 17, "`content type` is not the name of a header field"),
            (changed("content-type =", "connection ="), 17, "HTTP/2 does not have the field `connection`"),
            (changed("\"application/json\"", "\"a\\nb\""), 17, "`content-type` has a value that no header field can have"),
            (changed("\"application/json\"", "\"{{x}}\""), 17, "no value `x`"),
            (changed("\"application/json\"", "[]"), 17, "`content-type` of `headers` is text or a number"),
            (changed("{ content-type = \"application/json\", accept-language = \"{{lang}}\" }", "7"), 17, "`headers` is a table, not integer"),
            (changed("{{user}}\",\n", "{{usr}}\",\n"), 18, "`body` of a step: no value `usr`"),
            (changed("\"200-201,404\"", "\"2x\""), 20, "`expect-status` of a step: `2x` is not a status"),
            (changed("\"1KiB\"", "\"1KB?\""), 22, "`expect-bytes` of a step"),
            (changed("\"200ms\"", "\"200\""), 23, "`think` of a step"),
            (changed("\"200ms\"", "\"1h\""), 23, "1h is longer than 60 s"),
            (changed("{ json = \"/token\" }", "{ json = \"a.b\" }"), 24, "`a.b` is not a JSON pointer; write it as `/a/b`"),
            (changed("'id=(\\d+)'", "'id=(\\d+'"), 24, "`regex` of capture `id`: "),
            (changed("'id=(\\d+)'", "'(i)d=(\\d+)'"), 24, "has several groups; write `(?:...)` for all but one"),
            (changed("{ json = \"/token\" }", "{ }"), 24, "capture `token` needs `json` or `regex`, one of them"),
            (changed("{ json = \"/token\" }", "{ jason = \"/\" }"), 24, "capture `token` has no key `jason` (did you mean `json`?)"),
            (changed("{ json = \"/token\" }", "3"), 24, "capture `token` is a table, not integer"),
            (changed("capture = { token", "capture = { user"), 24, "`user` is a variable already"),
            (changed("capture = { token", "capture = { \"to ken\""), 24, "a captured value cannot be called `to ken`"),
            (SHOP.replace(step, ""), 31, "a journey has no step; begin one with [[journey.step]]"),
            ("[variables]".to_string(), 1, "the file has no journey; begin one with [[journey]]"),
            ("journey = 3".to_string(), 1, "`journey` of the file is an array, not integer: write it as [[journey]]"),
            ("journey = [3]".to_string(), 1, "a journey is a table, not integer"),
            ("[[journey]]\nstep = [3]".to_string(), 2, "a step is a table, not integer"),
            ("[[journey]]\n[[journey.step]]\nname = \"a\"".to_string(), 2, "a step needs a `path`"),
            ("variables = 3\n[[journey]]".to_string(), 1, "`variables` is a table, not integer"),
            (format!("[[journey]]\n{}", "[[journey.step]]\nname = 1\npath = \"/\"\n".repeat(1_001)), 1, "a journey goes beyond the 1000 steps of a file"),
        ] {
            let error = parse(path.to_str().unwrap(), &text).unwrap_err();
            assert_eq!(error.exit_code(), 2);
            let place = format!("{}:{line}: ", path.display());
            let error = error.to_string();
            assert!(error.starts_with(&place), "{place}{message}: {error}");
            assert!(error.contains(message), "{message}: {error}");
        }
    }
}

valk_harness::test! {
    fn a_file_that_cannot_be_read_is_an_error() {
        let directory = directory("unreadable", &[("latin.toml", "")]);
        std::fs::write(directory.join("latin.toml"), [b'#', 0xe4]).unwrap();
        let long = std::fs::File::create(directory.join("long.toml")).unwrap();
        long.set_len((16 << 20) + 1).unwrap();
        for (name, code, message) in [
            ("none.toml", 1, "none.toml: No such file"),
            ("latin.toml", 1, "latin.toml: stream did not contain valid UTF-8"),
            ("long.toml", 2, "long.toml has 16777217 bytes; at most 16777216"),
        ] {
            let outcome = dry_run(&directory.join(name), &[]);
            assert_eq!(outcome.code, code, "{}", outcome.err);
            assert!(outcome.err.contains(message), "{}", outcome.err);
        }
        let outcome = command(&["run", "journey", "--target", "http://127.0.0.1:9"], never());
        assert_eq!(outcome.code, 2);
        assert!(outcome.err.contains("`journey` needs --file FILE"), "{}", outcome.err);
        let outcome = dry_run(&directory.join("none.toml"), &["--path", "/"]);
        assert!(outcome.err.contains("--path has no effect in `journey`"), "{}", outcome.err);
    }
}

valk_harness::test! {
    fn texts_hold_values_in_their_places() {
        let names = ["a", "b"];
        let number = |name: &str| names.iter().position(|n| *n == name).ok_or_else(|| name.to_string());
        let values = ["x y".into(), "ü/~".into()];
        let text = Text::parse("{{a}}-{{ b }}{{a}}.", number).unwrap();
        assert_eq!(text.render(&values), "x y-ü/~x y.");
        assert_eq!(text.render_path(&values), "x%20y-%C3%BC%2F~x%20y.");
        assert_eq!(Text::parse("{{c}}", number), Err("c".to_string()));
        assert_eq!(Text::parse("a {{a", number), Err("`{{` without `}}` behind it in `a {{a`".to_string()));
        assert!(Text::parse("", number).unwrap().is_empty());
    }
}

valk_harness::test! {
    fn captures_find_their_value_or_nothing() {
        let body = br#"{"a": {"b": "text", "n": 7, "l": [1, null]}} id=42;"#;
        let json = &body[..44];
        let found = |capture: Capture, body: &[u8]| capture.find(body).map(|value| value.to_string());
        let pointer = |pointer: &str| found(Capture::json(pointer).unwrap(), json);
        assert_eq!(pointer("/a/b").as_deref(), Some("text"));
        assert_eq!(pointer("/a/n").as_deref(), Some("7"));
        assert_eq!(pointer("/a/l").as_deref(), Some("[1,null]"));
        assert_eq!(pointer("/a/c"), None);
        assert!(pointer("").unwrap().starts_with("{\"a\":"));
        assert_eq!(found(Capture::json("/a").unwrap(), body), None, "more than one document");
        let regex = |pattern: &str| found(Capture::regex(pattern).unwrap(), body);
        assert_eq!(regex(r"id=(\d+)").as_deref(), Some("42"));
        assert_eq!(regex(r"id=\d").as_deref(), Some("id=4"));
        assert_eq!(regex("(x)?id").as_deref(), None, "the group took no part");
        assert_eq!(regex("nowhere"), None);
        assert_eq!(found(Capture::regex("(?-u:.)$").unwrap(), b"a\xff"), None, "no text");
    }
}

valk_harness::test! {
    fn the_file_of_the_documentation_is_one() {
        let manual = include_str!("../../../docs/load-testing.md");
        let text = manual.split("```toml\n").nth(1).unwrap().split("```").next().unwrap();
        let path = directory("documented", &[("items.csv", "id,name\n7,lamp\n")]).join("shop.toml");
        let journeys = parse(path.to_str().unwrap(), text).unwrap();
        assert_eq!(journeys.step_groups(), ["login", "item"], "steps of one name share a group");
        assert_eq!(journeys.steps.len(), 3);
    }
}
