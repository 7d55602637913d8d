//! The inbox of one thread: many threads post, one reads, and a post wakes the reader.
//!
//! 1. Items are taken in the order in which they were posted, each once.
//! 2. Whether there is something and registering the reader's waker is one step under the lock, and
//!    so is posting and taking that waker. So either the reader sees the item, or the poster wakes
//!    the reader.
//! 3. A wake-up without an item is kept until the reader has seen it.
//! 4. The inbox has no bound: a poster says what another thread waits for, and refusing that would
//!    make it wait for ever. What posts is bounded, and the reader takes a bounded number per turn.
//!
//! Wakers are called without the lock. Knows order and one waker. Does not know what an item is.

use crate::shim::{Mutex, lock, reached_if};
use std::collections::VecDeque;
use std::fmt;
use std::task::{Context, Poll, Waker};

/// What the lock protects.
struct Posted<T> {
    items: VecDeque<T>,
    /// Of the reader, while it has seen nothing.
    reader: Option<Waker>,
    /// Rule 3.
    is_woken: bool,
}

/// Items for one thread, shared by reference.
pub struct Inbox<T> {
    posted: Mutex<Posted<T>>,
}

impl<T> Inbox<T> {
    /// An empty inbox.
    pub fn new() -> Self {
        let posted = Posted { items: VecDeque::new(), reader: None, is_woken: false };
        Self { posted: Mutex::new(posted) }
    }

    /// Adds an item as the newest and wakes the reader.
    pub fn post(&self, item: T) {
        let mut posted = lock(&self.posted);
        posted.items.push_back(item);
        let reader = posted.reader.take();
        drop(posted);
        if let Some(reader) = reader {
            reader.wake();
        }
    }

    /// Wakes the reader, which finds [`Inbox::poll_arrived`] ready once.
    pub fn wake(&self) {
        let mut posted = lock(&self.posted);
        posted.is_woken = true;
        let reader = posted.reader.take();
        drop(posted);
        if let Some(reader) = reader {
            reader.wake();
        }
    }

    /// Takes the oldest item.
    pub fn take(&self) -> Option<T> {
        lock(&self.posted).items.pop_front()
    }

    /// Ready when there is an item, or a wake-up that was not seen; until then `cx` is woken when
    /// that changes. For the reader only: an inbox remembers one waker.
    pub fn poll_arrived(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut posted = lock(&self.posted);
        let is_woken = std::mem::take(&mut posted.is_woken);
        if is_woken || !posted.items.is_empty() {
            posted.reader = None;
            reached_if(true, "inbox: the reader saw something before it waited");
            return Poll::Ready(());
        }
        reached_if(true, "inbox: the reader waited");
        match &mut posted.reader {
            Some(reader) => reader.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
        Poll::Pending
    }

    /// Number of items.
    pub fn len(&self) -> usize {
        lock(&self.posted).items.len()
    }

    /// Whether there is no item.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Calls `visit` with each item, the oldest first, under the lock: for a collection, which
    /// updates what items refer to.
    pub fn for_each_mut(&self, visit: impl FnMut(&mut T)) {
        lock(&self.posted).items.iter_mut().for_each(visit);
    }
}

impl<T> Default for Inbox<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> fmt::Debug for Inbox<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inbox").field("len", &self.len()).finish_non_exhaustive()
    }
}
