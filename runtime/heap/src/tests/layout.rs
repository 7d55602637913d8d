//! Size classes, holes and triggers as pure functions.

use super::Random;
use crate::accounting::limits::{FULL_FLOOR_BYTES, next_full, soft_limit};
use crate::memory::os::{GRAIN_BYTES, round_to_grains};
use crate::spaces::nursery::Nursery;
use crate::spaces::page::{PAGE_BYTES, PAYLOAD_OFFSET, next_hole, slots_per_page};
use crate::spaces::size_class::{CLASS_BYTES, class_of};
use crate::values::object::{GRANULE_BYTES, fields_bytes, round_to_granules, string_bytes};
use crate::{HeapError, LARGE_OBJECT_BYTES, OutOfMemory};

valk_harness::test! {
    fn a_class_is_the_smallest_that_fits() {
        for bytes in (0..=LARGE_OBJECT_BYTES).step_by(GRANULE_BYTES) {
            let class = class_of(bytes);
            assert!(CLASS_BYTES[class] >= bytes);
            assert!(class == 0 || CLASS_BYTES[class - 1] < bytes);
        }
    }
}

valk_harness::test! {
    fn classes_ascend_in_granules_and_waste_at_most_a_fifth() {
        for pair in CLASS_BYTES.windows(2) {
            assert!(pair[0] < pair[1] && pair[1].is_multiple_of(GRANULE_BYTES));
            let worst = pair[0] + GRANULE_BYTES;
            assert!((pair[1] - worst) * 5 <= pair[1], "{} for {worst}", pair[1]);
        }
    }
}

valk_harness::test! {
    fn slots_fill_a_page_without_leaving_it() {
        for slot in CLASS_BYTES {
            let slots = slots_per_page(slot);
            assert!(slots >= 7);
            assert!(PAYLOAD_OFFSET + slots * slot <= PAGE_BYTES);
            assert!(PAYLOAD_OFFSET + (slots + 1) * slot > PAGE_BYTES);
        }
    }
}

valk_harness::test! {
    fn sizes_are_whole_granules_with_a_second_word() {
        assert_eq!([fields_bytes(0), fields_bytes(1), fields_bytes(2), fields_bytes(3)], [16, 16, 32, 32]);
        assert_eq!([string_bytes(0), string_bytes(8), string_bytes(9), string_bytes(24)], [16, 16, 32, 32]);
        assert_eq!([round_to_granules(1), round_to_granules(16), round_to_granules(17)], [16, 16, 32]);
        assert_eq!(round_to_grains(1), Some(GRAIN_BYTES));
        assert_eq!(round_to_grains(usize::MAX), None);
    }
}

valk_harness::test! {
    fn holes_are_the_maximal_unmarked_runs() {
        let mut random = Random::new(7);
        for slot in CLASS_BYTES {
            let slots = slots_per_page(slot);
            let mut marks = [0u64; PAGE_BYTES / GRANULE_BYTES / 64];
            let marked: Vec<bool> = (0..slots).map(|_| random.below(3) > 0).collect();
            for index in (0..slots).filter(|&index| marked[index]) {
                let granule = (PAYLOAD_OFFSET + index * slot) / GRANULE_BYTES;
                marks[granule / 64] |= 1 << (granule % 64);
            }
            let (mut from, mut rebuilt) = (0, vec![true; slots]);
            while let Some((first, end)) = next_hole(&marks, slot / GRANULE_BYTES, from, slots) {
                assert!(from <= first && first < end && end <= slots);
                assert!(end == slots || marked[end]);
                rebuilt[first..end].fill(false);
                from = end;
            }
            assert_eq!(rebuilt, marked, "slots of {slot} bytes");
        }
    }
}

valk_harness::test! {
    fn the_next_full_collection_waits_for_growth() {
        let soft = 300 << 20;
        assert_eq!(next_full(0, FULL_FLOOR_BYTES, soft), FULL_FLOOR_BYTES);
        assert_eq!(next_full(100 << 20, FULL_FLOOR_BYTES, soft), 200 << 20);
        assert_eq!(next_full(200 << 20, FULL_FLOOR_BYTES, soft), soft);
        // Above the soft limit: an eighth more, not at once again.
        assert!(next_full(soft, FULL_FLOOR_BYTES, soft) >= soft + soft / 8);
        // Below the floor in a small heap the soft limit wins.
        assert_eq!(next_full(0, FULL_FLOOR_BYTES, 1 << 20), 1 << 20);
        assert!(next_full(usize::MAX, FULL_FLOOR_BYTES, soft) == usize::MAX);
    }
}

valk_harness::test! {
    fn soft_limits_do_not_overflow() {
        assert_eq!(soft_limit(1000, 75), 750);
        assert_eq!(soft_limit(199, 50), 99);
        assert_eq!(soft_limit(usize::MAX, 100), usize::MAX);
    }
}

/// Sizes of every magnitude: random ones, and those around each power of two.
fn sizes(random: &mut Random) -> Vec<usize> {
    let powers = (0..usize::BITS).flat_map(|bit| {
        let power = 1usize << bit;
        [power - 1, power, power.saturating_add(1), usize::MAX - (power - 1)]
    });
    let mut sizes: Vec<usize> = powers.collect();
    for _ in 0..2000 {
        let shift = random.below(64) as u32;
        sizes.push((random.next() as usize) >> shift);
    }
    sizes
}

/// `value` rounded up to a multiple of `unit`, in numbers that cannot overflow.
fn rounded(value: u128, unit: usize) -> u128 {
    value.div_ceil(unit as u128) * unit as u128
}

valk_harness::test! {
    fn sizes_agree_with_arithmetic_that_cannot_overflow() {
        let mut random = Random::new(10);
        for size in sizes(&mut random) {
            let exact = rounded(size as u128, GRAIN_BYTES);
            assert_eq!(round_to_grains(size), usize::try_from(exact).ok(), "grains of {size}");
            // Lengths are 32-bit numbers in the header.
            let length = size & u32::MAX as usize;
            let granules = rounded(length as u128, GRANULE_BYTES);
            assert_eq!(round_to_granules(length) as u128, granules, "granules of {length}");
            let string = rounded(length as u128 + 8, GRANULE_BYTES);
            assert_eq!(string_bytes(length) as u128, string, "string of {length}");
            let fields = rounded(length as u128 * 8 + 8, GRANULE_BYTES);
            assert_eq!(fields_bytes(length) as u128, fields, "{length} fields");
        }
    }

    fn limits_agree_with_arithmetic_that_cannot_overflow() {
        let mut random = Random::new(11);
        for size in sizes(&mut random) {
            for percent in [1, 33, 75, 99, 100] {
                let exact = size as u128 * u128::from(percent) / 100;
                assert_eq!(soft_limit(size, percent) as u128, exact, "{percent} % of {size}");
            }
            let soft = (random.next() as usize) >> random.below(64);
            let live = size as u128;
            let most = usize::MAX as u128;
            let grown = (live + live / 8).min(most) + GRAIN_BYTES as u128;
            let ceiling = grown.min(most).max(soft as u128);
            let wanted = (live * 2).min(most).max(FULL_FLOOR_BYTES as u128);
            assert_eq!(next_full(size, FULL_FLOOR_BYTES, soft) as u128, wanted.min(ceiling), "{size} live, {soft}");
        }
    }
}

valk_harness::test! {
    fn errors_say_what_to_do() {
        let shown = [
            (HeapError::Map { bytes: 10, errno: 12 }.to_string(), "refused to map 10 bytes (error 12)"),
            (HeapError::LimitBelowNursery { limit: 1, minimum: 2 }.to_string(), "at least 2 bytes"),
            (
                HeapError::LimitBelowUsage { limit: 1, used: 2 }.to_string(),
                "Cannot set hard limit below current usage (1 < 2)",
            ),
            (OutOfMemory { requested: 5, used: 6, limit: 7 }.to_string(), "5 bytes requested, 6 in use"),
        ];
        for (text, part) in shown {
            assert!(text.contains(part), "{text}");
        }
    }
}

valk_harness::test! {
    fn a_lot_holds_what_it_handed_out_and_nothing_beside_it() {
        let base = 4 * GRAIN_BYTES;
        let mut young = Nursery::new(base, 2 * GRAIN_BYTES, GRAIN_BYTES);
        young.cursor += 64;
        assert!(young.holds(base, 64) && young.holds(base + 48, 16));
        assert!(!young.holds(base - 16, 16), "in the lot before");
        assert!(!young.holds(base + 48, 32), "half of it is free");
        assert!(!young.holds(base + 2 * GRAIN_BYTES, 16), "in the lot behind");
    }
}

valk_harness::test! {
    fn native_code_gives_back_a_cursor_that_has_moved_on() {
        let mut heap = super::small_heap();
        let (cursor, limit) = (heap.native_context().cursor, heap.native_context().limit);
        let wrong = if cfg!(debug_assertions) { &[cursor - 16, limit + 16][..] } else { &[] };
        for &wrong in wrong {
            // SAFETY: the promise is broken, and nothing is allocated afterwards.
            let message = super::panic_message(|| unsafe { heap.set_cursor(wrong) });
            assert_eq!(message, "moved on");
        }
        // SAFETY: nothing was made.
        unsafe { heap.set_cursor(cursor) };
        assert!(heap.cons(crate::Value::ONE, crate::Value::NIL, false).is_pair());
    }
}
