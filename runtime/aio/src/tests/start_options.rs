//! The options of `aio/start`: defaults, ranges, messages.

use crate::config::{ignored, number};
use crate::{START, SystemConfig};
use valk_heap::{Config, Value};
use valk_lang::property_list::{OptionKind, build};
use valk_lang::{Output, Runtime};

/// What `aio/start` makes of these numbers.
fn read(pairs: &[(&str, i64)]) -> Result<SystemConfig, String> {
    let runtime = Runtime::new(Config::default(), Output::memory()).expect("a heap");
    let mut vm = runtime.vm();
    let pairs: Vec<(&str, Value)> =
        pairs.iter().map(|(key, number)| (*key, vm.heap.integer(*number))).collect();
    let list = build(&mut vm, &pairs);
    SystemConfig::read(&vm, list)
}

fn error(pairs: &[(&str, i64)]) -> String {
    read(pairs).expect_err("out of range")
}

valk_harness::test! {
    fn the_defaults_are_those_of_the_manual() {
        let expected = SystemConfig {
            connections_max: 16,
            streams_per_connection_max: 32,
            receive_buffers: 576,
            requests_max: 512,
            limits_requests: false,
            request_memory_bytes: 4_194_304,
            request_body_bytes_max: 8_388_608,
            backpressure_timeout_ms: 30_000,
            backpressure_connections_max: 1000,
            maintenance_interval_ms: 1000,
            idle_timeout_ms: 60_000,
            queue_capacity: 32,
            executors_max: 63,
        };
        assert_eq!(SystemConfig::default(), expected);
        assert_eq!(read(&[]), Ok(expected.clone()));
        let zeros: Vec<(&str, i64)> = START.keys.iter().map(|key| (key.name, 0)).collect();
        assert_eq!(read(&zeros), Ok(expected), "0 stands for the default");
    }

    fn each_number_has_its_range_and_message() {
        let mut reached = 0;
        for key in START.keys {
            let OptionKind::Integer { min, max } = key.kind else { continue };
            for number in [min - 1, max + 1, -1, i64::MIN, i64::MAX] {
                if number == 0 {
                    continue;
                }
                let expected = if key.out_of_range.is_empty() {
                    format!("AIO config error: {} must be between {min} and {max} {}", key.name, key.unit)
                } else {
                    format!("AIO config error: {}", key.out_of_range)
                };
                assert_eq!(error(&[(key.name, number)]), expected, "{number}");
            }
            // What is within its range may still contradict another number.
            let others = [(":tcp-buffer-pool-size", 1_000_000), (":arena-pool-size", 10_000)];
            for number in [min, max] {
                let others = others.into_iter().filter(|(name, _)| *name != key.name);
                let pairs: Vec<_> = others.chain([(key.name, number)]).collect();
                let config = read(&pairs).unwrap_or_else(|text| panic!("{} {number}: {text}", key.name));
                assert_ne!(config, SystemConfig::default(), "{} is read", key.name);
                reached += 1;
            }
        }
        assert_eq!(reached, 22);
    }

    fn pools_follow_from_connections_and_must_suffice_for_them() {
        let config = read(&[(":max-connections", 100), (":max-concurrent-streams", 100)]);
        let config = config.expect("valid");
        assert_eq!((config.receive_buffers, config.requests_max), (3264, 10_000));
        assert_eq!(config.queue_capacity, 200);
        let most = read(&[(":max-connections", 100_000)]).expect("valid");
        assert_eq!((most.receive_buffers, most.requests_max), (1_000_000, 10_000));
        assert_eq!(
            error(&[(":max-connections", 100), (":tcp-buffer-pool-size", 99)]),
            "AIO config error: tcp_buffer_pool_size must be >= max_connections (or <= 16 for testing)"
        );
        assert!(read(&[(":max-connections", 100), (":tcp-buffer-pool-size", 16)]).is_ok());
        assert!(read(&[(":max-connections", 100), (":tcp-buffer-pool-size", 100)]).is_ok());
        assert_eq!(
            error(&[(":max-connections", 100), (":arena-pool-size", 9)]),
            "AIO config error: arena_pool_size must be >= max_connections / 10"
        );
        assert!(read(&[(":max-connections", 100), (":arena-pool-size", 10)]).is_ok());
    }

    fn every_key_is_a_number_of_which_0_means_the_default_or_ignored() {
        for key in START.keys {
            let again = match key.kind {
                OptionKind::Integer { min, max } => {
                    let range = (min, max);
                    number(key.name, range, key.default, key.unit, key.text, key.out_of_range)
                }
                _ => ignored(key.name),
            };
            assert_eq!(format!("{again:?}"), format!("{key:?}"));
        }
    }

    fn keys_of_older_programs_are_accepted() {
        let runtime = Runtime::new(Config::default(), Output::memory()).expect("a heap");
        let mut vm = runtime.vm();
        let list = build(&mut vm, &[(":max-handles", Value::ONE), (":pending-stream-pool-size", Value::ONE)]);
        let (options, warnings) = START.examine(&vm, list);
        assert!(options.is_ok() && warnings.is_empty(), "{warnings:?}");
        let list = build(&mut vm, &[(":max-conections", Value::ONE)]);
        let (_, warnings) = START.examine(&vm, list);
        assert_eq!(warnings, ["unknown key :max-conections; did you mean :max-connections?"]);
    }
}
