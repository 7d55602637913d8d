//! Failures that nobody asks for, by themselves; the suite `lost_failures` has programs.

use crate::lost_failures::{Asked, LostFailures};

valk_harness::test! {
    fn a_failure_is_told_once_unless_somebody_asks() {
        let failures = LostFailures::default();
        let (before, after, lost, dropped) = <(Asked, Asked, Asked, Asked)>::default();
        before.ask();
        for asked in [&before, &after, &lost, &dropped] {
            failures.note(asked, "a text".to_owned());
        }
        after.ask();
        drop((before, after));
        assert_eq!(failures.told(), 0);
        drop(dropped);
        assert_eq!(failures.told(), 1);
        failures.tell_remaining();
        assert_eq!(failures.told(), 2);
        drop(lost);
        assert_eq!(failures.told(), 2);
    }

    fn so_many_are_kept_and_those_that_are_gone_make_room() {
        let failures = LostFailures::default();
        let keep = || {
            let asked = Asked::default();
            failures.note(&asked, String::new());
            asked
        };
        let kept: Vec<Asked> = (0..10_000).map(|_| keep()).collect();
        assert!(kept[0].bytes() > 0);
        assert_eq!(keep().bytes(), 0, "there are too many");
        kept.iter().for_each(Asked::ask);
        drop(kept);
        assert!((0..20_000).all(|_| keep().bytes() > 0), "none is kept any more");
        assert_eq!(failures.told(), 20_000);
    }
}
