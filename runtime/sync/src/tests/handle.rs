//! The handle of a task whose end the test itself says; the models cover the interleavings.

use crate::executor::{Full, Handle, TaskOutcome};
use crate::limits::HANDLE_WAITERS_MAX;
use crate::shim::thread;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Barrier, Mutex};
use std::time::Duration;

type Text = Handle<String>;

fn completed(value: &str) -> TaskOutcome<String> {
    TaskOutcome::Completed(value.into())
}

/// Texts in the order in which observers wrote them.
type Log = Arc<Mutex<Vec<String>>>;

/// An observer that notes its name and the outcome.
fn note(log: &Log, name: &str) -> impl FnOnce(&TaskOutcome<String>) + Send + 'static + use<> {
    let (log, name) = (log.clone(), name.to_owned());
    move |outcome| log.lock().expect("not poisoned").push(format!("{name}: {outcome:?}"))
}

fn lines(log: &Log) -> Vec<String> {
    log.lock().expect("not poisoned").clone()
}

valk_harness::test! {
    fn a_handle_tells_how_its_task_ended() {
        for outcome in [completed("value"), TaskOutcome::Cancelled] {
            let (completer, handle) = Text::pending();
            assert!(!handle.is_settled() && handle.outcome().is_none());
            assert_eq!(handle.wait_for(Duration::ZERO), None);
            assert_eq!(format!("{completer:?} {handle:?}"), "Completer { .. } Handle { is_settled: false, .. }");
            let other = handle.clone();
            completer.settle(outcome.clone());
            for handle in [handle, other] {
                assert_eq!((handle.outcome(), handle.wait()), (Some(&outcome), &outcome));
                assert_eq!(handle.wait_for(Duration::ZERO), Some(&outcome));
                assert!(handle.is_settled());
            }
        }
    }

    fn observers_are_called_once_and_in_order() {
        let ((completer, handle), log) = (Text::pending(), Log::default());
        for name in ["first", "second"] {
            handle.observe(note(&log, name)).expect("there is room");
        }
        assert_eq!(lines(&log), [""; 0]);
        completer.settle(completed("x"));
        let called = [r#"first: Completed("x")"#, r#"second: Completed("x")"#];
        assert_eq!(lines(&log), called);
        handle.observe(note(&log, "late")).expect("it is called at once");
        assert_eq!(lines(&log), [called[0], called[1], r#"late: Completed("x")"#]);
    }

    fn an_observer_may_use_the_handle() {
        let ((completer, handle), log) = (Text::pending(), Log::default());
        let (inner, inner_log) = (handle.clone(), log.clone());
        handle
            .observe(move |outcome| {
                assert_eq!(inner.wait(), outcome);
                inner.observe(note(&inner_log, "inner")).expect("it is called at once");
            })
            .expect("there is room");
        completer.settle(TaskOutcome::Cancelled);
        assert_eq!(lines(&log), ["inner: Cancelled"]);
    }

    fn a_panic_of_one_observer_does_not_keep_the_others_from_being_called() {
        let ((completer, handle), log) = (Text::pending(), Log::default());
        handle.observe(note(&log, "first")).expect("there is room");
        handle.observe(|_| panic!("an observer's")).expect("there is room");
        handle.observe(note(&log, "third")).expect("there is room");
        let ended = catch_unwind(AssertUnwindSafe(|| completer.settle(TaskOutcome::Cancelled)));
        assert_eq!(ended.expect_err("it goes on").downcast_ref(), Some(&"an observer's"));
        assert_eq!(lines(&log), ["first: Cancelled", "third: Cancelled"]);
        assert_eq!(handle.outcome(), Some(&TaskOutcome::Cancelled));
    }

    fn observers_are_bounded_and_come_back() {
        let ((completer, handle), log) = (Text::pending(), Log::default());
        for _ in 0..HANDLE_WAITERS_MAX {
            handle.observe(note(&log, "one of many")).expect("there is room");
        }
        let refused = handle.observe(note(&log, "refused")).expect_err("there is no room");
        assert_eq!(format!("{refused:?}"), "Full(..)");
        assert_eq!(
            refused.to_string(),
            "4096 observers and threads wait for this task already, which is the most there can \
             be; have one of them pass the outcome on"
        );
        let Full(refused) = refused;
        completer.settle(TaskOutcome::Cancelled);
        assert_eq!(lines(&log).len(), HANDLE_WAITERS_MAX);
        handle.observe(refused).expect("it is called at once");
        assert_eq!(lines(&log).last().map(String::as_str), Some("refused: Cancelled"));
    }

    fn a_task_that_never_ends_drops_its_observers_uncalled() {
        let ((completer, handle), owned) = (Text::pending(), Arc::new(()));
        let theirs = owned.clone();
        handle.observe(move |_| panic!("{theirs:?} was called")).expect("there is room");
        drop(completer);
        assert_eq!((Arc::strong_count(&owned), handle.is_settled()), (2, false));
        drop(handle);
        assert_eq!(Arc::strong_count(&owned), 1);
    }

    fn a_handle_crosses_threads_with_values_that_do() {
        fn crosses<T: Send + Sync>() {}
        crosses::<Text>();
    }
}

/// Long enough for a thread to reach what it waits for; nothing is asserted about it.
const A_WHILE: Duration = Duration::from_millis(30);

valk_harness::test! {
    fn all_who_wait_wake_up() {
        let (completer, handle) = Text::pending();
        // An observer that blocks until the threads have gone on: they are woken before it.
        let meeting = Arc::new(Barrier::new(4));
        let waiters: Vec<_> = (0..3)
            .map(|number| {
                let (theirs, meeting) = (handle.clone(), meeting.clone());
                thread::spawn(move || {
                    let outcome = match number {
                        0 => theirs.wait_for(Duration::from_hours(1)).cloned(),
                        1 => theirs.wait_for(Duration::MAX).cloned(),
                        _ => Some(theirs.wait().clone()),
                    };
                    meeting.wait();
                    outcome
                })
            })
            .collect();
        let meet = move |_: &TaskOutcome<String>| {
            meeting.wait();
        };
        handle.observe(meet).expect("there is room");
        std::thread::sleep(A_WHILE);
        completer.settle(completed("x"));
        for waiter in waiters {
            assert_eq!(waiter.join().expect("it does not panic"), Some(completed("x")));
        }
    }

    fn a_thread_that_waited_in_vain_leaves_no_waiter() {
        let ((completer, handle), log) = (Text::pending(), Log::default());
        for _ in 0..HANDLE_WAITERS_MAX {
            assert_eq!(handle.wait_for(Duration::ZERO), None);
        }
        handle.observe(note(&log, "last")).expect("there is room");
        completer.settle(completed("x"));
        assert_eq!(lines(&log), [r#"last: Completed("x")"#]);
    }
}

/// Tasks of the stress run; Miri is some thousand times slower.
const STRESS_TASKS: usize = if cfg!(miri) { 10 } else { 2_000 };
const STRESS_THREADS: usize = 4;

valk_harness::test! {
    fn one_of_four_threads_ends_each_task_and_all_observers_are_called() {
        let (completers, handles): (Vec<_>, Vec<_>) =
            (0..STRESS_TASKS).map(|_| Handle::<usize>::pending()).unzip();
        let completers: Vec<_> = completers.into_iter().map(|one| Mutex::new(Some(one))).collect();
        let shared = Arc::new((completers, handles));
        let (calls, start) =
            (Arc::new(AtomicUsize::new(0)), Arc::new(Barrier::new(STRESS_THREADS)));
        let threads: Vec<_> = (0..STRESS_THREADS)
            .map(|_| {
                let (shared, calls, start) = (shared.clone(), calls.clone(), start.clone());
                thread::spawn(move || {
                    start.wait();
                    for (number, handle) in shared.1.iter().enumerate() {
                        let counted = calls.clone();
                        let count = move |outcome: &TaskOutcome<usize>| {
                            assert_eq!(*outcome, TaskOutcome::Completed(number));
                            counted.fetch_add(1, SeqCst);
                        };
                        handle.observe(count).expect("there is room");
                        let completer = shared.0[number].lock().expect("not poisoned").take();
                        if let Some(completer) = completer {
                            completer.settle(TaskOutcome::Completed(number));
                        }
                        assert_eq!(*handle.wait(), TaskOutcome::Completed(number));
                    }
                })
            })
            .collect();
        for thread in threads {
            thread.join().expect("it does not panic");
        }
        assert_eq!(calls.load(SeqCst), STRESS_TASKS * STRESS_THREADS);
    }
}
