//! A worker as the code that drives it sees it: run a task, or rest until there may be one.
//!
//! A thread of the pool drives its worker with [`Seat::serve`]; a thread with an event loop of its
//! own polls it between other things, and is woken as any other future is.

use super::core::Worker;
use super::shared::Rest;
use crate::shim::{Condvar, Mutex, lock, wait};
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

/// What a worker without tasks does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Idle {
    /// Call [`Seat::run_next`] again.
    Search,
    /// The pool has shut down: the worker has ended.
    Ended,
}

/// The right to drive one worker, on the thread that it was given to. Dropping it ends the worker.
pub struct Seat(Rc<Worker>);

impl Seat {
    /// Makes the calling thread that of `worker`.
    pub(super) fn take(worker: Worker) -> Self {
        Self(worker.enter())
    }

    /// The number of the worker in its pool, from 0.
    pub fn index(&self) -> usize {
        self.0.lane()
    }

    /// Whether a task waits anywhere, at some recent moment. Costs less than looking for it.
    pub fn sees_work(&self) -> bool {
        self.0.sees_work()
    }

    /// Runs one task to its end: the own oldest one, an injected one or one of another worker.
    /// Returns false if none was found.
    pub fn run_next(&self) -> bool {
        self.0.run_next()
    }

    /// Ready when there may be a task for this worker or when it has ended. To be called when
    /// [`Seat::run_next`] has returned false.
    pub fn poll_idle(&self, cx: &mut Context<'_>) -> Poll<Idle> {
        self.0.poll_rest(cx).map(|rest| match rest {
            Rest::Search => Idle::Search,
            Rest::End => Idle::Ended,
        })
    }

    /// Says that the thread does something else although [`Seat::poll_idle`] was pending, so that
    /// tasks are left to workers that sleep. Returns true if this one had been woken for a task:
    /// then it must call [`Seat::run_next`].
    pub fn stay_awake(&self) -> bool {
        self.0.stay_awake()
    }

    /// Runs tasks and sleeps in between, until the pool shuts down.
    pub(super) fn serve(&self) {
        let parker = Arc::new(Parker::default());
        let waker = Waker::from(Arc::clone(&parker));
        let mut cx = Context::from_waker(&waker);
        loop {
            if self.run_next() {
                continue;
            }
            loop {
                match self.poll_idle(&mut cx) {
                    Poll::Ready(Idle::Search) => break,
                    Poll::Ready(Idle::Ended) => return,
                    Poll::Pending => parker.park(),
                }
            }
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.resign();
    }
}

impl fmt::Debug for Seat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Seat").field("index", &self.index()).finish_non_exhaustive()
    }
}

/// Puts a thread to sleep until its waker is used, also if that was before.
#[derive(Default)]
struct Parker {
    is_woken: Mutex<bool>,
    changed: Condvar,
}

impl Parker {
    fn park(&self) {
        let mut is_woken = lock(&self.is_woken);
        while !*is_woken {
            is_woken = wait(&self.changed, is_woken);
        }
        *is_woken = false;
    }
}

impl Wake for Parker {
    fn wake(self: Arc<Self>) {
        *lock(&self.is_woken) = true;
        self.changed.notify_one();
    }
}
