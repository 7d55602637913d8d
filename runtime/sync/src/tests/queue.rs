//! The queue with one thread, its edges, and one stress run bounded by a count of items.

use crate::limits::{QUEUE_SLOTS_DEFAULT, QUEUE_SLOTS_MAX};
use crate::queue::{Full, Queue};
use crate::shim::thread;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Barrier};

fn fill<T>(queue: &Queue<T>, items: impl IntoIterator<Item = T>) {
    for item in items {
        queue.try_push(item).expect("a free slot");
    }
}

fn pop_all<T>(queue: &Queue<T>) -> Vec<T> {
    std::iter::from_fn(|| queue.try_pop()).collect()
}

fn drain<T>(queue: &Queue<T>, max: usize) -> Vec<T> {
    let mut taken = Vec::new();
    let count = queue.drain(max, |item| taken.push(item));
    assert_eq!(count, taken.len());
    taken
}

valk_harness::test! {
    fn first_in_is_first_out() {
        let queue = Queue::with_slots(8);
        fill(&queue, 0..8);
        assert_eq!(pop_all(&queue), [0, 1, 2, 3, 4, 5, 6, 7]);
        assert_eq!(queue.try_pop(), None);
    }

    fn a_full_queue_gives_the_item_back_and_goes_on() {
        let queue = Queue::with_slots(2);
        fill(&queue, [Box::new(0), Box::new(1)]);
        assert_eq!(queue.try_push(Box::new(2)), Err(Full(Box::new(2))));
        assert_eq!(queue.len(), 2);
        assert_eq!(queue.try_pop(), Some(Box::new(0)));
        fill(&queue, [Box::new(3)]);
        assert_eq!(queue.try_push(Box::new(4)), Err(Full(Box::new(4))));
        assert_eq!(pop_all(&queue), [Box::new(1), Box::new(3)]);
    }

    fn one_slot_is_enough() {
        let queue = Queue::with_slots(1);
        for round in 0..5 {
            assert_eq!(queue.try_pop(), None);
            fill(&queue, [round]);
            assert_eq!(queue.try_push(9), Err(Full(9)));
            assert_eq!(drain(&queue, 5), [round]);
        }
    }

    fn slots_are_used_again_for_ever() {
        let queue = Queue::with_slots(4);
        fill(&queue, 0..3);
        for item in 3..10_000 {
            fill(&queue, [item]);
            assert_eq!(queue.try_pop(), Some(item - 3));
        }
        assert_eq!(pop_all(&queue), [9_997, 9_998, 9_999]);
    }

    fn a_drain_takes_the_oldest_and_no_more_than_asked_for() {
        let queue = Queue::with_slots(8);
        assert_eq!(drain(&queue, 3), [0; 0]);
        fill(&queue, 0..5);
        assert_eq!(drain(&queue, 0), [0; 0]);
        assert_eq!(drain(&queue, 3), [0, 1, 2]);
        fill(&queue, 5..8);
        assert_eq!(drain(&queue, usize::MAX), [3, 4, 5, 6, 7], "across the end of the ring");
        fill(&queue, 8..16);
        assert_eq!(drain(&queue, 100), [8, 9, 10, 11, 12, 13, 14, 15], "a whole round and no more");
        assert_eq!(queue.try_pop(), None);
    }

    fn what_is_pushed_during_a_drain_is_left_for_the_next() {
        let queue = Queue::with_slots(2);
        fill(&queue, [0, 1]);
        let again = |item| fill(&queue, [item + 10]);
        assert_eq!(queue.drain(100, again), 2);
        assert_eq!(pop_all(&queue), [10, 11]);
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
    fn a_panic_in_a_drain_drops_the_rest_and_frees_the_slots() {
        let drops = Arc::new(AtomicUsize::new(0));
        let queue = Queue::with_slots(4);
        fill(&queue, (0..4).map(|_| Counted(drops.clone())));
        let receive = |_| assert!(drops.load(SeqCst) == 0, "the second one is too much");
        let drained = catch_unwind(AssertUnwindSafe(|| queue.drain(3, receive)));
        assert!(drained.is_err());
        assert_eq!((drops.load(SeqCst), queue.len()), (3, 1));
        fill(&queue, (0..3).map(|_| Counted(drops.clone())));
        assert_eq!(queue.len(), queue.slots());
    }

    fn a_dropped_queue_drops_what_is_left() {
        let drops = Arc::new(AtomicUsize::new(0));
        let queue = Queue::with_slots(4);
        fill(&queue, (0..4).map(|_| Counted(drops.clone())));
        drop(queue.try_pop());
        assert_eq!(drops.load(SeqCst), 1);
        fill(&queue, [Counted(drops.clone())]);
        let refused = queue.try_push(Counted(drops.clone()));
        assert_eq!(drops.load(SeqCst), 1);
        drop(refused);
        assert_eq!(drops.load(SeqCst), 2);
        drop(queue);
        assert_eq!(drops.load(SeqCst), 6);
    }

    fn a_new_queue_has_the_documented_limit() {
        let queue = Queue::default();
        fill(&queue, 0..QUEUE_SLOTS_DEFAULT);
        assert_eq!(queue.try_push(0), Err(Full(0)));
        assert_eq!((queue.len(), queue.slots()), (4096, 4096));
    }

    fn sizes_are_checked() {
        for slots in [0, 3, QUEUE_SLOTS_MAX * 2] {
            let refused = catch_unwind(|| Queue::<usize>::with_slots(slots));
            let panic = refused.expect_err("a bad size is refused");
            let message = panic.downcast_ref::<String>().expect("a formatted message");
            assert!(message.contains(&format!("{slots} slots was asked for")), "{message}");
        }
        assert_eq!(Queue::<u8>::with_slots(QUEUE_SLOTS_MAX).slots(), 1 << 20);
    }

    fn full_says_what_to_do() {
        let refused = Full(1);
        assert_eq!(
            refused.to_string(),
            "the queue is full and the item was not queued; \
             fail the operation, or wait until a consumer has made room"
        );
        assert_eq!(format!("{refused:?}"), "Full(..)");
    }

    fn a_queue_shows_its_length() {
        let queue = Queue::with_slots(4);
        assert!(queue.is_empty());
        fill(&queue, 0..3);
        assert!(!queue.is_empty());
        assert_eq!(format!("{queue:?}"), "Queue { len: 3, slots: 4, .. }");
    }

    fn a_queue_crosses_threads_with_items_that_do() {
        fn is_send<T: Send>() {}
        fn is_sync<T: Sync>() {}
        is_send::<Queue<Cell<u8>>>();
        is_sync::<Queue<Cell<u8>>>();
    }
}

/// Items of each producer of the stress run; Miri is some thousand times slower.
const STRESS_ITEMS: usize = if cfg!(miri) { 100 } else { 30_000 };
const STRESS_PRODUCERS: usize = 2;
const STRESS_CONSUMERS: usize = 2;

valk_harness::test! {
    fn two_producers_and_two_consumers_pass_each_item_once_and_in_order() {
        let queue = Arc::new(Queue::with_slots(16));
        let (running, start) =
            (Arc::new(AtomicUsize::new(STRESS_PRODUCERS)), Arc::new(Barrier::new(4)));
        for producer in 0..STRESS_PRODUCERS {
            let (queue, running, start) = (queue.clone(), running.clone(), start.clone());
            thread::spawn(move || {
                start.wait();
                for number in 0..STRESS_ITEMS {
                    let mut item = Box::new((producer, number));
                    while let Err(Full(back)) = queue.try_push(item) {
                        item = back;
                        thread::yield_now();
                    }
                }
                running.fetch_sub(1, SeqCst);
            });
        }
        let consumers: Vec<_> = (0..STRESS_CONSUMERS)
            .map(|consumer| {
                let (queue, running, start) = (queue.clone(), running.clone(), start.clone());
                thread::spawn(move || {
                    start.wait();
                    let mut seen = vec![Vec::new(); STRESS_PRODUCERS];
                    loop {
                        // Read before the attempt: a queue found empty afterwards stays empty.
                        let last_round = running.load(SeqCst) == 0;
                        let mut receive = |item: Box<(usize, usize)>| seen[item.0].push(item.1);
                        // One of them takes single items, the other batches.
                        let taken = if consumer == 0 {
                            queue.try_pop().map_or(0, |item| { receive(item); 1 })
                        } else {
                            queue.drain(5, receive)
                        };
                        if taken == 0 {
                            if last_round {
                                return seen;
                            }
                            thread::yield_now();
                        }
                    }
                })
            })
            .collect();
        let mut all = vec![Vec::new(); STRESS_PRODUCERS];
        for consumer in consumers {
            let seen = consumer.join().expect("consumers do not panic");
            for (all, seen) in all.iter_mut().zip(seen) {
                assert!(seen.is_sorted(), "a consumer sees a producer's items in their order");
                all.extend(seen);
            }
        }
        for mut items in all {
            items.sort_unstable();
            assert_eq!(items, (0..STRESS_ITEMS).collect::<Vec<_>>());
        }
    }
}
