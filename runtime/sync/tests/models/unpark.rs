//! A waker that unblocks a thread, and event loops made of it.
//!
//! Not by `park`: loom's `unpark` also releases a thread that waits for a mutex.

use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use valk_sync::executor::{Idle, Worker};
use valk_sync::shim::{Condvar, Mutex, lock, wait};

/// Where a thread blocks until its waker is used, also if that was before.
struct Parker(Mutex<bool>, Condvar);

impl Wake for Parker {
    fn wake(self: Arc<Self>) {
        *lock(&self.0) = true;
        self.1.notify_one();
    }
}

impl Parker {
    fn new() -> (Arc<Self>, Waker) {
        let parker = Arc::new(Self(Mutex::new(false), Condvar::new()));
        (Arc::clone(&parker), Waker::from(parker))
    }

    fn park(&self) {
        let mut is_woken = lock(&self.0);
        while !*is_woken {
            is_woken = wait(&self.1, is_woken);
        }
        *is_woken = false;
    }
}

/// A waker that wakes no thread.
pub fn waker() -> Waker {
    Parker::new().1
}

/// Blocks the thread until `poll` is ready.
pub fn block_on<R>(mut poll: impl FnMut(&mut Context<'_>) -> Poll<R>) -> R {
    let (parker, waker) = Parker::new();
    let mut cx = Context::from_waker(&waker);
    loop {
        match poll(&mut cx) {
            Poll::Ready(value) => return value,
            Poll::Pending => parker.park(),
        }
    }
}

/// Drives a worker until it has ended.
pub fn drive(worker: &Worker) {
    loop {
        while worker.run_next() {}
        if block_on(|cx| worker.poll_idle(cx)) == Idle::Ended {
            return;
        }
    }
}
