//! The free list with one thread, its edges, and one stress run bounded by a count of iterations.

use crate::limits::SLAB_SLOTS_MAX;
use crate::shim::thread;
use crate::slab::{Bucket, Index, NotInUse, Run, Slab, Statistics, changes_text};
use std::panic::catch_unwind;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

fn take(slab: &Slab, count: usize) -> Vec<Index> {
    (0..count).map(|_| slab.acquire().expect("a free slot")).collect()
}

fn positions(indices: &[Index]) -> Vec<usize> {
    indices.iter().map(|index| index.get()).collect()
}

valk_harness::test! {
    fn the_lowest_slots_come_first_and_then_the_last_put_back() {
        let slab = Slab::new(4);
        let out = take(&slab, 4);
        assert_eq!(positions(&out), [0, 1, 2, 3]);
        assert_eq!(slab.acquire(), None);
        for slot in [1, 3, 0] {
            assert_eq!(slab.release(out[slot]), Ok(()));
        }
        assert_eq!(positions(&take(&slab, 3)), [0, 3, 1]);
        assert_eq!(slab.acquire(), None);
    }

    fn one_slot_is_enough() {
        let slab = Slab::new(1);
        for _ in 0..3 {
            let only = slab.acquire().expect("a free slot");
            assert_eq!((only.get(), slab.acquire()), (0, None));
            assert_eq!(slab.release(only), Ok(()));
        }
    }

    fn a_slot_put_back_twice_is_told_and_nothing_changes() {
        let slab = Slab::new(3);
        let out = take(&slab, 2);
        assert_eq!(slab.release(out[0]), Ok(()));
        let before = slab.statistics();
        assert_eq!(slab.release(out[0]), Err(NotInUse(out[0])));
        assert_eq!(slab.statistics(), before);
        assert_eq!(positions(&take(&slab, 2)), [0, 2], "it is free once");
        assert_eq!(slab.acquire(), None);
    }

    fn an_index_of_a_larger_slab_is_told() {
        let (slab, larger) = (Slab::new(1), Slab::new(100));
        let foreign = take(&larger, 100)[99];
        assert!(larger.is_in_use(foreign) && !slab.is_in_use(foreign));
        let refused = slab.release(foreign).expect_err("it is not out");
        assert_eq!(
            refused.to_string(),
            "slot 99 is not in use; it was put back twice, or to a slab it is not from"
        );
    }

    fn the_bitmap_shows_who_is_out() {
        let slab = Slab::new(130);
        assert_eq!(slab.bitmap().collect::<Vec<_>>(), [0, 0, 0]);
        let mut out = take(&slab, 20);
        assert_eq!(slab.bitmap().next(), Some(0xf_ffff));
        out.extend(take(&slab, 110));
        assert_eq!(slab.bitmap().collect::<Vec<_>>(), [u64::MAX, u64::MAX, 0b11]);
        for slot in [0, 64, 129] {
            slab.release(out[slot]).expect("it was out");
            assert!(!slab.is_in_use(out[slot]) && slab.is_in_use(out[1]));
        }
        assert_eq!(slab.bitmap().collect::<Vec<_>>(), [u64::MAX - 1, u64::MAX - 1, 0b1]);
    }

    fn statistics_add_up() {
        let slab = Slab::new(3);
        let out = take(&slab, 3);
        assert_eq!((slab.acquire(), slab.acquire()), (None, None));
        for index in &out[1..] {
            slab.release(*index).expect("it was out");
        }
        take(&slab, 1);
        let numbers = slab.statistics();
        let expected = Statistics { slots: 3, in_use: 2, high_water: 3, acquired: 4, refused: 2 };
        assert_eq!(numbers, expected);
        assert_eq!((numbers.free(), numbers.released()), (1, 2));
        assert_eq!(
            format!("{slab:?}"),
            "Slab { statistics: Statistics { slots: 3, in_use: 2, high_water: 3, acquired: 4, \
             refused: 2 }, .. }"
        );
    }

    fn changes_of_the_bitmap_are_runs_of_equal_bytes() {
        let slab = Slab::new(100);
        let mut out = take(&slab, 20);
        let (before, numbers) = (slab.usage(), slab.statistics());
        assert_eq!((numbers.bitmap_version(), before.in_use(), before.slots()), (20, 20, 100));
        out.extend(take(&slab, 20));
        let now = slab.usage();
        let runs = now.changes_since(&before).expect("the same slab");
        assert_eq!(runs[1], Run { offset: 3, changed: 0xff, bytes: 2 });
        assert_eq!(changes_text(&runs), "2:f0,3:ff*2");
        assert_eq!(before.changes_since(&now), Some(runs), "the same the other way round");
        assert_eq!(slab.statistics().bitmap_version(), 40);
        assert!(!slab.statistics().is_balanced_since(&numbers));
        for index in out.drain(20..) {
            slab.release(index).expect("it was out");
        }
        assert!(slab.statistics().is_balanced_since(&numbers));
        assert_eq!(slab.statistics().bitmap_version(), 60);
        assert_eq!(slab.usage().changes_since(&before).as_deref(), Some(&[][..]));
        assert_eq!(changes_text(&[]), "");
        // Equal bytes that are not neighbours are two runs, and so are unequal neighbours.
        out.extend(take(&slab, 80));
        for index in out.iter().filter(|index| [0, 8, 16, 32, 41].contains(&index.get())) {
            slab.release(*index).expect("it was out");
        }
        let full = Slab::new(100);
        take(&full, 100);
        let runs = full.usage().changes_since(&slab.usage()).expect("the same size");
        assert_eq!(changes_text(&runs), "0:01*3,4:01,5:02");
        assert_eq!(Slab::new(99).usage().changes_since(&before), None);
    }

    fn buckets_are_of_one_size_but_for_the_last() {
        let slab = Slab::new(100);
        take(&slab, 25);
        let usage = slab.usage();
        let bucket = |used, free| Bucket { used, free };
        assert_eq!(usage.buckets(0, 10_000, 2), [bucket(25, 25), bucket(0, 50)]);
        assert_eq!(usage.buckets(20, 30, 3), [bucket(4, 0), bucket(1, 3), bucket(0, 2)]);
        let many = usage.buckets(23, 26, 5);
        let expected = [bucket(1, 0), bucket(1, 0), bucket(0, 1), bucket(0, 0), bucket(0, 0)];
        assert_eq!(many, expected);
        for (start, end, count) in [(0, 100, 0), (5, 5, 3), (6, 5, 3), (100, 200, 1)] {
            assert_eq!(usage.buckets(start, end, count), []);
        }
        let huge = usage.buckets(0, usize::MAX, 4096);
        assert_eq!((huge.len(), huge[24], huge[25]), (4096, bucket(1, 0), bucket(0, 1)));
        assert!(usage.is_in_use(24) && !usage.is_in_use(25) && !usage.is_in_use(usize::MAX));
    }

    fn sizes_are_checked() {
        for slots in [0, SLAB_SLOTS_MAX + 1] {
            let panic = catch_unwind(|| Slab::new(slots)).expect_err("a bad size is refused");
            let message = panic.downcast_ref::<String>().expect("a formatted message");
            assert!(message.contains(&format!("{slots} slots was asked for")), "{message}");
        }
        assert_eq!(Slab::new(SLAB_SLOTS_MAX).slots(), 1 << 20);
    }
}

/// Turns of each thread of the stress run; Miri is some thousand times slower.
const STRESS_TURNS: usize = if cfg!(miri) { 50 } else { 30_000 };
const STRESS_THREADS: usize = 4;
/// Fewer than the threads want, so that some are refused.
const STRESS_SLOTS: usize = 5;

valk_harness::test! {
    fn four_threads_share_five_slots_two_at_a_time() {
        let slab = Arc::new(Slab::new(STRESS_SLOTS));
        let users: Arc<Vec<AtomicUsize>> =
            Arc::new((0..STRESS_SLOTS).map(|_| AtomicUsize::new(0)).collect());
        let threads: Vec<_> = (0..STRESS_THREADS)
            .map(|_| {
                let (slab, users) = (slab.clone(), users.clone());
                thread::spawn(move || {
                    let mut taken = 0;
                    for _ in 0..STRESS_TURNS {
                        let out = [slab.acquire(), slab.acquire()];
                        for index in out.iter().flatten() {
                            assert_eq!(users[index.get()].fetch_add(1, SeqCst), 0, "one user");
                            taken += 1;
                        }
                        for index in out.into_iter().flatten() {
                            users[index.get()].fetch_sub(1, SeqCst);
                            slab.release(index).expect("it was out");
                        }
                    }
                    taken
                })
            })
            .collect();
        let taken: u64 = threads.into_iter().map(|one| one.join().expect("no rule was broken")).sum();
        let numbers = slab.statistics();
        assert_eq!((numbers.in_use, numbers.acquired, numbers.released()), (0, taken, taken));
        assert_eq!(taken + numbers.refused, (STRESS_THREADS * STRESS_TURNS * 2) as u64);
        assert!(numbers.high_water <= STRESS_SLOTS);
        assert_eq!(take(&slab, STRESS_SLOTS).len(), STRESS_SLOTS);
        assert_eq!(slab.acquire(), None);
    }
}
