//! The completion with one thread, its edges, and real threads; the models cover the interleavings.

use crate::completion::{Completion, Full, Late, Outcome};
use crate::limits::COMPLETION_OBSERVERS_MAX;
use crate::shim::thread;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Barrier, Mutex};

type Text = Completion<String, String>;

fn resolved(value: &str) -> Outcome<String, String> {
    Outcome::Resolved(value.into())
}

valk_harness::test! {
    fn an_operation_ends_once_in_one_of_three_ways() {
        let cells = [Text::new(), Text::new(), Text::default()];
        assert!(cells.iter().all(|cell| !cell.is_settled() && cell.outcome().is_none()));
        assert_eq!(cells[0].resolve("value".into()), Ok(()));
        assert_eq!(cells[1].reject("error".into()), Ok(()));
        assert_eq!(cells[2].cancel(), Ok(()));
        for cell in &cells {
            assert_eq!(cell.resolve("late".into()), Err(Late("late".into())));
            assert_eq!(cell.reject("later".into()), Err(Late("later".into())));
            assert_eq!(cell.cancel(), Err(Late(())));
        }
        let outcomes = [resolved("value"), Outcome::Rejected("error".into()), Outcome::Cancelled];
        for (cell, outcome) in cells.iter().zip(&outcomes) {
            assert_eq!((cell.outcome(), cell.wait()), (Some(outcome), outcome));
            assert!(cell.is_settled());
        }
    }
}

/// Texts in the order in which observers wrote them.
type Log = Arc<Mutex<Vec<String>>>;

/// An observer that notes its name and the outcome.
fn note(log: &Log, name: &str) -> impl FnOnce(&Outcome<String, String>) + Send + 'static + use<> {
    let (log, name) = (log.clone(), name.to_owned());
    move |outcome| log.lock().expect("not poisoned").push(format!("{name}: {outcome:?}"))
}

fn lines(log: &Log) -> Vec<String> {
    log.lock().expect("not poisoned").clone()
}

valk_harness::test! {
    fn observers_are_called_once_and_in_order() {
        let (cell, log) = (Text::new(), Log::default());
        for name in ["first", "second"] {
            cell.observe(note(&log, name)).expect("there is room");
        }
        assert_eq!(lines(&log), [""; 0]);
        cell.resolve("x".into()).expect("it is pending");
        let told = [r#"first: Resolved("x")"#, r#"second: Resolved("x")"#];
        assert_eq!(lines(&log), told);
        cell.observe(note(&log, "late")).expect("it is called at once");
        assert_eq!(cell.cancel(), Err(Late(())));
        assert_eq!(lines(&log), [told[0], told[1], r#"late: Resolved("x")"#]);
    }

    fn an_observer_may_use_the_completion() {
        let (cell, log) = (Arc::new(Text::new()), Log::default());
        let (inner, inner_log) = (cell.clone(), log.clone());
        cell.observe(move |outcome| {
            assert_eq!(inner.wait(), outcome);
            assert_eq!(inner.cancel(), Err(Late(())));
            inner.observe(note(&inner_log, "inner")).expect("it is called at once");
        })
        .expect("there is room");
        cell.cancel().expect("it is pending");
        assert_eq!(lines(&log), ["inner: Cancelled"]);
    }

    fn a_panic_of_one_observer_does_not_keep_the_others_from_being_called() {
        let (cell, log) = (Text::new(), Log::default());
        cell.observe(note(&log, "first")).expect("there is room");
        cell.observe(|_| panic!("an observer's")).expect("there is room");
        cell.observe(note(&log, "third")).expect("there is room");
        let ended = catch_unwind(AssertUnwindSafe(|| cell.cancel()));
        assert_eq!(ended.expect_err("it goes on").downcast_ref(), Some(&"an observer's"));
        assert_eq!(lines(&log), ["first: Cancelled", "third: Cancelled"]);
        assert_eq!(cell.outcome(), Some(&Outcome::Cancelled));
    }

    fn observers_are_bounded_and_come_back() {
        let (cell, log) = (Text::new(), Log::default());
        for _ in 0..COMPLETION_OBSERVERS_MAX {
            cell.observe(note(&log, "one of many")).expect("there is room");
        }
        let Err(Full(refused)) = cell.observe(note(&log, "refused")) else {
            panic!("there is no room");
        };
        cell.cancel().expect("it is pending");
        assert_eq!(lines(&log).len(), COMPLETION_OBSERVERS_MAX);
        cell.observe(refused).expect("it is called at once");
        assert_eq!(lines(&log).last().map(String::as_str), Some("refused: Cancelled"));
    }

    fn a_pending_completion_drops_its_observers_uncalled() {
        let (cell, owned) = (Text::new(), Arc::new(()));
        let theirs = owned.clone();
        cell.observe(move |_| panic!("{theirs:?} was called")).expect("there is room");
        assert_eq!(Arc::strong_count(&owned), 2);
        drop(cell);
        assert_eq!(Arc::strong_count(&owned), 1);
    }

    fn refusals_and_states_are_told() {
        assert_eq!(
            Late(()).to_string(),
            "the operation has ended already; its first outcome stands"
        );
        assert_eq!(
            Full(()).to_string(),
            "4096 observers wait for this operation already, which is the most there can be; \
             have one of them pass the outcome on"
        );
        assert_eq!(format!("{:?} {:?}", Late(1), Full(1)), "Late(..) Full(..)");
        assert_eq!(format!("{:?}", Text::new()), "Completion { is_settled: false, .. }");
    }

    fn a_completion_crosses_threads_with_values_that_do() {
        fn is_send<T: Send>() {}
        fn is_sync<T: Sync>() {}
        is_send::<Completion<Cell<u8>, Cell<u8>>>();
        is_sync::<Text>();
    }
}

/// Long enough for a thread to reach what it waits for; nothing is asserted about it.
const A_WHILE: std::time::Duration = std::time::Duration::from_millis(30);

valk_harness::test! {
    fn all_who_wait_wake_up() {
        let cell = Arc::new(Text::new());
        let waiters: Vec<_> = (0..3)
            .map(|_| {
                let theirs = cell.clone();
                thread::spawn(move || theirs.wait().clone())
            })
            .collect();
        std::thread::sleep(A_WHILE);
        cell.resolve("x".into()).expect("it is pending");
        for waiter in waiters {
            assert_eq!(waiter.join().expect("it does not panic"), resolved("x"));
        }
    }
}

/// Operations of the stress run; Miri is some thousand times slower.
const STRESS_OPERATIONS: usize = if cfg!(miri) { 10 } else { 2_000 };
const STRESS_THREADS: usize = 4;

valk_harness::test! {
    fn of_four_threads_one_ends_each_operation_and_all_observers_are_called() {
        type Number = Completion<usize, usize>;
        let cells: Arc<Vec<Number>> =
            Arc::new((0..STRESS_OPERATIONS).map(|_| Completion::new()).collect());
        let (calls, start) =
            (Arc::new(AtomicUsize::new(0)), Arc::new(Barrier::new(STRESS_THREADS)));
        let threads: Vec<_> = (0..STRESS_THREADS)
            .map(|number| {
                let (cells, calls, start) = (cells.clone(), calls.clone(), start.clone());
                thread::spawn(move || {
                    start.wait();
                    let mut won = 0;
                    for cell in cells.iter() {
                        let counted = calls.clone();
                        cell.observe(move |_| { counted.fetch_add(1, SeqCst); })
                            .expect("there is room");
                        match cell.resolve(number) {
                            Ok(()) => won += 1,
                            Err(Late(back)) => assert_eq!(back, number),
                        }
                        assert!(matches!(cell.wait(), Outcome::Resolved(_)));
                    }
                    won
                })
            })
            .collect();
        let won: usize = threads.into_iter().map(|one| one.join().expect("it does not panic")).sum();
        assert_eq!(won, STRESS_OPERATIONS);
        assert_eq!(calls.load(SeqCst), STRESS_OPERATIONS * STRESS_THREADS);
    }
}
