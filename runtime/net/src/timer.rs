//! A timer that can be started, stopped and restarted while its owner waits for it.
//!
//! 1. A timer fires once after its delay, or again and again with a period.
//! 2. The next firing of a repeating timer is due one period after the last one was due, so it does
//!    not drift. Firings that passed unseen are skipped, not made up for.
//! 3. A stopped timer does not fire; a timer is closed by dropping it.
//!
//! Time is tokio's, so it is virtual on a paused runtime.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

/// A one-shot or repeating timer.
#[derive(Debug, Default)]
pub struct Timer {
    sleep: Option<Pin<Box<Sleep>>>,
    schedule: Option<Schedule>,
    is_running: bool,
}

#[derive(Clone, Copy, Debug)]
struct Schedule {
    delay: Duration,
    period: Option<Duration>,
}

impl Timer {
    /// A timer that has not been started.
    pub fn new() -> Self {
        Self::default()
    }

    /// Starts the timer, also when it is running: it fires once after `delay`.
    pub fn start(&mut self, delay: Duration) {
        self.schedule(Schedule { delay, period: None });
    }

    /// Starts the timer, also when it is running: it fires after `delay` and then every `period`.
    ///
    /// # Panics
    /// When `period` is zero.
    pub fn start_repeating(&mut self, delay: Duration, period: Duration) {
        assert!(!period.is_zero(), "a repeating timer needs a period longer than zero");
        self.schedule(Schedule { delay, period: Some(period) });
    }

    /// Starts the timer again as it was started last; returns false when it never was.
    pub fn restart(&mut self) -> bool {
        let schedule = self.schedule;
        schedule.is_some_and(|schedule| {
            self.schedule(schedule);
            true
        })
    }

    /// Stops the timer. A firing that is due and was not seen is lost.
    pub fn stop(&mut self) {
        self.is_running = false;
    }

    /// Whether the timer is going to fire.
    pub fn is_running(&self) -> bool {
        self.is_running
    }

    /// Waits for the next firing; for ever while the timer is stopped.
    pub async fn fired(&mut self) {
        poll_fn(|cx| self.poll_fired(cx)).await;
    }

    /// Ready when the timer fires. While it is stopped the task is not woken: whatever starts the
    /// timer polls it again.
    pub fn poll_fired(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let (Some(sleep), Some(schedule), true) = (&mut self.sleep, self.schedule, self.is_running)
        else {
            return Poll::Pending;
        };
        ready!(sleep.as_mut().poll(cx));
        match schedule.period {
            None => self.is_running = false,
            Some(period) => {
                let next = next_firing(sleep.deadline(), period, Instant::now());
                sleep.as_mut().reset(next);
            }
        }
        Poll::Ready(())
    }

    fn schedule(&mut self, schedule: Schedule) {
        let due = Instant::now() + schedule.delay;
        match &mut self.sleep {
            Some(sleep) => sleep.as_mut().reset(due),
            None => self.sleep = Some(Box::pin(sleep_until(due))),
        }
        self.schedule = Some(schedule);
        self.is_running = true;
    }
}

/// The first multiple of `period` after `due` that is later than `now`.
fn next_firing(due: Instant, period: Duration, now: Instant) -> Instant {
    let late = now.saturating_duration_since(due);
    let missed = late.as_nanos() / period.as_nanos();
    let periods = u32::try_from(missed + 1).unwrap_or(u32::MAX);
    due + period.saturating_mul(periods)
}
