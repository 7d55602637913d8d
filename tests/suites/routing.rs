//! Routers, middleware and the helpers of handlers, used over HTTP/2.

use http::Method;
use valk_tests::client::{Answer, Client, block_on};
use valk_tests::program::{Service, file, run, stdout};

/// A service whose handler is the router that this code fills; its first line is the port.
fn service(code: &str) -> (Service, u16) {
    let program = format!(
        "(def {{sys}} (aio/await (aio/start)))
         (def {{r}} (http2/router))
         {code}
         (def {{server}} (aio/await (http2/server-listen sys 0 (router/handler r) {{:host \"127.0.0.1\" :tls 0}})))
         (println \"port:%d\" (http2/server-port server))
         (aio/run sys)"
    );
    let mut service = Service::start(&[&file("routing.valk", program)]);
    let port = service.port();
    (service, port)
}

async fn ask(client: &mut Client, method: Method, path: &str, body: &str) -> Answer {
    client.send(method, path, &[], body.as_bytes()).await.await.expect("an answer")
}

valk_harness::test! {
    fn requests_reach_the_handlers_of_their_routes() {
        let (_service, port) = service(
            "(router/get r \"/\" (\\ {q} {res/text \"home\"}))
             (router/get r \"/users/:id\" (\\ {q} {res/text (str \"user \" (req/params q \"id\"))}))
             (router/post r \"/users\" (\\ {q} {res/json (req/json q) 201}))
             (router/put r \"/users/:id\" (\\ {q} {res/text (map/get (req/params q) \"id\")}))
             (router/patch r \"/users/:id\" (\\ {q} {res/text \"patched\"}))
             (router/delete r \"/users/:id\" (\\ {q} {list :status 204}))
             (router/get r \"/files/*path\" (\\ {q} {res/text (req/params q \"path\")}))
             (router/any r \"/old\" (\\ {q} {res/redirect \"/new\"}))
             (router/any r \"/moved\" (\\ {q} {res/redirect \"/new\" 308}))
             (router/get r \"/q\" (\\ {q} {res/text (str (req/query q \"a\") \"|\" (req/query q \"none\") \"|\" (map/size (req/query q)))}))
             (router/post r \"/form\" (\\ {q} {res/text (str (req/form q \"a\") (req/form q \"b\"))}))
             (router/get r \"/json\" (\\ {q} {res/json (map/of \"a\" {1 2})}))
             (router/get r \"/slow\" (\\ {q} {aio/then (aio/sleep sys 1) (\\ {x} {res/text \"slow\"})}))",
        );
        block_on(async {
            let client = &mut Client::connect(port).await;
            let none = "";
            for (method, path, sent, status, body) in [
                (Method::GET, "/", none, 200, "home"),
                (Method::GET, "/users/a%20b", none, 200, "user a b"),
                (Method::HEAD, "/users/7", none, 200, ""),
                (Method::POST, "/users", "{\"a\": [1, null]}", 201, "{\"a\":[1,null]}"),
                (Method::POST, "/users", "", 500, "req/json: the request has no body"),
                (Method::PUT, "/users/7?x=y", none, 200, "7"),
                (Method::PATCH, "/users/7", none, 200, "patched"),
                (Method::DELETE, "/users/7", none, 204, ""),
                (Method::GET, "/files/a/b%2Fc", none, 200, "a/b/c"),
                (Method::GET, "/q?a=1&a=2+3&b=", none, 200, "2 3|()|2"),
                (Method::POST, "/form", "a=x%26y&b=z", 200, "x&yz"),
                (Method::GET, "/json", none, 200, "{\"a\":[1,2]}"),
                (Method::GET, "/slow", none, 200, "slow"),
                (Method::GET, "/nowhere", none, 404, "not found\n"),
                (Method::GET, "/users/%zz", none, 400, "the path has a broken escape\n"),
            ] {
                let answer = ask(client, method.clone(), path, sent).await;
                assert_eq!((answer.status, answer.body.as_str()), (status, body), "{method} {path}");
            }
            let refused = ask(client, Method::POST, "/users/7", "").await;
            assert_eq!(refused.status, 405);
            assert_eq!(refused.headers["allow"], "DELETE, GET, HEAD, OPTIONS, PATCH, PUT");
            let options = ask(client, Method::OPTIONS, "/users", "").await;
            assert_eq!((options.status, &options.headers["allow"]), (204, &"OPTIONS, POST".parse().unwrap()));
            let moved = ask(client, Method::GET, "/old", "").await;
            assert_eq!((moved.status, &moved.headers["location"]), (302, &"/new".parse().unwrap()));
            assert_eq!(ask(client, Method::GET, "/moved", "").await.status, 308);
            assert_eq!(ask(client, Method::GET, "/json", "").await.headers["content-type"], "application/json");
        });
    }

    fn middleware_surrounds_everything_in_its_order() {
        let (_service, port) = service(
            "(fun {mark name} {\\ {q next} {
               list :status (plist/get (next q) :status) :body (str name (plist/get (next q) :body))}})
             (router/use r (mark \"a\"))
             (router/use r (mark \"b\"))
             (router/use r (\\ {q next} {if (== (req/path q) \"/secret\") {res/text \"no\" 403} {next q}}))
             (router/get r \"/\" (\\ {q} {res/text \"home\"}))
             (router/get r \"/secret\" (\\ {q} {res/text \"secret\"}))",
        );
        block_on(async {
            let client = &mut Client::connect(port).await;
            for (path, status, body) in
                [("/", 200, "abhome"), ("/secret", 403, "abno"), ("/nowhere", 404, "abnot found\n")]
            {
                let answer = client.get(path).await;
                assert_eq!((answer.status, answer.body.as_str()), (status, body), "{path}");
            }
        });
    }

    fn what_is_mounted_sees_the_rest_of_the_path() {
        let (_service, port) = service(
            "(def {api} (http2/router))
             (def {deep} (http2/router))
             (router/use api (\\ {q next} {if (req/header q \"x-key\") {next q} {res/text \"key\" 401}}))
             (router/get api \"/items/:item\" (\\ {q} {res/text (str (req/params q \"team\") \" \" (req/params q \"item\") \" \" (req/path q))}))
             (router/get deep \"/\" (\\ {q} {res/text \"deep\"}))
             (router/mount api \"/deep\" deep)
             (router/get r \"/teams/:team/health\" (\\ {q} {res/text \"fine\"}))
             (router/mount r \"/teams/:team\" api)
             (router/mount r \"/echo\" (\\ {q} {res/text (req/path q)}))",
        );
        block_on(async {
            let client = &mut Client::connect(port).await;
            let key = [("x-key", "1")];
            for (path, headers, status, body) in [
                ("/teams/a%2Fb/items/c%2Fd?e", &key[..], 200, "a/b c/d /teams/a%2Fb/items/c%2Fd?e"),
                ("/teams/x/deep", &key, 200, "deep"),
                ("/teams/x/deep/", &key, 200, "deep"),
                ("/teams/x/none", &key, 404, "not found\n"),
                ("/teams/x/items/1", &[], 401, "key"),
                ("/teams/x", &key, 404, "not found\n"),
                ("/teams/x/health", &[], 200, "fine"),
                ("/echo", &[], 200, "/echo"),
                ("/echo/a/b", &[], 200, "/echo/a/b"),
                ("/echoes", &[], 404, "not found\n"),
            ] {
                let answer = client.send(Method::GET, path, headers, b"").await.await.expect("an answer");
                assert_eq!((answer.status, answer.body.as_str()), (status, body), "{path}");
            }
            let refused = client.send(Method::POST, "/teams/x/items/1", &key, b"").await;
            assert_eq!(refused.await.expect("an answer").status, 405);
        });
    }

    fn files_are_mounted() {
        let root = format!("{}.d", file("static", ""));
        std::fs::create_dir_all(&root).expect("a directory");
        std::fs::write(format!("{root}/page.html"), "<p>page").expect("a file");
        let (_service, port) = service(&format!("(router/mount r \"/s\" (http2/static \"{root}\"))"));
        block_on(async {
            let client = &mut Client::connect(port).await;
            let page = client.get("/s/page.html").await;
            assert_eq!((page.status, page.body.as_str()), (200, "<p>page"));
            assert_eq!(page.headers["content-type"], "text/html; charset=utf-8");
            let tag = page.headers["etag"].to_str().expect("text");
            let again = client.send(Method::GET, "/s/page.html", &[("if-none-match", tag)], b"").await;
            assert_eq!(again.await.expect("an answer").status, 304);
            let part = client.send(Method::GET, "/s/page.html", &[("range", "bytes=3-")], b"").await;
            let part = part.await.expect("an answer");
            assert_eq!((part.status, part.body.as_str()), (206, "page"));
            let head = ask(client, Method::HEAD, "/s/page.html", "").await;
            assert_eq!(head.headers["content-length"], "7");
            assert_eq!(ask(client, Method::POST, "/s/page.html", "").await.status, 405);
            assert_eq!(client.get("/s/../Cargo.toml").await.status, 404);
        });
    }

    fn routes_survive_collections() {
        let (_service, port) = service(
            "(fun {many n} {if (== n 0) {0} {do
               (router/get r (str \"/a\" n) (\\ {q} {res/text (str \"handler \" n)}))
               (many (- n 1))}})
             (many 300)
             (mem/gc/collect)",
        );
        block_on(async {
            let client = &mut Client::connect(port).await;
            for n in [1, 150, 300] {
                assert_eq!(client.get(&format!("/a{n}")).await.body, format!("handler {n}"));
            }
        });
    }
}

/// Code without requests, and what it prints.
const PROGRAMS: &[(&str, &str, &str)] = &[
    (
        "files of a number",
        "(http2/static 5 5)",
        "Error: Actual: Number, Expected(One-Of): [String]",
    ),
    (
        "files for nothing",
        "(http2/static \"a\" 5)",
        "Error: http2/static: second argument must be http request",
    ),
    ("files of an error", "(http2/static (error \"e\") 5)", "Error: e"),
    ("pattern", "(router/get r \"a\" id)", "Error: router/get: a pattern begins with /, got \"a\""),
    (
        "twice",
        "(router/get (router/get r \"/:a\" id) \"/:b\" id)",
        "Error: router/get: GET /:b is there already",
    ),
    (
        "no router",
        "(router/post 5 \"/\" id)",
        "Error: router/post: first argument must be a router",
    ),
    ("no pattern", "(router/put r 5 id)", "Error: Actual: Number, Expected(One-Of): [String]"),
    (
        "no handler",
        "(router/patch r \"/\" 5)",
        "Error: Actual: Number, Expected(One-Of): [Function]",
    ),
    ("an error", "(router/delete r \"/\" (error \"e\"))", "Error: e"),
    ("the router", "(== r (router/any r \"/\" id))", "1"),
    ("mounted", "(== r (router/mount r \"/a\" (http2/router)))", "1"),
    (
        "mounted on itself",
        "(router/mount r \"/a\" r)",
        "Error: router/mount: a router cannot be below itself",
    ),
    (
        "mounted on nothing",
        "(router/mount 5 \"/a\" r)",
        "Error: router/mount: first argument must be a router",
    ),
    (
        "mounted below a rest",
        "(router/mount r \"/*a\" id)",
        "Error: router/mount: /*a: a prefix has no *name",
    ),
    (
        "mounted number",
        "(router/mount r \"/a\" 5)",
        "Error: Actual: Number, Expected(One-Of): [Function]",
    ),
    (
        "middleware of nothing",
        "(router/use 5 id)",
        "Error: router/use: first argument must be a router",
    ),
    ("middleware", "(router/use r 5)", "Error: Actual: Number, Expected(One-Of): [Function]"),
    ("no request", "(router/handler r 5)", "Error: router/handler: argument must be http request"),
    ("an error for a request", "(router/handler r (error \"e\"))", "Error: e"),
    (
        "handler of nothing",
        "(router/handler 5 5)",
        "Error: router/handler: first argument must be a router",
    ),
    (
        "next of text",
        "(router/next r \"a\" 5)",
        "Error: Actual: String, Expected(One-Of): [Number]",
    ),
    (
        "next without a request",
        "(router/next r 0 5)",
        "Error: router/next: argument must be http request",
    ),
    (
        "text",
        "(res/text \"a\" 404)",
        "{:status 404 :content-type text/plain; charset=utf-8 :body a}",
    ),
    ("json", "(res/json {1 2})", "{:status 200 :content-type application/json :body [1,2]}"),
    ("json of a function", "(error? (res/json id))", "1"),
    (
        "json arguments",
        "(res/json)",
        "Error: res/json: expected 1-2 arguments (value [status]), got 0",
    ),
    ("text of an error", "(res/text (error \"e\"))", "Error: e"),
    (
        "status",
        "(res/text \"a\" 100)",
        "Error: res/text: the status must be a number from 200 to 599",
    ),
    ("redirect", "(res/redirect \"/a\")", "{:status 302 :headers {{location /a}}}"),
    (
        "redirect status",
        "(res/redirect \"/a\" 200)",
        "Error: res/redirect: the status must be a number from 300 to 399",
    ),
    (
        "redirect to a number",
        "(res/redirect 5)",
        "Error: Actual: Number, Expected(One-Of): [String]",
    ),
    (
        "parameters of nothing",
        "(req/params 5)",
        "Error: req/params: first argument must be http request",
    ),
    (
        "query arguments",
        "(req/query)",
        "Error: req/query: expected 1-2 arguments (request [name]), got 0",
    ),
    ("form of an error", "(req/form (error \"e\") \"a\")", "Error: e"),
    ("json of nothing", "(req/json 5)", "Error: req/body: argument must be http request"),
];

fn programs() -> Vec<(String, (&'static str, &'static str))> {
    PROGRAMS.iter().map(|(name, code, text)| (name.to_string(), (*code, *text))).collect()
}

valk_harness::cases! {
    fn prints((code, expected): (&'static str, &'static str)) in programs() {
        let output = run(&[&file("p.valk", format!("(def {{r}} (http2/router)) (print {code})"))]);
        assert_eq!(stdout(&output), format!("{expected}\n"));
    }
}
