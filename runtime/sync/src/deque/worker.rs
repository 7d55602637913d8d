//! The owner's end: push, pop and growth.

use super::buffer::Buffer;
use super::shared::Shared;
use super::{Full, Stealer, Word};
use crate::limits::{DEQUE_SLOTS_INITIAL, DEQUE_SLOTS_MAX};
use crate::shim::Ordering::{Acquire, Relaxed, Release, SeqCst};
use crate::shim::{Arc, fence, reached_if};
use std::cell::Cell;
use std::fmt;

/// The owner of a deque. There is one; it may move between threads but not be shared.
///
/// Dropping it leaves the items to the thieves.
pub struct Worker<T: Word> {
    shared: Arc<Shared<T>>,
    /// The value of `shared.bottom` between operations: only the owner writes it (rule 2).
    bottom: Cell<isize>,
    /// A past value of `shared.top`, acquired. `top` only grows, so this errs towards "full".
    top_seen: Cell<isize>,
    /// The value of `shared.buffer`: only the owner writes it (rule 2).
    buffer: Cell<*mut Buffer>,
    /// The buffer never grows beyond this.
    slots_max: usize,
}

// SAFETY: the raw pointer is the buffer that `shared` keeps alive, and only the `Worker` writes
// through it, on the thread that holds it. Items may change threads: `Word: Send`.
unsafe impl<T: Word> Send for Worker<T> {}

impl<T: Word> Worker<T> {
    /// An empty deque that grows from [`DEQUE_SLOTS_INITIAL`] to [`DEQUE_SLOTS_MAX`] slots.
    pub fn new() -> Self {
        Self::with_slots(DEQUE_SLOTS_INITIAL, DEQUE_SLOTS_MAX)
    }

    /// An empty deque that grows from `initial` to `max` slots, both rounded up to powers of two.
    ///
    /// # Panics
    ///
    /// When `initial` is 0, greater than `max`, or `max` is greater than [`DEQUE_SLOTS_MAX`].
    pub fn with_slots(initial: usize, max: usize) -> Self {
        assert!(
            0 < initial && initial <= max && max <= DEQUE_SLOTS_MAX,
            "a deque of {initial} to {max} slots was asked for; \
             give 1 <= initial <= max <= {DEQUE_SLOTS_MAX}"
        );
        let buffer = Buffer::allocate(initial.next_power_of_two(), None);
        Self {
            shared: Arc::new(Shared::new(buffer)),
            bottom: Cell::new(0),
            top_seen: Cell::new(0),
            buffer: Cell::new(buffer),
            slots_max: max.next_power_of_two(),
        }
    }

    /// A handle for a thief.
    pub fn stealer(&self) -> Stealer<T> {
        Stealer::new(Arc::clone(&self.shared))
    }

    /// Adds `item` as the newest.
    ///
    /// # Errors
    ///
    /// [`Full`] with the item when the deque holds as many items as it may have slots. A thief may
    /// have made room in the meantime.
    pub fn push(&self, item: T) -> Result<(), Full<T>> {
        // First the conversion: it is the caller's code and could use this deque itself.
        let word = item.into_word();
        if !self.has_room() {
            // SAFETY: the word was made above and stored nowhere.
            return Err(Full(unsafe { T::from_word(word) }));
        }
        let index = self.bottom.get();
        self.buffer().write(index, word);
        // Publishes the item, its slot and the buffer to the thief whose acquiring load of `bottom`
        // reads this store or any later one.
        fence(Release);
        self.set_bottom(index + 1);
        self.bottom.set(index + 1);
        Ok(())
    }

    /// Takes the newest item; `None` when there is none or when a thief took the last one.
    pub fn pop(&self) -> Option<T> {
        let index = self.bottom.get() - 1;
        self.set_bottom(index);
        // Rule 3: the claim above must be visible to a thief whose fence comes later, and this load
        // must see what a thief read before an earlier fence.
        fence(SeqCst);
        let top = self.shared.top.0.load(Relaxed);
        if top < index {
            self.bottom.set(index);
            return Some(self.take(index));
        }
        // At most one item is left, and thieves may be after it; the empty deque has
        // `bottom == top`, so `bottom` returns to where it was in every case. The exchange needs no
        // ordering: the item and its slot were written by this thread.
        let last = top == index;
        let won = last && self.claim_last(top);
        self.set_bottom(index + 1);
        reached_if(last && won, "pop: won the last item");
        reached_if(last && !won, "pop: lost the last item");
        won.then(|| self.take(index))
    }

    /// Number of items; while thieves work, an upper bound.
    pub fn len(&self) -> usize {
        self.len_since(self.shared.top.0.load(Relaxed))
    }

    /// Whether [`Worker::len`] is zero.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Number of slots at present.
    pub fn slots(&self) -> usize {
        self.buffer().slots()
    }

    /// Whether there is a free slot for one more item, after growing if need be.
    fn has_room(&self) -> bool {
        if self.len_since(self.top_seen.get()) < self.slots() {
            return true;
        }
        // Rule 4: the thief that moved `top` past an item has read its slot before, and this makes
        // that read happen before our overwriting.
        self.top_seen.set(self.shared.top.0.load(Acquire));
        let used = self.len_since(self.top_seen.get());
        reached_if(used < self.slots(), "push: reuses a stolen slot");
        used < self.slots() || self.grow()
    }

    /// Doubles the buffer; `false` when it has its maximum size.
    #[cold]
    fn grow(&self) -> bool {
        let old = self.buffer();
        if old.slots() >= self.slots_max {
            return false;
        }
        let new = Buffer::allocate(old.slots() * 2, Some(self.buffer.get()));
        for index in self.top_seen.get()..self.bottom.get() {
            // SAFETY: `allocate` has just made it, and it is freed only with `shared` (rule 5).
            unsafe { &*new }.write(index, old.read(index));
        }
        // A thief may find this buffer by way of an older `bottom`, whose fence came before the
        // copying; this makes the copies, and the buffer itself, visible to it.
        self.shared.buffer.store(new, Release);
        old.replaced.set();
        self.buffer.set(new);
        true
    }

    /// Items between `top`, a present or past one, and the bottom.
    fn len_since(&self, top: isize) -> usize {
        (self.bottom.get() - top).cast_unsigned()
    }

    /// Competes with the thieves for item `top`.
    fn claim_last(&self, top: isize) -> bool {
        let claim = self.shared.top.0.compare_exchange(top, top + 1, Relaxed, Relaxed);
        claim.is_ok()
    }

    fn set_bottom(&self, bottom: isize) {
        self.shared.bottom.0.store(bottom, Relaxed);
    }

    /// The item at `index`, which the owner has just won.
    fn take(&self, index: isize) -> T {
        let word = self.buffer().read(index);
        // SAFETY: `push` stored the word, or `grow` copied it, and rules 2 and 3 give it to exactly
        // one taker.
        unsafe { T::from_word(word) }
    }

    fn buffer(&self) -> &Buffer {
        // SAFETY: rule 5: a buffer lives as long as `shared`, which `self` keeps alive.
        unsafe { &*self.buffer.get() }
    }
}

impl<T: Word> Default for Worker<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Word> fmt::Debug for Worker<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("Worker");
        out.field("len", &self.len()).field("slots", &self.slots());
        out.finish_non_exhaustive()
    }
}
