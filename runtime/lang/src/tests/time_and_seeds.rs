//! Time and randomness come from the host.

use crate::{HostClock, Language, NoWaiting, Output, Runtime, Seeds, TimeSource};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};
use valk_heap::Config;

/// A clock that a test moves.
#[derive(Clone, Default)]
struct Fixed(Arc<AtomicU64>);

impl TimeSource for Fixed {
    fn monotonic(&self) -> Duration {
        Duration::from_micros(self.0.load(Ordering::Relaxed))
    }

    fn wall(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + self.monotonic()
    }
}

fn printed(runtime: &mut Runtime, program: &str) -> String {
    runtime.run_text("p", program.as_bytes(), &mut NoWaiting);
    String::from_utf8(runtime.take_output()).expect("text")
}

fn runtime() -> Runtime {
    Runtime::new(Config::default(), Output::memory()).expect("a heap")
}

valk_harness::test! {
    fn every_builtin_that_tells_the_time_asks_the_clock() {
        let mut runtime = runtime();
        let fixed = Fixed::default();
        runtime.vm().extension::<Language>().clock = HostClock::new(fixed.clone());
        fixed.0.store(5_000_000, Ordering::Relaxed);
        assert_eq!(printed(&mut runtime, "(print (time-us) (time/now))"), "5000000 5000\n");
        let text = printed(&mut runtime, "(ctx/with-deadline 250 (print (ctx/deadline)))");
        assert_eq!(text, "250\n");
        let ids = "(ctx/with :a 1 {print (trace/id)})";
        assert_ne!(printed(&mut runtime, ids), printed(&mut runtime, ids));
    }

    fn a_time_before_1970_is_negative() {
        struct Early;
        impl TimeSource for Early {
            fn monotonic(&self) -> Duration {
                Duration::MAX
            }
            fn wall(&self) -> SystemTime {
                SystemTime::UNIX_EPOCH - Duration::from_secs(1)
            }
        }
        let clock = HostClock::new(Early);
        assert_eq!((clock.unix_us(), clock.monotonic_us()), (-1_000_000, i64::MAX));
        assert!(format!("{clock:?}").starts_with("HostClock"));
    }

    fn the_same_seed_gives_the_same_numbers() {
        let draw = |seed| {
            let mut runtime = runtime();
            runtime.vm().extension::<Language>().seeds = Seeds::new(seed);
            printed(&mut runtime, "(print (random/integer 1000000000) (random/integer 1000000000))")
        };
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
        assert_eq!(Seeds::new(9).seed(), 9);
        assert_ne!(Seeds::default().draw(), Seeds::default().draw());
    }
}
