//! Pools of items: one mapping, one user for each item, numbers.

use super::{Random, panic_message};
use crate::{HeapError, ITEM_ALIGN_BYTES, SlabItem, SlabPool, changes_text};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Barrier};

fn take(pool: &SlabPool, count: usize) -> Vec<SlabItem> {
    (0..count).map(|_| pool.acquire().expect("a free item")).collect()
}

/// Whether the page at `address` belongs to a mapping of this process.
#[cfg(target_os = "linux")]
fn is_mapped(address: usize) -> bool {
    let maps = std::fs::read_to_string("/proc/self/maps").expect("Linux shows the mappings");
    maps.lines().any(|line| {
        let (range, _) = line.split_once(' ').expect("a range and more");
        let (from, to) = range.split_once('-').expect("two addresses");
        let [from, to] = [from, to].map(|text| usize::from_str_radix(text, 16).expect("hex"));
        (from..to).contains(&address)
    })
}

valk_harness::test! {
    fn items_are_a_cache_line_or_more_apart_and_begin_at_one() {
        for (item_bytes, stride) in [(1, 64), (48, 64), (64, 64), (65, 128), (944, 960)] {
            let pool = SlabPool::new(3, item_bytes).expect("small");
            assert_eq!((pool.item_bytes(), pool.stride_bytes()), (item_bytes, stride));
            let items = take(&pool, 3);
            for (position, item) in items.iter().enumerate() {
                assert_eq!((item.len(), item.position()), (item_bytes, position));
                assert_eq!(item.address() - items[0].address(), position * stride);
                assert_eq!(item.address() % ITEM_ALIGN_BYTES, 0);
                assert_eq!(item.as_ptr() as usize, item.address());
            }
        }
        let pool = SlabPool::new(100, 64).expect("small");
        assert_eq!(pool.mapped_bytes(), 64 << 10, "whole grains");
    }

    fn an_item_is_zero_at_first_and_its_users_alone() {
        let pool = SlabPool::new(2, 100).expect("small");
        let (mut one, mut two) = (pool.acquire().expect("free"), pool.acquire().expect("free"));
        assert!(one.iter().chain(two.iter()).all(|byte| *byte == 0));
        one.fill(1);
        two.fill(2);
        assert!(one.iter().all(|byte| *byte == 1) && two.iter().all(|byte| *byte == 2));
        assert!(pool.acquire().is_none(), "all are out");
        let position = one.position();
        drop(one);
        let again = pool.acquire().expect("put back");
        assert_eq!((again.position(), again[99]), (position, 1));
        assert_eq!(format!("{again:?}"), "SlabItem { position: 0, .. }");
    }

    fn an_exhausted_pool_counts_and_recovers() {
        let pool = SlabPool::new(4, 8).expect("small");
        let mut items = take(&pool, 4);
        assert!(pool.acquire().is_none() && pool.acquire().is_none());
        items.truncate(1);
        let again = take(&pool, 2);
        let seen = pool.statistics();
        assert_eq!((seen.slots, seen.in_use, seen.free(), seen.high_water), (4, 3, 1, 4));
        assert_eq!((seen.acquired, seen.released(), seen.refused), (6, 3, 2));
        assert!(format!("{pool:?}").contains("item_bytes: 8, statistics: Statistics { slots: 4"));
        drop((items, again));
        assert_eq!(pool.statistics().in_use, 0);
    }

    fn pools_share_nothing() {
        let (one, other) = (SlabPool::new(2, 64).expect("small"), SlabPool::new(2, 64).expect("small"));
        let mut items = take(&one, 2);
        items[0].fill(9);
        assert!(one.acquire().is_none());
        assert_eq!((other.statistics().in_use, other.usage().in_use()), (0, 0));
        assert!(take(&other, 2).iter().all(|item| item.iter().all(|byte| *byte == 0)));
    }

    fn the_bitmap_of_a_pool_tells_what_changed() {
        let pool = SlabPool::new(100, 64).expect("small");
        let first = take(&pool, 20);
        let before = pool.usage();
        let more = take(&pool, 20);
        let runs = pool.usage().changes_since(&before).expect("the same pool");
        assert_eq!(changes_text(&runs), "2:f0,3:ff*2");
        drop((first, more));
        assert_eq!(pool.usage().in_use(), 0);
    }

    fn shapes_that_cannot_be_are_refused() {
        for (items, item_bytes) in [(0, 64), (64, 0), ((1 << 20) + 1, 1)] {
            let refused = SlabPool::new(items, item_bytes).expect_err("no such pool");
            assert_eq!(refused, HeapError::Pool { items, item_bytes });
            assert_eq!(
                refused.to_string(),
                format!(
                    "a pool of {items} items of {item_bytes} bytes was asked for; give 1 to \
                     1048576 items of at least 1 byte"
                )
            );
        }
        for item_bytes in [usize::MAX, usize::MAX / 2, 1 << 60] {
            let refused = SlabPool::new(4, item_bytes).expect_err("no such memory");
            assert!(matches!(refused, HeapError::Map { .. }), "{refused}");
        }
    }

    fn items_outlive_the_pool_that_gave_them() {
        let pool = SlabPool::new(1, 5000).expect("small");
        let mut item = pool.clone().acquire().expect("free");
        drop(pool);
        item.fill(7);
        assert_eq!(item.iter().map(|byte| u64::from(*byte)).sum::<u64>(), 35_000);
    }

    fn a_panicking_user_puts_its_item_back() {
        let pool = SlabPool::new(1, 8).expect("small");
        let message = panic_message(|| {
            let _item = pool.acquire().expect("free");
            panic!("{}", "the user's own");
        });
        assert_eq!(message, "the user's own");
        assert_eq!(pool.statistics().in_use, 0);
    }
}

#[cfg(target_os = "linux")]
valk_harness::test! {
    fn a_pool_is_one_mapping_and_is_unmapped_with_its_last_item() {
        // Too large to be merged unnoticed into a neighbour that stays.
        let pool = SlabPool::new(64, 1 << 20).expect("64 MiB of address space");
        let items = take(&pool, 64);
        let (first, last) = (items[0].address(), items[63].address());
        assert_eq!(last - first, 63 << 20);
        drop(pool);
        assert!(is_mapped(first) && is_mapped(last + (1 << 20) - 1));
        drop(items);
        assert!(!is_mapped(first) && !is_mapped(last));
    }
}

const THREADS: usize = 4;
const STRIPES: usize = if cfg!(miri) { 20 } else { 20_000 };

/// Threads take items of one pool, write into them and do not see the writes of others.
fn share(threads: usize) {
    let pool = SlabPool::new(5, 128).expect("small");
    let (start, failed) = (Arc::new(Barrier::new(threads)), Arc::new(AtomicBool::new(false)));
    let threads: Vec<_> = (0..threads)
        .map(|thread| {
            let (pool, start, failed) = (pool.clone(), start.clone(), failed.clone());
            std::thread::spawn(move || {
                let mut random = Random::new(thread as u64);
                start.wait();
                for turn in 0..STRIPES {
                    let mark = (thread * STRIPES + turn) as u64;
                    let mut items: Vec<_> =
                        (0..=random.below(2)).filter_map(|_| pool.acquire()).collect();
                    for item in &mut items {
                        item[..8].copy_from_slice(&mark.to_le_bytes());
                        item[120..].copy_from_slice(&mark.to_le_bytes());
                    }
                    let whole = |item: &SlabItem| {
                        item[..8] == mark.to_le_bytes() && item[120..] == mark.to_le_bytes()
                    };
                    if !items.iter().all(whole) {
                        failed.store(true, SeqCst);
                    }
                }
            })
        })
        .collect();
    let attempts = (threads.len() * STRIPES) as u64;
    for thread in threads {
        thread.join().expect("no rule was broken");
    }
    assert!(!failed.load(SeqCst), "another thread wrote into an item that was out");
    let seen = pool.statistics();
    assert_eq!((seen.in_use, seen.acquired), (0, seen.released()));
    assert!(seen.high_water <= 5 && seen.acquired + seen.refused >= attempts);
    assert_eq!(take(&pool, 5).len(), 5);
}

valk_harness::test! {
    fn threads_never_share_an_item() {
        share(THREADS);
    }
}

valk_harness::test! {
    #[isolation = InProcess]
    fn threads_in_the_process_of_other_tests_never_share_an_item() {
        share(THREADS);
    }
}

valk_harness::test! {
    #[isolation = Exec]
    fn a_pool_in_a_fresh_process_is_empty() {
        let pool = SlabPool::new(7, 100).expect("small");
        let seen = pool.statistics();
        assert_eq!((seen.in_use, seen.high_water, seen.acquired, seen.refused), (0, 0, 0, 0));
        assert!(take(&pool, 7).iter().all(|item| item.iter().all(|byte| *byte == 0)));
    }
}
