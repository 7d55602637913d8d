//! The deque with one thread, its edges, and one stress run bounded by a count of items.

use crate::deque::{Full, Steal, Stealer, Word, Worker};
use crate::limits::{DEQUE_SLOTS_INITIAL, DEQUE_SLOTS_MAX};
use crate::shim::thread;
use std::cell::Cell;
use std::panic::catch_unwind;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Barrier};

/// A deque of 2 slots, so that the buffer grows and wraps soon.
fn small<T: Word>() -> Worker<T> {
    Worker::with_slots(2, 1024)
}

fn fill(deque: &Worker<usize>, items: impl IntoIterator<Item = usize>) {
    for item in items {
        deque.push(item).expect("below the limit");
    }
}

fn steal_all(thief: &Stealer<usize>) -> Vec<usize> {
    std::iter::from_fn(|| thief.steal().item()).collect()
}

valk_harness::test! {
    fn owner_takes_the_newest_first() {
        let deque = small();
        fill(&deque, 0..10);
        let taken: Vec<usize> = std::iter::from_fn(|| deque.pop()).collect();
        assert_eq!(taken, [9, 8, 7, 6, 5, 4, 3, 2, 1, 0]);
    }
}

valk_harness::test! {
    fn thieves_take_the_oldest_first() {
        let deque = small();
        fill(&deque, 0..10);
        assert_eq!(steal_all(&deque.stealer()), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
        assert_eq!(deque.stealer().steal(), Steal::Empty);
    }
}

valk_harness::test! {
    fn both_ends_meet_in_the_middle() {
        let deque = small();
        let thief = deque.stealer();
        fill(&deque, 0..5);
        assert_eq!(thief.steal(), Steal::Item(0));
        assert_eq!(deque.pop(), Some(4));
        assert_eq!(thief.steal(), Steal::Item(1));
        assert_eq!(deque.pop(), Some(3));
        assert_eq!(deque.pop(), Some(2));
        assert_eq!(deque.pop(), None);
        assert_eq!(thief.steal(), Steal::Empty);
    }
}

valk_harness::test! {
    fn empty_pops_leave_the_deque_usable() {
        let deque = small();
        for round in 0..5 {
            assert_eq!(deque.pop(), None);
            assert_eq!(deque.pop(), None);
            fill(&deque, [round]);
            assert_eq!(deque.len(), 1);
            assert_eq!(deque.pop(), Some(round));
        }
    }
}

valk_harness::test! {
    fn it_grows_by_doubling_and_keeps_order() {
        let deque = small();
        let mut sizes = vec![deque.slots()];
        for item in 0..9 {
            fill(&deque, [item]);
            if sizes.last() != Some(&deque.slots()) {
                sizes.push(deque.slots());
            }
        }
        assert_eq!(sizes, [2, 4, 8, 16]);
        assert_eq!(steal_all(&deque.stealer()), (0..9).collect::<Vec<_>>());
    }
}

valk_harness::test! {
    fn growth_while_wrapped_around_keeps_order() {
        let deque = Worker::with_slots(4, 8);
        let thief = deque.stealer();
        fill(&deque, 0..4);
        assert_eq!(thief.steal(), Steal::Item(0));
        assert_eq!(thief.steal(), Steal::Item(1));
        fill(&deque, 4..6);
        assert_eq!(deque.slots(), 4, "items 4 and 5 reuse stolen slots");
        fill(&deque, 6..8);
        assert_eq!(deque.slots(), 8);
        assert_eq!(steal_all(&thief), [2, 3, 4, 5, 6, 7]);
    }
}

valk_harness::test! {
    fn a_steady_flow_does_not_grow() {
        let deque = small();
        let thief = deque.stealer();
        for item in 0..10_000 {
            fill(&deque, [item]);
            assert_eq!(thief.steal(), Steal::Item(item));
        }
        assert_eq!(deque.slots(), 2);
    }
}

valk_harness::test! {
    fn a_full_deque_gives_the_item_back() {
        let deque = Worker::with_slots(1, 4);
        for item in 0..4 {
            deque.push(Box::new(item)).expect("below the limit");
        }
        assert_eq!(deque.push(Box::new(4)), Err(Full(Box::new(4))));
        assert_eq!(deque.len(), 4);
        assert_eq!(deque.stealer().steal(), Steal::Item(Box::new(0)));
        assert_eq!(deque.push(Box::new(5)), Ok(()));
        assert_eq!(deque.pop(), Some(Box::new(5)));
    }
}

valk_harness::test! {
    fn full_says_what_to_do() {
        let refused = Full(1);
        assert_eq!(
            refused.to_string(),
            "the deque is full at its slot limit and the item was not queued; \
             run it here, wait for thieves, or create the deque with a higher limit"
        );
        assert_eq!(format!("{refused:?}"), "Full(..)");
    }
}

valk_harness::test! {
    fn sizes_are_checked_and_rounded_up() {
        let deque = Worker::<usize>::with_slots(3, 5);
        assert_eq!(deque.slots(), 4);
        fill(&deque, 0..8);
        assert_eq!(deque.push(8), Err(Full(8)));
        for (initial, max) in [(0, 4), (4, 2), (1, DEQUE_SLOTS_MAX + 1)] {
            let refused = catch_unwind(|| Worker::<usize>::with_slots(initial, max));
            let panic = refused.expect_err("a bad size is refused");
            let message = panic.downcast_ref::<String>().expect("a formatted message");
            assert!(message.contains(&format!("{initial} to {max} slots")), "{message}");
        }
    }
}

valk_harness::test! {
    fn a_new_deque_has_the_documented_limits() {
        let deque = Worker::<usize>::default();
        assert_eq!(deque.slots(), DEQUE_SLOTS_INITIAL);
        assert!(deque.is_empty() && deque.stealer().is_empty());
    }
}

valk_harness::test! {
    fn lengths_follow_both_ends() {
        let deque = small();
        let thief = deque.stealer();
        fill(&deque, 0..3);
        assert_eq!((deque.len(), thief.len()), (3, 3));
        assert_eq!(thief.steal(), Steal::Item(0));
        assert_eq!((deque.len(), thief.len()), (2, 2));
        assert!(!deque.is_empty() && !thief.is_empty());
        assert_eq!(format!("{deque:?} {thief:?}"), "Worker { len: 2, slots: 4, .. } Stealer { len: 2, .. }");
    }
}

valk_harness::test! {
    fn steal_outcomes_as_options() {
        assert_eq!(Steal::Item(1).item(), Some(1));
        assert_eq!(Steal::<u8>::Retry.item(), None);
        assert_eq!(Steal::<u8>::Empty.item(), None);
    }
}

/// Counts its drops in the cell it points to.
struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_add(1, SeqCst);
    }
}

valk_harness::test! {
    fn items_of_any_size_travel_in_boxes_and_are_dropped_once() {
        let drops = Arc::new(AtomicUsize::new(0));
        let deque = small();
        for id in 0..7_u64 {
            deque.push(Box::new(([id; 9], Counted(drops.clone())))).expect("below the limit");
        }
        let stolen = deque.stealer().steal().item().expect("seven items");
        let popped = deque.pop().expect("six items");
        assert_eq!((stolen.0, popped.0), ([0; 9], [6; 9]));
        assert_eq!(drops.load(SeqCst), 0);
        drop((stolen, popped));
        assert_eq!(drops.load(SeqCst), 2);
        drop(deque);
        assert_eq!(drops.load(SeqCst), 7);
    }
}

valk_harness::test! {
    fn shared_items_keep_their_counts() {
        let item = Arc::new(7);
        let deque = small();
        for _ in 0..3 {
            deque.push(Arc::clone(&item)).expect("below the limit");
        }
        assert_eq!(Arc::strong_count(&item), 4);
        assert_eq!(deque.pop().as_deref(), Some(&7));
        drop(deque);
        assert_eq!(Arc::strong_count(&item), 1);
    }
}

valk_harness::test! {
    fn thieves_outlive_the_owner() {
        let drops = Arc::new(AtomicUsize::new(0));
        let deque = small();
        for _ in 0..4 {
            deque.push(Box::new(Counted(drops.clone()))).expect("below the limit");
        }
        let thief = deque.stealer();
        let second = thief.clone();
        drop((deque, thief));
        assert_eq!(drops.load(SeqCst), 0);
        drop(second.steal());
        assert_eq!(drops.load(SeqCst), 1);
        drop(second);
        assert_eq!(drops.load(SeqCst), 4);
    }
}

valk_harness::test! {
    fn handles_cross_threads_as_promised() {
        fn is_send<T: Send>() {}
        fn is_sync<T: Sync>() {}
        is_send::<Worker<Box<Cell<u8>>>>();
        is_send::<Stealer<Box<Cell<u8>>>>();
        is_sync::<Stealer<Box<Cell<u8>>>>();
    }
}

/// Items of the stress run; Miri is some thousand times slower.
const STRESS_ITEMS: usize = if cfg!(miri) { 300 } else { 1_000_000 };
const STRESS_THIEVES: usize = 4;

valk_harness::test! {
    fn one_owner_and_four_thieves_take_each_item_once() {
        let deque = Worker::<Box<usize>>::with_slots(2, STRESS_ITEMS.next_power_of_two());
        let taken: Arc<Vec<AtomicUsize>> =
            Arc::new((0..STRESS_ITEMS).map(|_| AtomicUsize::new(0)).collect());
        let pushed_all = Arc::new(AtomicBool::new(false));
        let start = Arc::new(Barrier::new(STRESS_THIEVES + 1));
        let thieves: Vec<_> = (0..STRESS_THIEVES)
            .map(|_| {
                let (thief, taken) = (deque.stealer(), taken.clone());
                let (pushed_all, start) = (pushed_all.clone(), start.clone());
                thread::spawn(move || {
                    let mut sum = 0;
                    start.wait();
                    loop {
                        // Read before the attempt: an empty deque afterwards stays empty.
                        let last_round = pushed_all.load(SeqCst);
                        match thief.steal() {
                            Steal::Item(item) => {
                                taken[*item].fetch_add(1, SeqCst);
                                sum += *item;
                            }
                            Steal::Retry => {}
                            Steal::Empty if last_round => return sum,
                            Steal::Empty => thread::yield_now(),
                        }
                    }
                })
            })
            .collect();
        start.wait();
        let mut sum = 0;
        let mut take = |item: Option<Box<usize>>| {
            if let Some(item) = item {
                taken[*item].fetch_add(1, SeqCst);
                sum += *item;
            }
        };
        for item in 0..STRESS_ITEMS {
            deque.push(Box::new(item)).expect("room for all items");
            if item % 3 == 0 {
                take(deque.pop());
            }
        }
        while !deque.is_empty() {
            take(deque.pop());
        }
        pushed_all.store(true, SeqCst);
        for thief in thieves {
            sum += thief.join().expect("a thief panicked");
        }
        assert_eq!(sum, STRESS_ITEMS * (STRESS_ITEMS - 1) / 2);
        assert!(taken.iter().all(|count| count.load(SeqCst) == 1));
    }
}

valk_harness::test! {
    /// Two thieves at one deque until one of them loses an item to the other.
    fn a_thief_that_loses_the_race_is_told_to_try_again() {
        let deque = Worker::<usize>::with_slots(64, 64);
        let lost = Arc::new(AtomicBool::new(false));
        let thieves: Vec<_> = (0..2)
            .map(|_| {
                let (thief, lost) = (deque.stealer(), lost.clone());
                thread::spawn(move || {
                    let mut stolen = 0;
                    while !lost.load(SeqCst) {
                        match thief.steal() {
                            Steal::Item(_) => stolen += 1,
                            Steal::Retry => lost.store(true, SeqCst),
                            Steal::Empty => thread::yield_now(),
                        }
                    }
                    stolen
                })
            })
            .collect();
        let mut pushed = 0;
        while !lost.load(SeqCst) {
            match deque.push(pushed) {
                Ok(()) => pushed += 1,
                Err(Full(_)) => thread::yield_now(),
            }
        }
        let mut taken = 0;
        for thief in thieves {
            taken += thief.join().expect("thieves do not panic");
        }
        while deque.pop().is_some() {
            taken += 1;
        }
        assert_eq!(taken, pushed, "the lost item went to the other thief");
    }
}
