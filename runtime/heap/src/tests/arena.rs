//! Arenas: places, overflow, limits, scopes, numbers.

use super::{Random, panic_message};
use crate::{Arena, ArenaStatistics, HeapError};

fn offset(arena_base: &[u8], place: *const u8) -> usize {
    place as usize - arena_base.as_ptr() as usize
}

valk_harness::test! {
    fn a_value_of_72_bytes_takes_80_when_aligned_to_16() {
        let mut arena = Arena::new(3992, usize::MAX).expect("small");
        let scope = arena.scope();
        let first = scope.alloc_zeroed(72, 16).expect("room");
        let mut places = vec![];
        for (bytes, used) in [(72, 152), (72, 232), (1, 241), (15, 271), (72, 344)] {
            let place = scope.alloc_zeroed(bytes, 16).expect("room");
            assert!(place.len() == bytes && place.iter().all(|byte| *byte == 0));
            places.push(offset(first, place.as_ptr()));
            assert_eq!(scope.arena().used_bytes(), used);
        }
        assert_eq!(places, [80, 160, 240, 256, 272]);
        assert_eq!(scope.alloc_zeroed(0, 16).expect("nothing fits anywhere").len(), 0);
        assert_eq!(scope.arena().used_bytes(), 344);
        arena.reset();
        assert_eq!(arena.used_bytes(), 0);
        let seen = arena.statistics();
        assert_eq!((seen.allocations, seen.allocated_bytes), (7, 72 * 4 + 16));
        assert_eq!((seen.high_water_bytes, seen.resets, seen.overflows), (344, 1, 0));
    }

    fn memory_is_zeroed_when_it_is_used_again() {
        let mut arena = Arena::new(100, 100).expect("small");
        arena.scope().alloc_slice(&[0xffu8; 100]).expect("an exact fit");
        assert_eq!(arena.used_bytes(), 100);
        arena.reset();
        assert_eq!(arena.scope().alloc_zeroed(100, 1).expect("room"), [0; 100]);
    }

    fn values_are_aligned_as_their_types_are() {
        #[derive(Clone, Copy, PartialEq, Debug)]
        #[repr(align(128))]
        struct Line(u8);
        let mut arena = Arena::new(4096, 4096).expect("small");
        let scope = arena.scope();
        let byte = scope.alloc(1u8).expect("room");
        let line = scope.alloc(Line(2)).expect("room");
        let word = scope.alloc(3u64).expect("room");
        let text = scope.alloc_slice(b"four").expect("room");
        let pairs = scope.alloc_slice(&[(5u16, 6u64), (7, 8)]).expect("room");
        *byte += 10;
        assert_eq!((*byte, *line, *word), (11, Line(2), 3));
        assert_eq!((&*text, &*pairs), (&b"four"[..], &[(5, 6), (7, 8)][..]));
        assert_eq!(std::ptr::from_ref(line) as usize % 128, 0);
        assert_eq!((std::ptr::from_ref(word) as usize % 8, pairs.as_ptr() as usize % 8), (0, 0));
        assert!(scope.alloc_slice::<u64>(&[]).expect("room").is_empty());
        scope.alloc(()).expect("room");
        // An alignment above that of the mapping is met, one that is none is refused.
        let far = scope.alloc_zeroed(1, 1 << 20).expect("overflow has room");
        assert_eq!(far.as_ptr() as usize % (1 << 20), 0);
        assert!(scope.alloc_zeroed(1, 3).is_none() && scope.alloc_zeroed(1, 0).is_none());
        assert!(scope.alloc_zeroed(usize::MAX, 1).is_none());
        assert_eq!(scope.alloc_zeroed(0, 1 << 63).expect("no bytes").len(), 0);
    }

    fn what_does_not_fit_overflows_and_is_counted() {
        let mut arena = Arena::new(100, 1000).expect("small");
        let scope = arena.scope();
        scope.alloc_zeroed(60, 1).expect("room");
        let beyond = scope.alloc_zeroed(41, 1).expect("overflow");
        beyond.fill(1);
        scope.alloc_zeroed(40, 1).expect("the capacity still has that");
        scope.alloc_slice(&[1u8; 500]).expect("overflow").fill(2);
        assert_eq!(beyond, [1; 41]);
        assert_eq!((arena.used_bytes(), arena.overflowing_bytes()), (100, 541));
        let seen = arena.statistics();
        assert_eq!((seen.overflows, seen.overflow_bytes, seen.high_water_bytes), (2, 541, 100));
        assert!(arena.scope().alloc_zeroed(360, 1).is_none(), "1001 bytes");
        assert!(arena.scope().alloc_zeroed(359, 1).is_some());
        arena.reset();
        assert_eq!((arena.used_bytes(), arena.overflowing_bytes()), (0, 0));
        assert_eq!((arena.statistics().refused, arena.statistics().overflows), (1, 3));
    }

    fn a_limit_below_the_capacity_holds() {
        let mut arena = Arena::new(100, 50).expect("small");
        assert!(arena.scope().alloc_zeroed(51, 1).is_none());
        assert!(arena.scope().alloc_zeroed(50, 1).is_some());
        assert!(arena.scope().alloc(1u8).is_none());
        assert_eq!(arena.statistics().refused, 2);
        let mut none = Arena::new(0, 10).expect("no capacity");
        assert!(none.scope().alloc([1u8; 10]).is_some() && none.scope().alloc(1u8).is_none());
        assert_eq!((none.capacity_bytes(), none.statistics().overflows), (0, 1));
    }

    fn a_nested_scope_gives_back_its_part() {
        let mut arena = Arena::new(1000, 2000).expect("small");
        let mut scope = arena.scope();
        let outer = scope.alloc_slice(b"outer").expect("room");
        let seen = scope.nested(|inner| {
            inner.alloc_slice(&[1u8; 800]).expect("room");
            let deeper = inner.nested(|deeper| {
                deeper.alloc_slice(&[2u8; 900]).expect("overflow");
                deeper.arena().overflowing_bytes()
            });
            let more = inner.alloc_slice(&[3u8; 100]).expect("room");
            assert_eq!(more, [3; 100]);
            (deeper, inner.arena().used_bytes(), inner.arena().overflowing_bytes())
        });
        assert_eq!(seen, (900, 905, 0));
        assert_eq!(scope.arena().used_bytes(), 5);
        scope.alloc_slice(&[4u8; 995]).expect("an exact fit");
        assert_eq!(outer, b"outer");
        assert_eq!((arena.statistics().restores, arena.statistics().resets), (2, 0));
    }

    fn a_panic_in_a_nested_scope_gives_back_too() {
        let mut arena = Arena::new(100, 1000).expect("small");
        let mut scope = arena.scope();
        let message = panic_message(|| scope.nested(|inner| {
            inner.alloc_slice(&[1u8; 200]).expect("overflow");
            inner.alloc_slice(&[1u8; 20]).expect("room");
            panic!("{}", "the request's own");
        }));
        assert_eq!(message, "the request's own");
        assert_eq!((arena.used_bytes(), arena.overflowing_bytes()), (0, 0));
        assert_eq!(arena.statistics().restores, 1);
    }

    fn the_moment_for_a_checkpoint_is_above_the_part() {
        let mut arena = Arena::new(1000, 1000).expect("small");
        assert!(!arena.should_checkpoint(0.0));
        arena.scope().alloc_zeroed(750, 1).expect("room");
        assert!(!arena.should_checkpoint(0.75));
        arena.scope().alloc_zeroed(1, 1).expect("room");
        assert!(arena.should_checkpoint(0.75) && !arena.should_checkpoint(1.0));
    }

    fn resetting_statistics_keeps_the_high_water_mark() {
        let mut arena = Arena::new(100, 1000).expect("small");
        arena.scope().alloc_zeroed(90, 1).expect("room");
        arena.scope().alloc_zeroed(90, 1).expect("overflow");
        arena.reset();
        arena.reset_statistics();
        let kept = ArenaStatistics { high_water_bytes: 90, ..ArenaStatistics::default() };
        assert_eq!(arena.statistics(), kept);
        let text = format!("{arena:?}");
        assert!(text.starts_with("Arena { used: 0, capacity: 100, statistics: "), "{text}");
    }

    fn an_arena_larger_than_memory_is_refused() {
        let refused = Arena::new(usize::MAX, 0).expect_err("no such memory");
        assert!(matches!(refused, HeapError::Map { .. }));
    }

    fn an_arena_moves_to_another_thread_with_what_is_in_it() {
        let mut arena = Arena::new(64, 1000).expect("small");
        arena.scope().alloc_zeroed(500, 1).expect("overflow");
        let mut arena = std::thread::spawn(move || {
            arena.scope().alloc(5u64).expect("room");
            arena
        }).join().expect("no panic");
        assert_eq!((arena.used_bytes(), arena.overflowing_bytes()), (8, 500));
        arena.reset();
    }
}

const STRIPES: usize = if cfg!(miri) { 3 } else { 300 };

valk_harness::test! {
    /// Against vectors: nothing that is alive changes, nothing overlaps, the sums are those of a
    /// count.
    fn random_requests_agree_with_vectors() {
        let mut random = Random::new(6);
        let mut arena = Arena::new(2000, 4000).expect("small");
        let mut expected = ArenaStatistics::default();
        for turn in 0..STRIPES {
            let scope = arena.scope();
            let mut alive: Vec<(&mut [u8], Vec<u8>)> = Vec::new();
            for step in 0..random.below(40) {
                let (bytes, align) = (1 + random.below(200), 1 << random.below(7));
                let before = (scope.arena().used_bytes(), scope.arena().overflowing_bytes());
                let Some(memory) = scope.alloc_zeroed(bytes, align) else {
                    assert!(before.0 + before.1 + bytes + align > 4000, "{before:?} and {bytes}");
                    expected.refused += 1;
                    continue;
                };
                assert!((memory.as_ptr() as usize).is_multiple_of(align));
                assert_eq!(memory, vec![0; bytes]);
                let mark = (turn + step) as u8;
                memory.fill(mark);
                alive.push((memory, vec![mark; bytes]));
                expected.allocations += 1;
                expected.allocated_bytes += bytes as u64;
                let used = scope.arena().used_bytes();
                expected.high_water_bytes = expected.high_water_bytes.max(used);
                if used == before.0 {
                    assert!(before.0 + bytes > 2000 - align, "it would have fitted");
                    expected.overflows += 1;
                    expected.overflow_bytes += bytes as u64;
                }
            }
            assert!(alive.iter().all(|(memory, copy)| **memory == *copy));
            drop(alive);
            arena.reset();
            expected.resets += 1;
        }
        assert_eq!(arena.statistics(), expected);
        assert!(expected.overflows > 0 && (cfg!(miri) || expected.refused > 0));
    }
}
