//! What the options of `http2/server-listen` make of the limits of a server.

use crate::options::settings;
use std::time::Duration;
use valk_aio::Backpressure;
use valk_heap::{Config, Value};
use valk_http2::Limits;
use valk_lang::property_list::build;
use valk_lang::{Output, Runtime};

/// The limits that a server has with these options.
fn limits(pairs: &[(&str, i64)]) -> Limits {
    let runtime = Runtime::new(Config::default(), Output::memory()).expect("a heap");
    let vm = &mut *runtime.vm();
    let pairs: Vec<_> = pairs.iter().map(|(key, number)| (*key, Value::fixnum(*number))).collect();
    let list = build(vm, &pairs);
    let waiting = Backpressure { connections_max: 7, timeout: Duration::from_secs(8) };
    settings(vm, list, waiting).unwrap_or_else(|problem| panic!("{problem}")).server.limits
}

valk_harness::test! {
    fn limits_of_all_kinds_are_set() {
        let limits = limits(&[
            (":max-streams", 7),
            (":max-header-bytes", 2048),
            (":peer-resets", 3),
            (":idle-timeout-ms", 1500),
            (":max-request-body-size", 4096),
        ]);
        assert_eq!((limits.max_streams, limits.header_list_bytes, limits.peer_resets), (7, 2048, 3));
        assert_eq!((limits.idle_timeout, limits.body_bytes), (Duration::from_millis(1500), 4096));
        let untouched = Limits::default();
        assert_eq!(limits.max_connections, untouched.max_connections);
        assert_eq!(limits.stall_timeout, untouched.stall_timeout);
    }

    fn how_connections_wait_is_said_by_the_server_or_its_system() {
        let of_system = limits(&[]);
        let waiting = (of_system.waiting_connections, of_system.waiting_timeout);
        assert_eq!(waiting, (7, Duration::from_secs(8)));
        let own = limits(&[(":waiting-connections", 0), (":waiting-timeout-ms", 1500)]);
        assert_eq!((own.waiting_connections, own.waiting_timeout), (0, Duration::from_millis(1500)));
    }

    fn limits_of_a_connection_suffice_for_its_requests() {
        let large = [(":max-streams", 10_000), (":max-header-bytes", 1 << 20), (":max-request-body-size", 1 << 30)];
        let fitted = limits(&large);
        assert_eq!(fitted.connection_header_bytes, 10_000 << 20);
        assert_eq!(fitted.connection_response_bytes, 10_001 * fitted.stream_response_bytes);
        assert_eq!((fitted.connection_body_bytes, fitted.process_body_bytes), (4 << 30, 4 << 30));
    }

    fn limits_that_are_given_are_kept() {
        let own = [
            (":connection-header-bytes", 1024),
            (":connection-body-bytes", 1025),
            (":process-body-bytes", 1026),
            (":connection-response-bytes", 1027),
        ];
        let large = [(":max-streams", 10_000), (":max-request-body-size", 1 << 30)];
        let limits = limits(&[&own[..], &large].concat());
        assert_eq!((limits.connection_header_bytes, limits.connection_body_bytes), (1024, 1025));
        assert_eq!((limits.process_body_bytes, limits.connection_response_bytes), (1026, 1027));
    }
}
