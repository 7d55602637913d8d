//! Giving way to the other tasks of the thread, and to the reactor.
//!
//! A task that only wakes itself runs again before other sockets are seen, many times over. And a
//! connection is woken by its own answers. So giving way is a state that lasts until everything that
//! was ready had its turn and the reactor was looked at, however often the task is polled meanwhile.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Wake, Waker};

/// The turn of the others.
pub(crate) struct OthersTurn(Arc<Ending>);

struct Ending {
    is_over: AtomicBool,
    task: Waker,
}

impl Wake for Ending {
    fn wake(self: Arc<Self>) {
        self.is_over.store(true, Ordering::Relaxed);
        self.task.wake_by_ref();
    }
}

impl OthersTurn {
    /// Begins now; the task of `cx` is woken at its end.
    pub(crate) fn begin(cx: &mut Context<'_>) -> Self {
        let task = cx.waker().clone();
        let ending = Arc::new(Ending { is_over: AtomicBool::new(false), task });
        let waker = Waker::from(Arc::clone(&ending));
        // The runtime has the waker from the first poll on; dropping the future does not take it back.
        let _ = pin!(tokio::task::yield_now()).poll(&mut Context::from_waker(&waker));
        Self(ending)
    }

    pub(crate) fn is_over(&self) -> bool {
        self.0.is_over.load(Ordering::Relaxed)
    }
}
