//! The coordinator with real threads; the models cover the interleavings.

use crate::coordinator::{CollectOutcome, Coordinator, RegisterError};
use crate::limits::MUTATORS_MAX;
use crate::shim::thread;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

valk_harness::test! {
    fn slots_are_lowest_free_and_bounded() {
        let coordinator = Coordinator::new();
        let mut mutators: Vec<_> =
            (0..MUTATORS_MAX).map(|_| coordinator.register().expect("a free slot")).collect();
        assert_eq!(coordinator.register().err(), Some(RegisterError::Full));
        mutators.remove(5).leave();
        assert_eq!(coordinator.register().map(|mutator| mutator.slot()), Ok(5));
    }
}

valk_harness::test! {
    fn shutdown_refuses_collections_and_threads() {
        let coordinator = Coordinator::new();
        let mut mutator = coordinator.register().expect("a free slot");
        let mut participants = 0;
        let led = mutator.collect(|world| participants = world.participants());
        assert_eq!((led, participants), (CollectOutcome::Led(()), 1));
        coordinator.begin_shutdown();
        assert!(coordinator.is_shutting_down());
        assert_eq!(mutator.collect(|_| ()), CollectOutcome::Refused);
        assert_eq!(coordinator.register().err(), Some(RegisterError::ShuttingDown));
    }
}

/// Collections asked for by each thread of the stress run.
const STRESS_WISHES: usize = 300;

valk_harness::test! {
    fn four_threads_collect_visit_native_code_and_return() {
        let coordinator = Coordinator::new();
        let led = std::sync::Arc::new(AtomicUsize::new(0));
        let threads: Vec<_> = (0..4)
            .map(|_| {
                let (coordinator, led) = (coordinator.clone(), led.clone());
                thread::spawn(move || {
                    let mut mutator = coordinator.register().expect("a free slot");
                    for _ in 0..STRESS_WISHES {
                        mutator.blocking(thread::yield_now);
                        mutator.safepoint();
                        let outcome = mutator.collect(|world| {
                            let arrivals = AtomicUsize::new(0);
                            world.parallel(|_| { arrivals.fetch_add(1, SeqCst); });
                            assert_eq!(arrivals.load(SeqCst), world.participants());
                            led.fetch_add(1, SeqCst);
                        });
                        assert_ne!(outcome, CollectOutcome::Refused);
                    }
                })
            })
            .collect();
        for thread in threads {
            thread.join().expect("no rule was broken");
        }
        assert_eq!(coordinator.members(), 0);
        assert!(led.load(SeqCst) >= STRESS_WISHES);
    }
}

valk_harness::test! {
    fn a_mutator_that_only_polls_stops_and_one_in_a_blocking_section_is_frozen() {
        let coordinator = Coordinator::new();
        let mut leader = coordinator.register().expect("a free slot");
        let over = std::sync::Arc::new(AtomicUsize::new(0));
        let (theirs, ended) = (coordinator.clone(), over.clone());
        let polling = thread::spawn(move || {
            let mut mutator = theirs.register().expect("a free slot");
            while ended.load(SeqCst) == 0 {
                mutator.safepoint();
                thread::yield_now();
            }
        });
        leader.blocking(|| while coordinator.members() < 2 { thread::yield_now() });
        let (stay, leave) = std::sync::mpsc::channel::<()>();
        let theirs = coordinator.clone();
        let visiting = thread::spawn(move || {
            let mut mutator = theirs.register().expect("a free slot");
            mutator.blocking(|| leave.recv().expect("told to leave"));
        });
        leader.blocking(|| while coordinator.members() < 3 { thread::yield_now() });
        let mut seen = Vec::new();
        // Until it is in a blocking section the third one would be waited for.
        while seen.is_empty() {
            let outcome = leader.collect(|world| {
                assert!(format!("{world:?}").contains("World"));
                seen = world.frozen().collect();
                assert_eq!(world.participants() + seen.len(), 3);
                let arrivals = AtomicUsize::new(0);
                world.parallel(|participant| {
                    assert!(participant.index < participant.count);
                    arrivals.fetch_add(1, SeqCst);
                });
                assert_eq!(arrivals.load(SeqCst), world.participants());
            });
            assert_eq!(outcome, CollectOutcome::Led(()));
        }
        assert_eq!(seen, [2]);
        over.store(1, SeqCst);
        stay.send(()).expect("it waits");
        leader.blocking(|| coordinator.wait_for_members(1));
        polling.join().expect("no rule was broken");
        visiting.join().expect("no rule was broken");
        assert!(format!("{leader:?} {coordinator:?}").contains("members: 1"));
    }

    fn refusals_say_what_to_do() {
        assert!(RegisterError::Full.to_string().contains("let one of them end first"));
        assert!(RegisterError::ShuttingDown.to_string().contains("shutting down"));
        assert_eq!(Coordinator::default().members(), 0);
    }
}

/// Long enough for a thread to reach what it waits for; nothing is asserted about it.
const A_WHILE: std::time::Duration = std::time::Duration::from_millis(30);

valk_harness::test! {
    fn who_comes_in_the_middle_of_a_collection_waits_for_its_end() {
        let coordinator = Coordinator::new();
        let mut leader = coordinator.register().expect("a free slot");
        let over = std::sync::Arc::new(AtomicUsize::new(0));
        let (back, wait) = std::sync::mpsc::channel::<()>();
        let (theirs, ended) = (coordinator.clone(), over.clone());
        let visiting = thread::spawn(move || {
            let mut mutator = theirs.register().expect("a free slot");
            mutator.blocking(|| wait.recv().expect("told to come back"));
            assert_eq!(ended.load(SeqCst), 1, "back before the collection was over");
        });
        leader.blocking(|| while coordinator.members() < 2 { thread::yield_now() });
        let (theirs, ended) = (coordinator.clone(), over.clone());
        let mut late = None;
        let outcome = leader.collect(|world| {
            assert_eq!(world.frozen().count() + world.participants(), 2);
            back.send(()).expect("it waits");
            late = Some(thread::spawn(move || {
                let mutator = theirs.register().expect("a free slot");
                assert_eq!(ended.load(SeqCst), 1, "registered before the collection was over");
                mutator.leave();
            }));
            std::thread::sleep(A_WHILE);
            over.store(1, SeqCst);
        });
        assert_eq!(outcome, CollectOutcome::Led(()));
        leader.leave();
        late.expect("spawned above").join().expect("no rule was broken");
        visiting.join().expect("no rule was broken");
    }

    fn a_wish_during_a_request_is_part_of_it() {
        let coordinator = Coordinator::new();
        let mut leader = coordinator.register().expect("a free slot");
        let mut other = coordinator.register().expect("a free slot");
        let (running, runs) = std::sync::mpsc::channel();
        let joining = thread::spawn(move || {
            running.send(()).expect("awaited");
            // Neither polls nor leaves: the leader can only wait.
            std::thread::sleep(A_WHILE);
            other.collect(|_| ())
        });
        runs.recv().expect("it runs");
        let outcome = leader.collect(|world| assert_eq!(world.participants(), 2));
        assert_eq!(outcome, CollectOutcome::Led(()));
        leader.leave();
        assert_eq!(joining.join().expect("no rule was broken"), CollectOutcome::Joined);
    }

    fn entering_a_blocking_section_answers_a_request() {
        let coordinator = Coordinator::new();
        let mut leader = coordinator.register().expect("a free slot");
        let mut other = coordinator.register().expect("a free slot");
        let (running, runs) = std::sync::mpsc::channel();
        let (back, wait) = std::sync::mpsc::channel::<()>();
        let visiting = thread::spawn(move || {
            running.send(()).expect("awaited");
            std::thread::sleep(A_WHILE);
            other.blocking(|| wait.recv().expect("told to come back"));
        });
        runs.recv().expect("it runs");
        let outcome = leader.collect(|world| world.frozen().collect::<Vec<_>>());
        assert_eq!(outcome, CollectOutcome::Led(vec![1]));
        back.send(()).expect("it waits");
        leader.leave();
        visiting.join().expect("no rule was broken");
    }
}

valk_harness::test! {
    fn a_suspended_mutator_delays_nobody_and_may_be_told_twice() {
        let coordinator = Coordinator::new();
        let mut leader = coordinator.register().expect("room");
        let mut other = coordinator.register().expect("room");
        other.begin_blocking();
        other.begin_blocking();
        assert!(matches!(leader.collect(|world| world.frozen().count()), CollectOutcome::Led(1)));
        other.end_blocking();
        other.end_blocking();
        let poll_flag = other.poll_flag();
        assert!(!poll_flag.is_requested() && format!("{poll_flag:?}").contains("slot: 1"));
        coordinator.request_all();
        assert!(poll_flag.is_requested() && poll_flag.acknowledge() && !poll_flag.acknowledge() && !poll_flag.is_requested());
        other.begin_blocking();
        drop(other);
        assert_eq!(coordinator.members(), 1, "a mutator in a blocking section may end");
    }
}
