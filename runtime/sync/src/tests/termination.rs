//! The termination detector with real threads; the models cover the interleavings.

use crate::deque::{Steal, Stealer, Worker};
use crate::limits::TERMINATION_WORKERS_MAX;
use crate::shim::thread;
use crate::termination::{OfferResult, TerminationDetector};
use std::fmt::Debug;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, mpsc};

/// The message of the panic that `call` ends in.
fn panic_of<R: Debug>(call: impl FnOnce() -> R) -> String {
    let panic = catch_unwind(AssertUnwindSafe(call)).expect_err("it panics");
    panic
        .downcast_ref::<String>()
        .cloned()
        .unwrap_or_else(|| (*panic.downcast_ref::<&str>().expect("a message")).to_owned())
}

valk_harness::test! {
    fn a_worker_alone_ends_at_once_and_does_not_come_back() {
        let detector = TerminationDetector::new(1);
        detector.announce_work();
        assert_eq!((detector.workers(), detector.offers()), (1, 0));
        assert_eq!(detector.offer_termination(|| panic!("there is no worker to steal from")), OfferResult::Ended);
        assert_eq!(detector.offers(), 1);
        let message = panic_of(|| detector.offer_termination(|| false));
        assert!(message.contains("rule 3 of termination"), "{message}");
    }

    fn a_worker_that_sees_work_is_busy_again() {
        let detector = TerminationDetector::new(2);
        for _ in 0..3 {
            let seen = detector.offer_termination(|| {
                assert_eq!(detector.offers(), 1, "it has offered while it looks");
                true
            });
            assert_eq!((seen, detector.offers()), (OfferResult::Resume, 0));
        }
    }

    fn sizes_are_checked() {
        for workers in [0, TERMINATION_WORKERS_MAX + 1] {
            let message = panic_of(|| TerminationDetector::new(workers));
            assert!(message.contains(&format!("{workers} workers was asked for")), "{message}");
        }
        let detector = TerminationDetector::new(TERMINATION_WORKERS_MAX);
        assert_eq!(
            format!("{detector:?}"),
            "TerminationDetector { workers: 64, offers: 0, .. }"
        );
    }
}

/// Long enough for a thread to reach what it waits for; nothing is asserted about it.
const A_WHILE: std::time::Duration = std::time::Duration::from_millis(30);

/// A thread that offers to terminate; it sees work when `work` says so, and reports each time it
/// looks.
fn offering(
    detector: &Arc<TerminationDetector>,
    work: &Arc<AtomicBool>,
) -> (thread::JoinHandle<OfferResult>, mpsc::Receiver<()>) {
    let (detector, work, (tell, looks)) = (detector.clone(), work.clone(), mpsc::channel());
    let offer = move || {
        detector.offer_termination(|| {
            let seen = work.load(SeqCst);
            tell.send(()).expect("the test listens");
            seen
        })
    };
    (thread::spawn(offer), looks)
}

valk_harness::test! {
    fn the_last_offer_ends_those_who_sleep() {
        let detector = Arc::new(TerminationDetector::new(2));
        let (other, looks) = offering(&detector, &Arc::default());
        looks.recv().expect("it looks before it sleeps");
        std::thread::sleep(A_WHILE);
        assert_eq!(detector.offer_termination(|| panic!("there is no worker left to look at")), OfferResult::Ended);
        assert_eq!(other.join().expect("no rule was broken"), OfferResult::Ended);
        assert_eq!(detector.offers(), 2);
    }

    fn an_announcement_has_a_sleeper_look_again() {
        let (detector, work) = (Arc::new(TerminationDetector::new(2)), Arc::default());
        let (other, looks) = offering(&detector, &work);
        looks.recv().expect("it looks before it sleeps");
        // Nothing to see: it looks and sleeps again.
        detector.announce_work();
        looks.recv().expect("it looks again");
        work.store(true, SeqCst);
        detector.announce_work();
        looks.recv().expect("it looks again");
        assert_eq!(other.join().expect("no rule was broken"), OfferResult::Resume);
        assert_eq!(detector.offers(), 0);
    }

    fn work_seen_at_the_end_is_no_work() {
        let detector = Arc::new(TerminationDetector::new(2));
        let (theirs, (look, looking), (go, gone)) =
            (detector.clone(), mpsc::channel(), mpsc::channel());
        let other = thread::spawn(move || {
            theirs.offer_termination(|| {
                look.send(()).expect("the test listens");
                gone.recv().expect("the test says when");
                true
            })
        });
        looking.recv().expect("it looks");
        assert_eq!(detector.offer_termination(|| false), OfferResult::Ended);
        go.send(()).expect("it waits");
        assert_eq!(other.join().expect("no rule was broken"), OfferResult::Ended);
    }
}

/// Items of the stress run; Miri is some thousand times slower.
const STRESS_ITEMS: usize = if cfg!(miri) { 200 } else { 60_000 };
const STRESS_WORKERS: usize = 4;

/// Steals one item from another worker.
fn steal(others: &[Stealer<usize>]) -> Option<usize> {
    for other in others {
        loop {
            match other.steal() {
                Steal::Item(item) => return Some(item),
                Steal::Retry => thread::yield_now(),
                Steal::Empty => break,
            }
        }
    }
    None
}

valk_harness::test! {
    /// A tree of items: `n` has the children `2n` and `2n + 1`. Each worker ends when all are done.
    fn four_workers_end_when_the_whole_tree_is_done() {
        let detector = Arc::new(TerminationDetector::new(STRESS_WORKERS));
        let done = Arc::new(AtomicUsize::new(0));
        let deques: Vec<_> = (0..STRESS_WORKERS).map(|_| Worker::<usize>::new()).collect();
        let stealers: Vec<_> = deques.iter().map(Worker::stealer).collect();
        deques[0].push(1).expect("there is room");
        let threads: Vec<_> = deques
            .into_iter()
            .map(|own| {
                let (detector, done, others) = (detector.clone(), done.clone(), stealers.clone());
                thread::spawn(move || {
                    loop {
                        while let Some(item) = own.pop().or_else(|| steal(&others)) {
                            for child in [2 * item, 2 * item + 1] {
                                if child <= STRESS_ITEMS {
                                    own.push(child).expect("there is room");
                                    detector.announce_work();
                                }
                            }
                            done.fetch_add(1, SeqCst);
                        }
                        match detector.offer_termination(|| others.iter().any(|other| !other.is_empty())) {
                            OfferResult::Resume => {}
                            OfferResult::Ended => return done.load(SeqCst),
                        }
                    }
                })
            })
            .collect();
        for thread in threads {
            assert_eq!(thread.join().expect("no rule was broken"), STRESS_ITEMS);
        }
        assert!(stealers.iter().all(Stealer::is_empty));
    }
}
