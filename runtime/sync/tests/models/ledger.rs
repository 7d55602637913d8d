//! Items whose history a model can audit: issued, taken and dropped how often, and their content.
//!
//! 1. The content is written right before the item is handed to the structure and read right after
//!    it was taken; loom reports a read that the structure did not order after the write.
//! 2. An item taken twice is noticed before anything is freed, so a broken structure ends in a
//!    message and not in a corrupted process.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use valk_sync::deque::Word;
use valk_sync::shim::UnsafeCell;

/// Content of item `id`; not the number of anything else.
const fn content(id: usize) -> usize {
    1000 + id
}

/// The plain atomics here are bookkeeping that loom must not see.
struct Entry {
    id: usize,
    content: UnsafeCell<usize>,
    issued: AtomicUsize,
    taken: AtomicUsize,
    dropped: AtomicUsize,
}

// SAFETY: `content` is accessed by the owner of the one ticket of this entry; that this is so is
// what the models check, and loom reports the access when it is not.
unsafe impl Sync for Entry {}
// SAFETY: as above.
unsafe impl Send for Entry {}

/// The items of one execution.
pub struct Ledger(Vec<Arc<Entry>>);

impl Ledger {
    /// `items` items, none of them issued.
    pub fn new(items: usize) -> Self {
        let entry = |id| Entry {
            id,
            content: UnsafeCell::new(0),
            issued: AtomicUsize::new(0),
            taken: AtomicUsize::new(0),
            dropped: AtomicUsize::new(0),
        };
        Self((0..items).map(|id| Arc::new(entry(id))).collect())
    }

    /// Issues item `id`, with its content written by the calling thread.
    pub fn issue(&self, id: usize) -> Ticket {
        let entry = &self.0[id];
        assert_eq!(entry.issued.fetch_add(1, Relaxed), 0, "the model issues item {id} twice");
        // SAFETY: the ticket does not exist yet, so no other thread may look.
        entry.content.with_mut(|cell| unsafe { *cell = content(id) });
        Ticket(entry.clone())
    }

    /// Items dropped so far; bookkeeping that orders nothing.
    pub fn dropped(&self) -> usize {
        let dropped = self.0.iter().map(|entry| entry.dropped.load(Relaxed));
        dropped.sum()
    }

    /// Checks, when all threads are done, that no item was lost.
    pub fn settle(self) {
        for entry in self.0 {
            let issued = entry.issued.load(Relaxed);
            let dropped = entry.dropped.load(Relaxed);
            assert_eq!(issued, dropped, "item {} was lost or dropped twice", entry.id);
        }
    }
}

/// Ownership of one item.
pub struct Ticket(Arc<Entry>);

impl Ticket {
    /// Uses the item up: reads its content and returns its number.
    pub fn redeem(self) -> usize {
        let entry = &self.0;
        // SAFETY: this is the only ticket; loom checks it, hence a write access.
        let found = entry.content.with_mut(|cell| unsafe { std::mem::take(&mut *cell) });
        assert_eq!(found, content(entry.id), "item {} arrived without its content", entry.id);
        entry.id
    }

    /// Reads the content, as others may at the same time, and returns the item's number.
    pub fn look(&self) -> usize {
        let entry = &self.0;
        // SAFETY: the content is only read while the ticket is shared; loom checks it.
        let found = entry.content.with(|cell| unsafe { *cell });
        assert_eq!(found, content(entry.id), "item {} arrived without its content", entry.id);
        entry.id
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.0.dropped.fetch_add(1, Relaxed);
    }
}

impl Word for Ticket {
    fn into_word(self) -> *mut () {
        let word = Arc::as_ptr(&self.0).cast_mut().cast();
        // Neither the entry's count nor `dropped` may move: the word is the ticket now.
        std::mem::forget(self);
        word
    }

    unsafe fn from_word(word: *mut ()) -> Self {
        assert!(!word.is_null(), "an empty slot was taken for an item");
        let word: *const Entry = word.cast_const().cast();
        // SAFETY: the ledger keeps every entry alive until the execution is over, even when the
        // structure under test hands a word out twice.
        let entry = unsafe { &*word };
        let before = entry.taken.fetch_add(1, Relaxed);
        assert_eq!(before, 0, "item {} was taken twice", entry.id);
        // SAFETY: `into_word` forgot this reference, and the assertion lets only one claim it.
        Self(unsafe { Arc::from_raw(word) })
    }
}

impl std::fmt::Debug for Ticket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Ticket({})", self.0.id)
    }
}
