//! The pieces by themselves: limits, signals, accessors, texts.

use super::*;
use crate::metered::Metered;
use crate::token_bucket::TokenBucket;
use std::time::Duration;

valk_harness::test! {
    fn limits_table_shows_every_limit_with_unit_and_value() {
        let limits = Limits { accept_backoff_max: Duration::MAX, ..Limits::default() };
        let table = limits.table();
        let row = |name: &str| table.iter().find(|row| row.name == name).copied().unwrap();
        assert_eq!((row("body_bytes").value, row("body_bytes").unit), (8 << 20, "bytes"));
        assert_eq!((row("idle_timeout").value, row("idle_timeout").unit), (60_000, "ms"));
        assert_eq!(row("max_streams").value, 128);
        assert_eq!(row("accept_backoff_max").value, u64::MAX);
    }
}

valk_harness::test! {
    fn token_bucket_refills_without_losing_fractions() {
        let start = tokio::time::Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut bucket = TokenBucket::full(2, 1, start);
        assert!(bucket.take(start) && bucket.take(start) && !bucket.take(start));
        assert!(!bucket.take(at(999)));
        assert!(bucket.take(at(1000)) && !bucket.take(at(1000)));
        assert!(bucket.take(at(100_000)) && bucket.take(at(100_000)));
        assert!(!bucket.take(at(100_000)), "never more than the burst");
    }
}

valk_harness::test! {
    fn meter_counts_and_sees_a_closed_window() {
        virtual_time(async {
            let counters = std::sync::Arc::<Counters>::default();
            let (near, mut far) = duplex(10);
            let (mut io, meter) = Metered::new(near, &counters);
            io.write_all(b"0123456789").await.unwrap();
            assert!(!meter.write_blocked.get());
            let blocked = tokio::time::timeout(Duration::from_secs(1), io.write_all(b"x")).await;
            assert!(blocked.is_err() && meter.write_blocked.get());
            far.read_exact(&mut [0; 10]).await.unwrap();
            io.write_all(b"y").await.unwrap();
            far.write_all(b"abc").await.unwrap();
            io.read_exact(&mut [0; 3]).await.unwrap();
            assert_eq!((meter.written.get(), meter.write_blocked.get()), (11, false));
            let totals = counters.snapshot();
            assert_eq!((totals.bytes_out, totals.bytes_in), (11, 3));
        });
    }
}

valk_harness::test! {
    fn stop_signal_reaches_waiters_before_and_after() {
        virtual_time(async {
            let signal = StopSignal::default();
            let early = spawn_local(signal.stopped());
            settle().await;
            assert!(!early.is_finished() && !signal.is_stopped());
            let other = signal.clone();
            std::thread::spawn(move || other.stop()).join().unwrap();
            early.await.unwrap();
            signal.stopped().await;
            assert!(signal.is_stopped());
        });
    }
}

valk_harness::test! {
    fn request_without_authority_shows_host_and_defaults() {
        let bare = http::Request::builder().uri("/p").header("host", "h:1");
        let request = Request::new(bare.body(Bytes::new()).unwrap(), 3);
        assert_eq!((request.scheme(), request.authority()), ("https", Some("h:1")));
        let tunnel = http::Request::connect("h:1").body(Bytes::new()).unwrap();
        let request = Request::new(tunnel, 5);
        assert_eq!((request.path(), request.authority()), ("/", Some("h:1")));
        assert_eq!(request.header("missing"), None);
        let text = format!("{request:?}");
        assert!(text.contains("CONNECT") && text.contains('5'), "{text}");
    }
}

valk_harness::test! {
    fn clear_text_has_scheme_http_whatever_the_request_says() {
        virtual_time(async {
            let server = TestServer::start(Limits::default(), |request| {
                assert_eq!((request.scheme(), request.authority()), ("http", Some("x")));
                Reply::Ready(Response::new(200))
            });
            let mut pipe = server.pipe(1 << 16);
            // :scheme https is entry 7 of the static table.
            let block = [&[0x82, 0x87], &GET_BLOCK[2..]].concat();
            pipe.write_all(&greeting(&frame(HEADERS, WHOLE, 1, &block))).await.unwrap();
            settle().await;
            assert_eq!(server.snapshot().responses_2xx, 1);
            drop(pipe);
            server.finish().await;
        });
    }
}

valk_harness::test! {
    fn handler_need_not_listen_to_events() {
        struct Silent;
        impl Handler for Silent {
            fn handle(&self, _request: Request) -> Reply {
                Reply::Ready(Response::new(200))
            }
        }
        Silent.event(&Event::HandshakeFailed { reason: String::new() });
    }
}
