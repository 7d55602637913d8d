//! The pieces that need no running server; the `service` suite drives the rest.

mod errors;
mod files;
mod handlers;
mod listen_options;
mod routes;

use crate::classes::Classes;
use crate::receive::PooledBuffers;
use valk_heap::BufferPool;
use valk_http2::{Class, ReceiveBuffers, Request};
use valk_lang::RequestContext;
use valk_lang::property_list::OptionKind;

valk_harness::test! {
    fn a_pool_of_the_heap_lends_its_buffers_to_bodies() {
        let pool = BufferPool::new(1, 64 << 10, 0).expect("small");
        let buffers = PooledBuffers::new(pool.clone());
        let in_use = || pool.statistics().buffers.in_use;
        assert_eq!(buffers.capacity_bytes(), 64 << 10);
        let mut buffer = buffers.acquire().expect("free");
        assert!(buffer.append(b"some ") && buffer.append(b"bytes"));
        assert!(!buffer.append(&vec![b'x'; 64 << 10]), "does not fit");
        assert_eq!(buffer.filled(), b"some bytes");
        assert!(buffers.acquire().is_none());
        assert_eq!(in_use(), 1);
        drop(buffer);
        assert_eq!(in_use(), 0);
    }
}

valk_harness::test! {
    fn paths_have_classes() {
        let list = |paths: &[&str]| paths.iter().map(|path| (*path).to_owned()).collect();
        let classes = Classes::new(list(&["/health", "/admin/*"]), list(&["/admin/batch", "/feed*", "/"]));
        for (target, class) in [
            ("/health", Class::Critical),
            ("/health?deep=1", Class::Critical),
            ("/healthy", Class::Normal),
            ("/admin/", Class::Critical),
            ("/admin/batch", Class::Critical),
            ("/admin", Class::Normal),
            ("/feed", Class::Sheddable),
            ("/feeds/7", Class::Sheddable),
            ("/", Class::Sheddable),
            ("/other", Class::Normal),
            ("", Class::Normal),
        ] {
            assert_eq!(classes.of(target), class, "{target}");
        }
        let all = Classes::new(Vec::new(), list(&["*"]));
        assert_eq!(all.of("/anything"), Class::Sheddable);
    }

    fn keys_of_limits_have_the_defaults_of_the_server() {
        let mut keys = 0;
        for limit in valk_http2::Limits::default().table() {
            let Some(name) = crate::key_of_limit(limit.name) else { continue };
            let key = crate::options::LISTEN.keys.iter().find(|key| key.name == name);
            let key = key.expect("a key");
            assert_eq!((key.default as u64, key.unit), (limit.value, limit.unit), "{name}");
            let OptionKind::Integer { min, max } = key.kind else { panic!("{name} is a number") };
            assert!((min..=max).contains(&key.default), "{name}");
            keys += 1;
        }
        assert_eq!(keys, 27);
        assert_eq!(crate::key_of_limit("batch_time"), None);
    }

    fn the_default_body_size_is_the_server_s() {
        let key = crate::options::LISTEN.keys.iter().find(|key| key.name == ":max-request-body-size");
        let key = key.expect("a key");
        assert_eq!(key.default as usize, valk_http2::Limits::default().body_bytes);
        assert!(matches!(key.kind, OptionKind::Integer { min: 1024, max: 1_073_741_824 }));
    }
}

/// What a request with these headers says about its context.
fn context(headers: &[(&str, &str)]) -> RequestContext {
    let mut request = http::Request::builder().uri("/");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(bytes::Bytes::new()).expect("a valid request");
    crate::context::of_request(&Request::new(request, 1))
}

fn ids(trace: impl Into<Option<u64>>, parent_span: impl Into<Option<u64>>) -> RequestContext {
    let (trace, parent_span) = (trace.into(), parent_span.into());
    RequestContext { trace, parent_span, deadline: None }
}

const NONE: RequestContext = RequestContext { trace: None, parent_span: None, deadline: None };

valk_harness::test! {
    fn own_headers_are_decimal_and_come_once() {
        assert_eq!(context(&[]), NONE);
        assert_eq!(context(&[("x-trace-id", "1"), ("X-Span-Id", " 2 ")]), ids(1, 2));
        assert_eq!(context(&[("x-trace-id", "18446744073709551615")]), ids(u64::MAX, None));
        for value in ["", "0", "-1", "+1", "0x1", "1.5", "1e3", "18446744073709551616", "1 2", "a"] {
            for name in ["x-trace-id", "x-span-id", "x-deadline-ms"] {
                assert_eq!(context(&[(name, value)]), NONE, "{name}: {value}");
                assert_eq!(context(&[(name, "5"), (name, "5")]), NONE, "{name} twice");
            }
        }
        let deadline = Some(std::time::Duration::from_millis(1500));
        assert_eq!(context(&[("x-deadline-ms", "1500")]), RequestContext { deadline, ..NONE });
    }

    fn traceparent_counts_without_the_own_headers() {
        let trace = "0af7651916cd43dd0000000000000bad";
        let whole = |version: &str, rest: &str| format!("{version}-{trace}-00000000000000b7-{rest}");
        let of = |value: &str| context(&[("traceparent", value)]);
        assert_eq!(of(&whole("00", "01")), ids(0xbad, 0xb7));
        assert_eq!(of(&whole("01", "01-more")), ids(0xbad, 0xb7), "a later version");
        for (version, rest) in [("00", "01-more"), ("ff", "01"), ("0", "01"), ("00", "1"), ("0G", "01")] {
            assert_eq!(of(&whole(version, rest)), NONE, "{version} {rest}");
        }
        for value in [
            "00",
            "00-0af7651916cd43dd0000000000000BAD-00000000000000b7-01",
            "00-00000000000000000000000000000000-00000000000000b7-01",
            "00-0af7651916cd43dd0000000000000bad-0000000000000000-01",
            "00-0af7651916cd43dd000000000000bad-00000000000000b7-01",
        ] {
            assert_eq!(of(value), NONE, "{value}");
        }
        // The lower half of the trace may be zero; then the trace is a new one.
        assert_eq!(of("00-0af7651916cd43dd0000000000000000-00000000000000b7-01"), ids(None, 0xb7));
        let both = whole("00", "01");
        assert_eq!(context(&[("x-trace-id", "7"), ("traceparent", &both)]), ids(7, None));
        assert_eq!(context(&[("x-span-id", "7"), ("traceparent", &both)]), ids(None, 7));
        assert_eq!(context(&[("x-span-id", "x"), ("traceparent", &both)]), ids(0xbad, 0xb7));
        assert_eq!(context(&[("traceparent", &both), ("traceparent", &both)]), NONE);
    }
}

valk_harness::test! {
    fn handlers_have_half_a_minute_unless_told_otherwise() {
        let key = crate::options::LISTEN.keys.iter().find(|key| key.name == ":handler-timeout-ms");
        let key = key.expect("a key");
        assert_eq!(key.default, crate::HANDLER_TIMEOUT_MS);
        assert!(matches!(key.kind, OptionKind::Integer { min: 0, .. }), "0 is no limit");
        assert!(!key.zero_is_default);
    }
}
