//! Delays of a thread and what follows from them, at times of the test's choice.

use crate::overload::Class;
use crate::overload::queueing::{Change, Queueing};
use std::time::Duration;
use tokio::time::Instant;

const MS: Duration = Duration::from_millis(1);
const TARGET: Duration = Duration::from_millis(100);

/// A thread with a clock of its own.
struct Thread {
    queueing: Queueing,
    now: Instant,
}

impl Thread {
    fn new() -> Self {
        let now = Instant::now();
        Self { queueing: Queueing::new(TARGET, now), now }
    }

    fn take(&self, count: usize) {
        (0..count).for_each(|_| self.queueing.taken());
    }

    /// Takes requests after a time in which nothing happened. What follows is a second window.
    fn begin(&mut self, count: usize) {
        self.take(count);
        self.now += Duration::from_secs(1);
        assert_eq!(self.queueing.look(self.now), None);
    }

    /// Works for so many milliseconds, one request in each `ms_per_request`.
    fn work(&mut self, ms: u32, ms_per_request: u32) -> Vec<Change> {
        let mut changes = Vec::new();
        for at in 1..=ms {
            self.now += MS;
            if at % ms_per_request == 0 {
                self.queueing.left(1);
                self.queueing.answered(Duration::ZERO);
            }
            changes.extend(self.queueing.look(self.now));
        }
        changes
    }

    fn admits(&self, class: Class) -> bool {
        self.queueing.admits(class, 0, true)
    }
}

valk_harness::test! {
    fn a_queue_that_stands_is_overload_and_one_that_is_worked_off_is_none() {
        let mut thread = Thread::new();
        // 100 requests of a millisecond each: the last waits 100 ms, and then there are none.
        thread.begin(100);
        assert_eq!(thread.work(100, 1), []);
        assert!(!thread.queueing.is_overloaded());
        // 400 of them: after 100 ms there are 300 still, and then 200.
        thread.begin(400);
        assert_eq!(thread.work(100, 1), [], "it may be a burst");
        assert_eq!(thread.work(100, 1), [Change::Overloaded(200 * MS)]);
        assert!(thread.queueing.is_overloaded());
        // Until they would wait for less than half of the target.
        assert_eq!(thread.work(100, 1), []);
        assert_eq!(thread.work(100, 1), [Change::Relieved]);
        assert!(!thread.queueing.is_overloaded());
    }

    fn the_limit_follows_from_what_a_request_takes() {
        for ms_per_request in [1, 2, 5] {
            let mut thread = Thread::new();
            let most = 100 / ms_per_request as usize;
            // As many are left as wait for twice the target.
            thread.begin(4 * most);
            thread.work(100, ms_per_request);
            let changes = thread.work(100, ms_per_request);
            assert_eq!(changes, [Change::Overloaded(200 * MS)], "{ms_per_request}");
            assert!(!thread.admits(Class::Normal) && !thread.admits(Class::Sheddable));
            assert!(thread.admits(Class::Critical));
            thread.queueing.left(most);
            assert!(thread.admits(Class::Normal) && !thread.admits(Class::Sheddable));
            thread.take(1);
            assert!(!thread.admits(Class::Normal));
            thread.queueing.left(1 + most.div_ceil(2));
            assert!(thread.admits(Class::Sheddable));
        }
    }

    fn a_greedy_connection_does_not_shut_out_others() {
        let mut thread = Thread::new();
        thread.begin(1000);
        thread.work(200, 1);
        assert!(!thread.queueing.admits(Class::Normal, 0, true));
        assert!(thread.queueing.admits(Class::Normal, 0, false), "it has none that waits");
        thread.queueing.seen(TARGET + MS, 0);
        assert!(!thread.queueing.admits(Class::Normal, 0, false), "it would wait itself");
    }

    fn a_lag_that_stands_is_overload() {
        let mut thread = Thread::new();
        let mut lag = |ms: u32, milliseconds: u32| {
            thread.queueing.seen(ms * MS, 0);
            thread.now += milliseconds * MS;
            thread.queueing.look(thread.now)
        };
        // One that is over soon is none.
        assert_eq!(lag(150, 50), None);
        assert_eq!(lag(1, 50), None);
        assert_eq!(lag(150, 50), None);
        assert_eq!(lag(120, 50), None, "one request may have kept the thread");
        assert_eq!(lag(130, 100), Some(Change::Overloaded(130 * MS)));
        assert_eq!(lag(60, 100), None);
        assert_eq!(lag(50, 100), Some(Change::Relieved));
    }

    fn a_watch_that_is_late_itself_keeps_what_it_saw() {
        let mut thread = Thread::new();
        thread.queueing.seen(300 * MS, 0);
        thread.now += 100 * MS;
        assert_eq!(thread.queueing.look(thread.now), None);
        thread.now += 100 * MS;
        assert_eq!(thread.queueing.look(thread.now), Some(Change::Overloaded(300 * MS)));
        // Nothing was seen in this window.
        thread.now += 100 * MS;
        assert_eq!(thread.queueing.look(thread.now), None);
        assert!(thread.queueing.is_overloaded());
        thread.queueing.seen(Duration::ZERO, 0);
        thread.now += 100 * MS;
        assert_eq!(thread.queueing.look(thread.now), Some(Change::Relieved));
    }

    fn requests_that_share_the_thread_are_overload_when_there_are_many() {
        // So many could go on, and ten are completed in 100 ms: each takes 10 ms of the thread.
        for (begun, is_overloaded) in [(0, false), (9, false), (15, false), (16, true), (40, true)] {
            let mut thread = Thread::new();
            let mut change = None;
            for _ in 0..2 {
                for _ in 0..10 {
                    thread.queueing.answered(1000 * MS);
                    thread.queueing.seen(Duration::ZERO, begun);
                }
                thread.now += 100 * MS;
                change = thread.queueing.look(thread.now);
            }
            assert_eq!(change.is_some(), is_overloaded, "{begun}: {change:?}");
            if is_overloaded {
                assert_eq!(change, Some(Change::Overloaded(10 * MS * begun as u32)));
                let admits = |begun| thread.queueing.admits(Class::Normal, begun, false);
                assert!(admits(0) && admits(15), "few do not count");
                assert!(!admits(begun), "whoever asks");
            }
        }
    }

    fn handlers_that_never_end_are_no_overload_while_others_are_answered() {
        for (answers, is_overloaded) in [(&[][..], false), (&[20][..], false), (&[500, 90], false), (&[150, 300], true)] {
            let mut thread = Thread::new();
            let mut change = None;
            for _ in 0..2 {
                for took in answers {
                    thread.queueing.answered(*took * MS);
                }
                thread.queueing.seen(Duration::ZERO, 1000);
                thread.now += 100 * MS;
                change = thread.queueing.look(thread.now);
            }
            assert_eq!(change.is_some(), is_overloaded, "{answers:?}");
        }
    }

    fn a_target_of_zero_turns_nothing_away() {
        let mut now = Instant::now();
        let queueing = Queueing::new(Duration::ZERO, now);
        (0..10_000).for_each(|_| queueing.taken());
        now += Duration::from_secs(10);
        assert_eq!(queueing.look(now), None);
        assert!(queueing.admits(Class::Sheddable, 0, true));
    }
}
