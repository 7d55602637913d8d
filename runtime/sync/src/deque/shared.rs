//! What owner and thieves share: the two ends, the current buffer, and the final clean-up.

use super::Word;
use super::buffer::Buffer;
use crate::cache_padded::CachePadded;
use crate::shim::{AtomicIsize, Ordering::Relaxed, SingleWriterIsize, SingleWriterPtr};
use std::marker::PhantomData;

/// The shared half of a deque; lives until the last handle is gone.
pub(super) struct Shared<T: Word> {
    /// Index of the oldest item; moved by thieves and, for the last item, by the owner.
    pub(super) top: CachePadded<AtomicIsize>,
    /// Index after the newest item; written by the owner only.
    pub(super) bottom: CachePadded<SingleWriterIsize>,
    /// The current buffer; replaced by the owner only.
    pub(super) buffer: SingleWriterPtr<Buffer>,
    items: PhantomData<T>,
}

// SAFETY: the deque moves items between threads, which `Word: Send` permits, and never gives two
// threads access to the same item (rule 2), so `T: Sync` is not needed. The fields are atomics.
unsafe impl<T: Word> Send for Shared<T> {}
// SAFETY: as above.
unsafe impl<T: Word> Sync for Shared<T> {}

impl<T: Word> Shared<T> {
    /// An empty deque on `buffer`, which it owns from here on.
    pub(super) fn new(buffer: *mut Buffer) -> Self {
        Self {
            top: CachePadded(AtomicIsize::new(0)),
            bottom: CachePadded(SingleWriterIsize::new(0)),
            buffer: SingleWriterPtr::new(buffer),
            items: PhantomData,
        }
    }
}

impl<T: Word> Drop for Shared<T> {
    fn drop(&mut self) {
        // Relaxed is enough in this function: `&mut self` means that every other handle was
        // dropped before, and the reference count made their last operations visible.
        let buffer = self.buffer.load(Relaxed);
        for index in self.top.0.load(Relaxed)..self.bottom.0.load(Relaxed) {
            // SAFETY: rule 5: the current buffer is freed below, not before.
            let word = unsafe { &*buffer }.read(index);
            // SAFETY: rule 2: no thread took the items of `top..bottom`, and no handle is left to.
            drop(unsafe { T::from_word(word) });
        }
        // SAFETY: `allocate` made the chain, and no handle is left that could read it.
        unsafe { Buffer::free(buffer) };
    }
}
