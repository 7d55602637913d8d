//! A worker as the code that drives it sees it: run a task, or wait until there may be one.
//!
//! A thread of the pool drives its worker with [`Worker::serve`]; a thread with an event loop of its
//! own polls it between other things, and is woken as any other future is.

use super::core::Core;
use super::parker::Parker;
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

/// What a worker without tasks does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Idle {
    /// Call [`Worker::run_next`] again.
    Search,
    /// The pool has shut down: the worker has ended.
    Ended,
}

/// The right to drive one worker, on the thread that it was given to. Dropping it ends the worker;
/// tasks that wait in its queue are left to others. A thread drives one worker at a time.
pub struct Worker(Rc<Core>);

impl Worker {
    /// Has the calling thread drive this worker.
    pub(super) fn enter(core: Core) -> Self {
        Self(core.enter())
    }

    /// The index of the worker in its pool, from 0.
    pub fn index(&self) -> usize {
        self.0.index()
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
    /// [`Worker::run_next`] has returned false.
    pub fn poll_idle(&self, cx: &mut Context<'_>) -> Poll<Idle> {
        self.0.poll_idle(cx)
    }

    /// Says that the thread does something else although [`Worker::poll_idle`] was pending, so that
    /// tasks are left to workers that are parked. Returns true if this one had been woken for a task:
    /// then it must call [`Worker::run_next`].
    pub fn stay_awake(&self) -> bool {
        self.0.stay_awake()
    }

    /// Runs tasks and blocks in between, until the pool shuts down.
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

impl Drop for Worker {
    fn drop(&mut self) {
        self.0.resign();
    }
}

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker").field("index", &self.index()).finish_non_exhaustive()
    }
}
