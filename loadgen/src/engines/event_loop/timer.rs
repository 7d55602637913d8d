//! The sleep of the loop: on Linux a timer descriptor, exact to some microseconds. The reactor's own
//! timer is exact to a millisecond, which would be the generator's own latency.

use std::io;
use std::task::{Context, Poll};
use std::time::Duration;

#[cfg(not(target_os = "linux"))]
pub use coarse::Timer;
#[cfg(target_os = "linux")]
pub use exact::Timer;

#[cfg(target_os = "linux")]
mod exact {
    use std::os::fd::OwnedFd;

    use rustix::time::{
        Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
        timerfd_settime,
    };
    use tokio::io::unix::AsyncFd;

    use super::{Context, Duration, Poll, io};

    /// One timer.
    #[derive(Debug)]
    pub struct Timer(AsyncFd<OwnedFd>);

    impl Timer {
        /// A timer that is not set.
        ///
        /// # Errors
        /// If the system has no descriptor for it.
        pub fn new() -> io::Result<Timer> {
            let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
            let descriptor = timerfd_create(TimerfdClockId::Monotonic, flags)?;
            #[expect(
                deprecated,
                reason = "what is unsound in general is not for an owned descriptor: it is open and \
                          the same as long as it is registered"
            )]
            let timer = AsyncFd::new(descriptor)?;
            Ok(Timer(timer))
        }

        /// Sets the timer anew.
        pub fn set(&mut self, after: Duration) {
            let zero = Timespec { tv_sec: 0, tv_nsec: 0 };
            // Zero would switch it off.
            let after = after.max(Duration::from_nanos(1));
            let value =
                Timespec { tv_sec: after.as_secs() as _, tv_nsec: after.subsec_nanos() as _ };
            let spec = Itimerspec { it_interval: zero, it_value: value };
            timerfd_settime(self.0.get_ref(), TimerfdTimerFlags::empty(), &spec)
                .expect("the timer is ours and the time is valid");
        }

        /// Whether it may have gone off since it was set; wakes the task when it does.
        ///
        /// Its count of expirations stays unread: the reactor is told of each expiration anew, and
        /// setting the timer clears the count. That saves a system call for each sleep.
        pub fn poll(&mut self, cx: &mut Context<'_>) -> bool {
            let mut went_off = false;
            // Only a poll that finds nothing registers the task.
            while let Poll::Ready(ready) = self.0.poll_read_ready(cx) {
                ready.expect("the reactor of this thread lives").clear_ready();
                went_off = true;
            }
            went_off
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod coarse {
    use std::pin::Pin;

    use super::{Context, Duration, Poll, io};

    /// One timer.
    #[derive(Debug)]
    pub struct Timer(Option<Pin<Box<tokio::time::Sleep>>>);

    impl Timer {
        /// A timer that is not set.
        pub fn new() -> io::Result<Timer> {
            Ok(Timer(None))
        }

        /// Sets the timer anew.
        pub fn set(&mut self, after: Duration) {
            self.0 = Some(Box::pin(tokio::time::sleep(after)));
        }

        /// Whether it has gone off since it was set; wakes the task when it does.
        pub fn poll(&mut self, cx: &mut Context<'_>) -> bool {
            let Some(sleep) = &mut self.0 else { return false };
            let went_off = matches!(sleep.as_mut().poll(cx), Poll::Ready(()));
            if went_off {
                self.0 = None;
            }
            went_off
        }
    }
}
