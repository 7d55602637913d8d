//! The old space by itself: where pages come from and where they go.

use crate::accounting::limits::RESIDENT_FREE_PAGES;
use crate::spaces::huge_page_policy::HugePagePolicy;
use crate::spaces::old_space::{CHUNK_BYTES, OldSpace, SMALL_CHUNKS};
use crate::spaces::page::{PAGE_BYTES, Page, slots_per_page};
use crate::values::object::{self, PAIR_BYTES};
use std::collections::HashSet;
use std::time::Duration;

const CHUNK_PAGES: usize = CHUNK_BYTES / PAGE_BYTES;

/// Fills so many pages with pairs, from the first slot of the first; the first of each page.
fn fill(old: &mut OldSpace, pages: usize) -> Vec<usize> {
    let slots = pages * slots_per_page(PAIR_BYTES);
    let cells: Vec<usize> = (0..slots).map(|_| old.allocate(PAIR_BYTES)).collect();
    for (number, cell) in cells.iter().enumerate() {
        // SAFETY: the cell was handed out just now.
        unsafe { object::store(*cell, number as u64) };
    }
    cells.into_iter().step_by(slots_per_page(PAIR_BYTES)).collect()
}

fn chunks(pages: &[usize]) -> HashSet<usize> {
    pages.iter().map(|page| page / CHUNK_BYTES).collect()
}

/// A full collection that reaches all pairs of these pages.
fn collect(old: &mut OldSpace, live: &[usize]) {
    collect_wanting(old, live, 0);
}

/// The same when so many bytes are wanted soon.
fn collect_wanting(old: &mut OldSpace, live: &[usize], wanted: usize) {
    old.begin_full();
    for first in live {
        for slot in 0..slots_per_page(PAIR_BYTES) {
            let cell = first + slot * PAIR_BYTES;
            // SAFETY: the cell was handed out and not freed.
            assert!(unsafe { Page::of(cell) }.mark(cell));
        }
    }
    assert!(old.sweep().is_empty());
    old.trim(wanted);
}

valk_harness::test! {
    fn chunks_are_aligned_and_the_first_ones_take_memory_by_the_page() {
        let mut old = OldSpace::new();
        let mut small = fill(&mut old, 1);
        assert_eq!(old.committed_bytes(), PAGE_BYTES);
        small.append(&mut fill(&mut old, SMALL_CHUNKS * CHUNK_PAGES - 1));
        assert_eq!(chunks(&small).len(), SMALL_CHUNKS);
        assert_eq!(old.committed_bytes(), SMALL_CHUNKS * CHUNK_BYTES);
        let large = fill(&mut old, 1);
        assert!(chunks(&large).is_disjoint(&chunks(&small)));
        assert_eq!(large[0] / PAGE_BYTES % CHUNK_PAGES, 0, "from the start");
        assert_eq!(old.committed_bytes(), (SMALL_CHUNKS + 1) * CHUNK_BYTES, "all at once");
        fill(&mut old, CHUNK_PAGES - 1);
        assert_eq!(old.committed_bytes(), (SMALL_CHUNKS + 1) * CHUNK_BYTES);
    }

    fn chunks_without_a_live_cell_are_unmapped_but_for_a_reserve() {
        let mut old = OldSpace::new();
        let pages = fill(&mut old, 8 * CHUNK_PAGES);
        assert_eq!(chunks(&pages).len(), 8);
        // A chunk and a half are in use, so the reserve is the least there is.
        let live = &pages[..CHUNK_PAGES + CHUNK_PAGES / 2];
        collect(&mut old, live);
        let held = old.committed_bytes() / PAGE_BYTES - live.len();
        assert!((RESIDENT_FREE_PAGES..RESIDENT_FREE_PAGES + CHUNK_PAGES).contains(&held), "{held}");
        // What is left of the chunk in use is taken before a chunk that is not.
        let next = fill(&mut old, CHUNK_PAGES / 2);
        assert!(chunks(&next).is_subset(&chunks(live)));
        let all = fill(&mut old, 8 * CHUNK_PAGES);
        assert_eq!(all.iter().collect::<HashSet<_>>().len(), all.len());
        assert!(all.iter().all(|page| !live.contains(page)));
    }

    fn pages_of_chunks_in_use_go_back_one_by_one() {
        let mut old = OldSpace::new();
        let pages = fill(&mut old, 8 * CHUNK_PAGES);
        let live: Vec<usize> = pages.iter().copied().step_by(CHUNK_PAGES).collect();
        let before = chunks(&pages);
        assert_eq!(chunks(&live), before);
        collect(&mut old, &live);
        assert_eq!(old.committed_bytes(), (live.len() + RESIDENT_FREE_PAGES) * PAGE_BYTES);
        for (number, cell) in live.iter().enumerate() {
            // SAFETY: a live cell, which `fill` has written.
            let word = unsafe { object::load(*cell) };
            assert_eq!(word as usize, number * CHUNK_PAGES * slots_per_page(PAIR_BYTES));
        }
        let next = fill(&mut old, 7 * CHUNK_PAGES);
        assert_eq!(chunks(&next), before, "they are used again");
    }

    fn what_is_wanted_soon_stays() {
        let mut old = OldSpace::new();
        let pages = fill(&mut old, 8 * CHUNK_PAGES);
        let live = &pages[..CHUNK_PAGES];
        collect_wanting(&mut old, live, 5 * CHUNK_BYTES);
        let held = old.committed_bytes() - live.len() * PAGE_BYTES;
        assert!((5 * CHUNK_BYTES..6 * CHUNK_BYTES).contains(&held), "{held}");
        collect(&mut old, live);
        let held = old.committed_bytes() / PAGE_BYTES - live.len();
        assert!(held < RESIDENT_FREE_PAGES + CHUNK_PAGES, "{held}");
    }

    fn after_a_slow_huge_page_there_are_small_ones_for_a_while() {
        let (fast, slow) = (Duration::from_micros(100), Duration::from_millis(5));
        let mut pages = HugePagePolicy::new();
        let mut without = |took: Duration| {
            assert!(pages.wants_huge_page());
            pages.report(took);
            let count = (0..1000).take_while(|_| !pages.wants_huge_page()).count();
            pages.report(fast);
            count
        };
        assert_eq!([without(fast), without(slow), without(slow), without(fast)], [0, 8, 8, 0]);
        let mut pages = HugePagePolicy::new();
        let mut again = || {
            pages.report(slow);
            (0..1000).take_while(|_| !pages.wants_huge_page()).count()
        };
        assert_eq!([again(), again(), again(), again(), again()], [8, 16, 32, 64, 64]);
    }
}

valk_harness::test! {
    fn memory_of_dead_large_objects_is_used_again_and_then_goes_back() {
        let mut old = OldSpace::new();
        let first = old.allocate(200_000);
        collect(&mut old, &[]);
        assert!((200_000..300_000).contains(&old.committed_bytes()), "kept for the next");
        assert_eq!(old.used_bytes(), 0);
        assert_eq!(old.allocate(190_000), first, "which may be smaller");
        collect(&mut old, &[]);
        collect(&mut old, &[]);
        assert_eq!(old.committed_bytes(), 0, "nothing has needed it since the last collection");
        // One that is much larger, and one that is much smaller, get memory of their own.
        let first = old.allocate(200_000);
        collect(&mut old, &[]);
        assert!(old.allocate(300_000) != first && old.allocate(90_000) != first);
        // The smallest that suffices is taken.
        let sizes = [900_000, 700_000, 400_000, 800_000];
        let made = sizes.map(|bytes| old.allocate(bytes));
        collect(&mut old, &[]);
        assert_eq!([600_000, 390_000].map(|bytes| old.allocate(bytes)), [made[1], made[2]]);
        // One of more than 4 MiB is never kept, and all that are have at most 16 MiB.
        for _ in 0..2 {
            collect(&mut old, &[]);
        }
        old.allocate(5 << 20);
        collect(&mut old, &[]);
        assert_eq!(old.committed_bytes(), 0);
        for _ in 0..30 {
            old.allocate(1_000_000);
        }
        collect(&mut old, &[]);
        assert!((14 << 20..=16 << 20).contains(&old.committed_bytes()), "{}", old.committed_bytes());
    }
}
