//! What every timer does: the same tests in real time and in virtual time.
//!
//! Order and lower bounds are checked, never how late a timer fires.

use super::*;
use crate::Timer;
use std::time::Duration;
use tokio::time::Instant;

const STEP: Duration = Duration::from_millis(5);

/// Whether `timer` fires before one that was started last and takes `within`.
async fn fires(timer: &mut Timer, within: Duration) -> bool {
    tokio::select! {
        biased;
        () = timer.fired() => true,
        () = tokio::time::sleep(within) => false,
    }
}

valk_harness::cases! {
    fn a_one_shot_timer_fires_once(backend: Backend) in backends() {
        backend.run(async |_| {
            let (mut timer, began) = (Timer::new(), Instant::now());
            assert!(!timer.is_running());
            timer.start(STEP);
            assert!(timer.is_running());
            timer.fired().await;
            assert!(began.elapsed() >= STEP && !timer.is_running());
            assert!(!fires(&mut timer, 2 * STEP).await);
        });
    }

    fn a_repeating_timer_does_not_drift(backend: Backend) in backends() {
        backend.run(async |_| {
            let (mut timer, began) = (Timer::new(), Instant::now());
            timer.start_repeating(2 * STEP, STEP);
            for count in 2..6 {
                timer.fired().await;
                assert!(began.elapsed() >= count * STEP);
            }
            if backend == Backend::Simulated {
                assert_eq!(began.elapsed(), 5 * STEP);
                // Firings that passed unseen are skipped: at 10 the one of 6 is seen, then that of 11.
                tokio::time::sleep(5 * STEP).await;
                timer.fired().await;
                assert_eq!(began.elapsed(), 10 * STEP);
                timer.fired().await;
                assert_eq!(began.elapsed(), 11 * STEP);
            }
            assert!(timer.is_running());
        });
    }

    fn a_timer_is_stopped_where_its_firing_is_handled(backend: Backend) in backends() {
        backend.run(async |_| {
            let mut timer = Timer::new();
            timer.start_repeating(STEP, STEP);
            let mut count = 0;
            while timer.is_running() {
                timer.fired().await;
                count += 1;
                if count == 3 {
                    timer.stop();
                }
            }
            assert!(!fires(&mut timer, 3 * STEP).await);
        });
    }

    fn a_stopped_timer_loses_the_firing_that_was_due(backend: Backend) in backends() {
        backend.run(async |_| {
            let mut timer = Timer::new();
            timer.start(STEP);
            tokio::time::sleep(2 * STEP).await;
            timer.stop();
            assert!(!fires(&mut timer, STEP).await);
        });
    }

    fn a_timer_is_restarted_as_it_was_started(backend: Backend) in backends() {
        backend.run(async |_| {
            let mut timer = Timer::new();
            assert!(!timer.restart(), "it never was started");
            timer.start(2 * STEP);
            assert!(!fires(&mut timer, STEP).await);
            // Again from now: the delay begins anew.
            let began = Instant::now();
            assert!(timer.restart());
            timer.fired().await;
            assert!(began.elapsed() >= 2 * STEP);
            assert!(timer.restart(), "also after it has fired");
            timer.fired().await;
            assert!(began.elapsed() >= 4 * STEP);
            timer.start_repeating(STEP, STEP);
            timer.stop();
            timer.restart();
            timer.fired().await;
            timer.fired().await;
        });
    }

    fn starting_a_running_timer_replaces_its_schedule(backend: Backend) in backends() {
        backend.run(async |_| {
            let mut timer = Timer::new();
            timer.start_repeating(Duration::from_hours(1), Duration::from_hours(1));
            timer.start(STEP);
            timer.fired().await;
            assert!(!timer.is_running());
        });
    }

    fn timers_fire_in_the_order_of_their_times(backend: Backend) in backends() {
        backend.run(async |_| {
            let mut timers: [Timer; 3] = Default::default();
            for (timer, steps) in timers.iter_mut().zip([3, 1, 2]) {
                timer.start(steps * STEP);
            }
            let [third, first, second] = &mut timers;
            let mut order = Vec::new();
            while order.len() < 3 {
                tokio::select! {
                    biased;
                    () = first.fired() => order.push(1),
                    () = second.fired() => order.push(2),
                    () = third.fired() => order.push(3),
                }
            }
            assert_eq!(order, [1, 2, 3]);
        });
    }

    fn a_timer_is_closed_where_its_firing_is_handled(backend: Backend) in backends() {
        backend.run(async |_| {
            let mut timer = Some(Timer::new());
            let mut count = 0;
            if let Some(timer) = &mut timer {
                timer.start_repeating(STEP, STEP);
            }
            while let Some(running) = &mut timer {
                running.fired().await;
                count += 1;
                if count == 2 {
                    timer = None;
                }
            }
            assert_eq!(count, 2);
        });
    }
}

valk_harness::test! {
    fn a_period_is_longer_than_zero() {
        assert_panics("a period longer than zero", || {
            Timer::new().start_repeating(STEP, Duration::ZERO);
        });
    }
}
