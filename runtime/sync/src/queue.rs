//! Bounded queue for any number of producers and consumers, first in, first out.
//!
//! The ring of Dmitry Vyukov ("Bounded MPMC queue", 1024cores.net, 2011), whose slots have sequence
//! numbers. Rules, cited by the comments in `queue/`:
//!
//! 1. Positions only grow. Position `p` is in slot `p mod slots`, in lap `p / slots`. Producers
//!    move `tail`, consumers move `head`, each by compare-exchange, and the thread that moves it
//!    past `p` owns position `p` of that end.
//! 2. The sequence number of a slot counts its accesses. In lap `l` it is `2l` while the slot is
//!    free and `2l + 1` while it is filled. An end is moved past `p` only by a thread that has seen
//!    the number of its slot reach the expected value; so no position is claimed before the slot is
//!    ready for it.
//! 3. The owner of a position accesses the slot and then, with release, increments its sequence
//!    number. The next owner acquired that number. So accesses to a slot's value are ordered and
//!    exclusive.
//! 4. An attempt fails only after a read behind a sequentially consistent fence. Of two attempts
//!    that fail one has the earlier fence, and the other sees what happened before it. So when
//!    every producer wakes a consumer after its push, and consumers go on until they find nothing,
//!    no item stays behind.
//! 5. No thread waits for another: a position whose owner is not done looks, to the other end, as
//!    if it were still free or still filled. A consumer may find nothing while a later push is
//!    complete; the producer it would have to wait for wakes a consumer too (rule 4).
//! 6. The queue drops the items that are left.
//!
//! `docs/concurrency.md` has the argument for each ordering and the models that hold it in place.
//! Does not know what an item means and wakes no thread.

mod batch;
mod ring;

use crate::limits::{QUEUE_SLOTS_DEFAULT, QUEUE_SLOTS_MAX};
use ring::Ring;
use std::fmt;

/// The queue holds as many items as it has slots; the refused item comes back.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Full<T>(pub T);

impl<T> fmt::Debug for Full<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Full(..)")
    }
}

impl<T> fmt::Display for Full<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "the queue is full and the item was not queued; \
             fail the operation, or wait until a consumer has made room",
        )
    }
}

impl<T> std::error::Error for Full<T> {}

/// A queue of fixed capacity, shared by reference.
pub struct Queue<T> {
    ring: Ring<T>,
}

impl<T> Queue<T> {
    /// An empty queue of [`QUEUE_SLOTS_DEFAULT`] slots.
    pub fn new() -> Self {
        Self::with_slots(QUEUE_SLOTS_DEFAULT)
    }

    /// An empty queue that holds up to `slots` items.
    ///
    /// # Panics
    ///
    /// When `slots` is not a power of two or is greater than [`QUEUE_SLOTS_MAX`].
    pub fn with_slots(slots: usize) -> Self {
        assert!(
            slots.is_power_of_two() && slots <= QUEUE_SLOTS_MAX,
            "a queue of {slots} slots was asked for; give a power of two up to {QUEUE_SLOTS_MAX}"
        );
        Self { ring: Ring::new(slots) }
    }

    /// Adds `item` as the newest.
    ///
    /// # Errors
    ///
    /// [`Full`] with the item when there is no free slot. One whose item is being taken at the
    /// moment counts as filled (rule 5).
    pub fn try_push(&self, item: T) -> Result<(), Full<T>> {
        match self.ring.claim_free() {
            Some(position) => {
                self.ring.fill(position, item);
                Ok(())
            }
            None => Err(Full(item)),
        }
    }

    /// Takes the oldest item; `None` when there is none, or when its push is not complete (rule 5).
    pub fn try_pop(&self) -> Option<T> {
        self.ring.claim_filled(1).next()
    }

    /// Takes the oldest items, at most `max` of them, in one go, and hands them over one by one.
    /// Their number; it is 0 exactly when [`Queue::try_pop`] would have found nothing or `max` is
    /// 0.
    ///
    /// Each slot is free before `receive` sees its item, so `receive` may push. What is pushed
    /// meanwhile is not taken. When `receive` panics, the rest of what was taken is dropped.
    pub fn drain(&self, max: usize, receive: impl FnMut(T)) -> usize {
        let batch = self.ring.claim_filled(max);
        let taken = batch.len();
        batch.for_each(receive);
        taken
    }

    /// Number of items, an estimate: both ends may move while it is taken. Never more than
    /// [`Queue::slots`].
    pub fn len(&self) -> usize {
        self.ring.len()
    }

    /// Whether [`Queue::len`] is zero.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Number of slots, which never changes.
    pub fn slots(&self) -> usize {
        self.ring.slots()
    }
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Drop for Queue<T> {
    fn drop(&mut self) {
        // Rule 6. `&mut self` means that every push is complete, so one batch is all there is.
        self.drain(self.slots(), drop);
    }
}

impl<T> fmt::Debug for Queue<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("Queue");
        out.field("len", &self.len()).field("slots", &self.slots());
        out.finish_non_exhaustive()
    }
}
