//! Which handler a method and a path lead to; percent-encoding; pairs of queries and forms.

use crate::router::routes::{ANY, Found, Routes};
use crate::url::{decode, normal_path, pairs, query_of};

/// Routes of a small service; the handler of each is its number here.
const ROUTES: &[(&str, &str)] = &[
    ("GET", "/"),
    ("GET", "/users"),
    ("POST", "/users"),
    ("GET", "/users/:id"),
    ("DELETE", "/users/:key"),
    ("GET", "/users/me"),
    ("GET", "/users/:id/posts/:post"),
    ("GET", "/files/*path"),
    ("GET", "/files/index.html"),
    (ANY, "/any"),
    ("GET", "/any"),
    ("GET", "/café/:x"),
    ("GET", "/{literal}/:x"),
    ("OPTIONS", "/own"),
    ("HEAD", "/own"),
    ("GET", "/own"),
];

fn routes() -> Routes {
    let mut routes = Routes::default();
    for (number, (method, pattern)) in ROUTES.iter().enumerate() {
        routes.add(method, pattern, number).expect("a good route");
    }
    routes
}

/// A handler with these parameters.
fn handler(number: usize, parameters: &[(&str, &str)]) -> Found {
    let owned = parameters.iter().map(|(name, value)| (name.to_string(), value.to_string()));
    Found::Handler(number, owned.collect())
}

valk_harness::test! {
    fn methods_and_paths_lead_to_handlers() {
        let routes = routes();
        for (method, path, found) in [
            ("GET", "/", handler(0, &[])),
            ("GET", "/?a=b", handler(0, &[])),
            ("GET", "/users", handler(1, &[])),
            ("HEAD", "/users", handler(1, &[])),
            ("POST", "/users", handler(2, &[])),
            ("GET", "/users/7", handler(3, &[("id", "7")])),
            ("DELETE", "/users/7", handler(4, &[("key", "7")])),
            ("GET", "/users/me", handler(5, &[])),
            ("GET", "/users/%6De", handler(5, &[])),
            ("GET", "/users/me2", handler(3, &[("id", "me2")])),
            ("GET", "/users/me/posts/3", handler(6, &[("id", "me"), ("post", "3")])),
            ("GET", "/users/a%20b%2Fc%25", handler(3, &[("id", "a b/c%")])),
            ("GET", "/users/%25%32%46", handler(3, &[("id", "%2F")])),
            ("GET", "/files/a/b.txt", handler(7, &[("path", "a/b.txt")])),
            ("GET", "/files/index.html", handler(8, &[])),
            ("GET", "/files/index.htm", handler(7, &[("path", "index.htm")])),
            ("GET", "/any", handler(10, &[])),
            ("PATCH", "/any", handler(9, &[])),
            ("OPTIONS", "/any", handler(9, &[])),
            ("GET", "/caf%C3%A9/1", handler(11, &[("x", "1")])),
            ("GET", "/%7Bliteral%7D/1", handler(12, &[("x", "1")])),
            ("OPTIONS", "/own", handler(13, &[])),
            ("HEAD", "/own", handler(14, &[])),
            ("OPTIONS", "/users", Found::Options("GET, HEAD, OPTIONS, POST".to_owned())),
            ("PUT", "/users", Found::NoMethod("GET, HEAD, OPTIONS, POST".to_owned())),
            ("POST", "/users/me", Found::NoMethod("GET, HEAD, OPTIONS".to_owned())),
            ("get", "/users", Found::NoMethod("GET, HEAD, OPTIONS, POST".to_owned())),
            ("GET", "/user", Found::Nothing),
            ("GET", "/users/", Found::Nothing),
            ("GET", "/files/", Found::Nothing),
            ("GET", "/users/7/posts", Found::Nothing),
            ("GET", "//users", Found::Nothing),
            ("GET", "/users/%", Found::Malformed),
            ("GET", "/users/%2", Found::Malformed),
            ("GET", "/users/%zz", Found::Malformed),
            ("GET", "/users/%FF", Found::Malformed),
        ] {
            assert_eq!(routes.find(method, path), found, "{method} {path}");
        }
    }

    fn bad_patterns_are_explained() {
        let mut routes = routes();
        for (pattern, problem) in [
            ("users", "a pattern begins with /, got \"users\""),
            ("/a/:", "/a/:: : has no name"),
            ("/a/*", "/a/*: * has no name"),
            ("/a/*rest/b", "/a/*rest/b: *rest stands for the rest of a path, so it comes last"),
            ("/:a/:a", "/:a/:a: the name a is there twice"),
            ("/users/:other", "GET /users/:other is there already"),
        ] {
            assert_eq!(routes.add("GET", pattern, 0), Err(problem.to_owned()));
        }
        let twice = routes.add(ANY, "/any", 0);
        assert_eq!(twice, Err("a route for any method /any is there already".to_owned()));
    }

    fn a_prefix_leaves_the_rest_of_the_path_encoded() {
        let mut routes = Routes::default();
        routes.add("GET", "/api/health", 0).expect("a good route");
        routes.add_below("/api/", 1).expect("a good prefix");
        routes.add_below("/of/:user", 2).expect("a good prefix");
        for (method, path, found) in [
            ("GET", "/api/health", handler(0, &[])),
            ("PUT", "/api", handler(1, &[])),
            ("PUT", "/api/", handler(1, &[])),
            ("PUT", "/api/a/b%2Fc%25?x", handler(1, &[("/", "a/b%2Fc%25")])),
            ("GET", "/of/a%2Fb/c", handler(2, &[("user", "a/b"), ("/", "c")])),
            ("GET", "/apis", Found::Nothing),
        ] {
            assert_eq!(routes.find(method, path), found, "{method} {path}");
        }
        assert_eq!(routes.add_below("/x/*rest", 3), Err("/x/*rest: a prefix has no *name".to_owned()));
        let mut all = Routes::default();
        all.add_below("", 5).expect("everything");
        assert_eq!(all.find("GET", "/"), handler(5, &[]));
        assert_eq!(all.find("GET", "/a/b"), handler(5, &[("/", "a/b")]));
    }

    fn a_large_table_finds_each_route() {
        let mut routes = Routes::default();
        for number in 0..2000 {
            routes.add("GET", &format!("/a{number}/:x/b{number}"), number).expect("a good route");
        }
        for number in (0..2000).step_by(97) {
            let found = routes.find("GET", &format!("/a{number}/y/b{number}"));
            assert_eq!(found, handler(number, &[("x", "y")]));
        }
    }

    fn queries_and_forms_are_pairs() {
        let of = |text: &str| {
            pairs(text).into_iter().map(|(n, v)| format!("{n}={v}")).collect::<Vec<_>>().join("|")
        };
        assert_eq!(of(""), "");
        assert_eq!(of("a=1&b=x+y%20z&&c&d=&=e&a=%C3%A9"), "a=1|b=x y z|c=|d=|=e|a=é");
        assert_eq!(of("a=%&b=%zz&c=%ff"), "a=%|b=%zz|c=%ff", "as it is");
        assert_eq!((query_of("/a?b=c?d"), query_of("/a")), ("b=c?d", ""));
        assert_eq!(normal_path("/a%2fb%41?%"), Some("/a%2fbA".to_owned()));
        assert_eq!((decode("%2f"), decode("%f")), (Some("/".to_owned()), None));
    }
}
