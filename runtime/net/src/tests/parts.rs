//! Clock, entropy and budgets.

use super::*;
use crate::{ByteBudget, Clock, Entropy};
use std::time::{Duration, SystemTime};

valk_harness::test! {
    fn the_clock_of_the_system_is_the_systems() {
        let clock = Clock::default();
        let (before, at, after) = (SystemTime::now(), clock.wall(), SystemTime::now());
        assert!(before <= at && at <= after);
        assert!(clock.now() <= clock.now());
        assert!(clock.unix_time() > Duration::from_secs(1_700_000_000));
    }

    fn a_simulated_clock_moves_with_virtual_time() {
        simulate(1, SimulationConfig::default(), async |_| {
            let start = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
            let clock = Clock::simulated(start);
            let began = clock.now();
            tokio::time::sleep(Duration::from_hours(10)).await;
            assert_eq!(clock.now() - began, Duration::from_hours(10));
            assert_eq!(clock.wall(), start + Duration::from_hours(10));
            assert_eq!(clock.unix_time(), Duration::from_secs(1_036_000));
            let ancient = Clock::simulated(SystemTime::UNIX_EPOCH - Duration::from_secs(9));
            assert_eq!(ancient.unix_time(), Duration::ZERO);
        });
    }
}

valk_harness::test! {
    fn the_generator_gives_the_published_numbers() {
        // The seed makes this state by the published SplitMix64, and the numbers are those of the
        // reference implementation of xoshiro256++ in that state.
        let entropy = Entropy::from_seed(1_234_567);
        assert_eq!(entropy.seed(), 1_234_567);
        let first = entropy.clone().next_u64();
        // state = 6457827717110365317, 3203168211198807973, 9817491932198370423,
        // 4593380528125082431
        let (s0, s3) = (6_457_827_717_110_365_317_u64, 4_593_380_528_125_082_431_u64);
        assert_eq!(first, s0.wrapping_add(s3).rotate_left(23).wrapping_add(s0));
        let mut counted = Entropy::from_state([1, 2, 3, 4]);
        let numbers: Vec<u64> = (0..6).map(|_| counted.next_u64()).collect();
        assert_eq!(
            numbers,
            [
                41_943_041,
                58_720_359,
                3_588_806_011_781_223,
                3_591_011_842_654_386,
                9_228_616_714_210_784_205,
                9_973_669_472_204_895_162,
            ]
        );
    }

    fn a_seed_repeats_its_numbers() {
        let numbers = |mut entropy: Entropy| -> Vec<u64> {
            (0..8).map(|_| entropy.next_u64()).collect()
        };
        assert_eq!(numbers(Entropy::from_seed(5)), numbers(Entropy::from_seed(5)));
        assert_ne!(numbers(Entropy::from_seed(5)), numbers(Entropy::from_seed(6)));
        let (first, second) = (Entropy::from_os(), Entropy::from_os());
        assert_ne!(first.seed(), second.seed());
        assert_eq!(numbers(first.clone()), numbers(Entropy::from_seed(first.seed())));
        let mut parent = Entropy::from_seed(5);
        let child = parent.fork();
        assert_ne!(numbers(child), numbers(parent));
    }

    fn numbers_below_a_bound_are_equally_likely() {
        let mut entropy = Entropy::from_seed(7);
        let mut counts = [0; 6];
        for _ in 0..6000 {
            counts[entropy.below(6) as usize] += 1;
        }
        assert!(counts.iter().all(|count| (800..1200).contains(count)), "{counts:?}");
        assert_eq!(entropy.below(1), 0);
        // Half of all draws are above the largest multiple of this bound and are drawn again.
        let bound = (1 << 63) + 1;
        assert!((0..100).all(|_| entropy.below(bound) < bound));
    }

    fn there_is_no_number_below_zero() {
        assert_panics("a random number below 0", || {
            Entropy::from_seed(1).below(0);
        });
    }

    fn bytes_are_filled_to_the_last() {
        let mut bytes = [0; 11];
        Entropy::from_seed(3).fill(&mut bytes);
        let mut words = Entropy::from_seed(3);
        assert_eq!(bytes[..8], words.next_u64().to_le_bytes());
        assert_eq!(bytes[8..], words.next_u64().to_le_bytes()[..3]);
    }
}

valk_harness::test! {
    fn a_budget_gets_back_what_is_dropped() {
        let budget = ByteBudget::new(10);
        assert_eq!((budget.limit(), budget.used()), (10, 0));
        let mut first = budget.try_reserve(6).unwrap();
        assert!(budget.try_reserve(5).is_none());
        assert!(!first.try_grow(5) && first.try_grow(4));
        assert_eq!(first.bytes(), 10);
        let above = budget.reserve_over_limit(7);
        assert_eq!(budget.used(), 17);
        assert!(budget.try_reserve(1).is_none(), "above the limit nothing fits");
        first.shrink(3);
        drop(first);
        assert_eq!(budget.used(), 7);
        drop(above);
        assert_eq!(budget.used(), 0);
    }

    fn a_reservation_gives_back_only_what_it_has() {
        assert_panics("gives back only what it has", || {
            ByteBudget::new(10).try_reserve(3).expect("it fits").shrink(4);
        });
    }
}
