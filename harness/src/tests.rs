//! Unit tests of the parts; the whole is tested from outside by the fault suite in `tests/faults`.

use std::sync::atomic::{AtomicU32, Ordering};

use crate as valk_harness;
use crate::cases::fixture::describe_failure;
use crate::cases::skip::Skip;
use crate::{Fixture, FixtureFailure, FixtureScope, SessionFixture};

mod benchmark;
mod debt;
mod evidence;
mod last_failed;
mod names;
mod reports;
mod returned;
mod suites;
mod system_calls;

valk_harness::test! {
    /// The test's own name, and a seed that is stable within it.
    fn context_is_visible() {
        assert_eq!(crate::current_test(), "context_is_visible");
        assert_eq!(crate::seed(), crate::seed());
        let from_thread = std::thread::spawn(crate::current_test);
        assert_eq!(from_thread.join().expect("it returns"), "context_is_visible");
    }

    #[isolation = InProcess]
    fn context_is_visible_in_process() {
        assert_eq!(crate::current_test(), "context_is_visible_in_process");
        let elsewhere = std::thread::spawn(crate::current_test);
        assert!(elsewhere.join().is_err(), "threads of in-process tests have no context");
    }

    fn tmpdir_is_private_and_empty() {
        let directory = std::env::temp_dir();
        assert!(directory.to_string_lossy().contains("valk-test-"), "{directory:?}");
        assert_eq!(std::fs::read_dir(&directory).expect("it exists").count(), 0);
        std::fs::write(directory.join("left behind"), "x").expect("it is writable");
    }

    fn tmpdir_is_private_and_empty_again() {
        tmpdir_is_private_and_empty();
    }

    fn stdin_is_empty() {
        let mut text = String::new();
        std::io::Read::read_to_string(&mut std::io::stdin(), &mut text).expect("it is open");
        assert_eq!(text, "");
    }

    #[isolation = Exec]
    fn exec_runs_in_a_fresh_process() {
        assert_eq!(crate::current_test(), "exec_runs_in_a_fresh_process");
    }

    fn shuffling_keeps_every_item() {
        let mut items: Vec<u32> = (0..100).collect();
        crate::random::shuffle(&mut items, 7);
        assert_ne!(items, (0..100).collect::<Vec<_>>());
        items.sort_unstable();
        assert_eq!(items, (0..100).collect::<Vec<_>>());
        assert_ne!(crate::random::secret(), crate::random::secret());
    }

    fn an_undeclared_fixture_is_built_in_the_test() {
        static LATE: crate::Fixture<u32> = crate::Fixture::new("late", || 7);
        assert_eq!(*LATE.get(), 7);
    }

    fn a_fixture_is_what_it_was_declared_as() {
        static BELOW: Fixture<u32> = Fixture::new("below", || 1);
        const NEEDED: &[&dyn SessionFixture] = &[&BELOW];
        static ENDED: AtomicU32 = AtomicU32::new(0);
        let fixture: &'static Fixture<u32> = Box::leak(Box::new(
            Fixture::new("declared", || *BELOW.get() + 1)
                .tear_down(|value| ENDED.store(*value, Ordering::SeqCst))
                .scope(FixtureScope::Test)
                .needs(NEEDED)
                .timeout_ms(5),
        ));
        assert_eq!(fixture.name(), "declared");
        assert_eq!(fixture.scope_of(), FixtureScope::Test);
        assert_eq!(fixture.limit_ms(), Some(5));
        assert_eq!(fixture.needed()[0].name(), "below");
        assert_eq!(fixture.prepare(), Ok(()));
        assert_eq!((fixture.failure(), *fixture.get()), (None, 2));
        fixture.end();
        assert_eq!(ENDED.load(Ordering::SeqCst), 2);
    }

    fn failures_of_fixtures_have_words() {
        let skipped = FixtureFailure::Skipped(Skip::broken("V-1", "slow"));
        let words = describe_failure("base", &skipped);
        assert!(words.starts_with("fixture `base` skips: ") && words.contains("slow"), "{words}");
        let words = describe_failure("base", &FixtureFailure::Passed);
        assert_eq!(words, "fixture `base` has no value");
    }
}
