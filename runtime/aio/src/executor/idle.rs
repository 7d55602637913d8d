//! When an executor has nothing to do: until an event, a job, a timer or its reactor wakes it.

use super::ExecutorState;
use super::serve::WORKER;
use std::future::Future;
use std::pin::pin;
use std::task::Poll;
use valk_sync::executor::{Idle, Worker};

/// Waits until there may be something to do. Returns false when the pool has shut down.
pub(super) async fn wait(state: &ExecutorState, next_us: Option<u64>) -> bool {
    // A timer that is far away is as good as none, and tokio wants one in any case.
    let at = state.instant(next_us.unwrap_or(0));
    let mut timer = pin!(tokio::time::sleep_until(at));
    let goes_on = std::future::poll_fn(|cx| {
        if state.inbox.poll_arrived(cx).is_ready() {
            return Poll::Ready(true);
        }
        if next_us.is_some() && timer.as_mut().poll(cx).is_ready() {
            return Poll::Ready(true);
        }
        WORKER.with_borrow(|worker| match worker {
            Some(worker) => worker.poll_idle(cx).map(|idle| idle == Idle::Search),
            None => Poll::Pending,
        })
    })
    .await;
    // What else has woken this thread is no reason to keep a job from another.
    WORKER.with_borrow(|worker| worker.as_ref().map(Worker::stay_awake));
    goes_on
}
