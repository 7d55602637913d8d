//! The thieves' end.

use super::shared::Shared;
use super::{Steal, Word};
use crate::shim::Ordering::{Acquire, Relaxed, Release, SeqCst};
use crate::shim::{Arc, fence, reached_if};
use std::fmt;

/// A thief's handle; clone it for every thief.
pub struct Stealer<T: Word> {
    shared: Arc<Shared<T>>,
}

impl<T: Word> Stealer<T> {
    pub(super) fn new(shared: Arc<Shared<T>>) -> Self {
        Self { shared }
    }

    /// Tries once to take the oldest item.
    pub fn steal(&self) -> Steal<T> {
        let shared = &*self.shared;
        // Relaxed: the fence that follows makes it an acquiring load, and more.
        let top = shared.top.0.load(Relaxed);
        // Rule 3: what this thief read of `top` must be visible to an owner whose fence comes
        // later, and `bottom` must be read as an owner lowered it before an earlier fence.
        fence(SeqCst);
        // Pairs with the fence of `push`: the slot, the item and the buffer are visible below.
        let bottom = shared.bottom.0.load(Acquire);
        if bottom <= top {
            return Steal::Empty;
        }
        // Pairs with `grow`, whose buffer may be newer than `bottom` lets us know.
        let buffer = shared.buffer.load(Acquire);
        // SAFETY: rule 5: a buffer lives as long as `shared`, which `self` keeps alive.
        let buffer = unsafe { &*buffer };
        // Speculative: the owner may be overwriting the slot. Then `top` has moved, the exchange
        // fails, and the word is forgotten without having been looked at.
        let word = buffer.read(top);
        // Release: the slot has been read before the owner may reuse it (rule 4).
        let claim = shared.top.0.compare_exchange(top, top + 1, Release, Relaxed);
        reached_if(claim.is_ok() && buffer.replaced.is_set(), "steal: from a replaced buffer");
        if claim.is_err() {
            reached_if(true, "steal: lost the race");
            return Steal::Retry;
        }
        // SAFETY: the exchange made this thief the owner of item `top` (rule 2), and rules 3 and 4
        // make `word` the word of that item.
        Steal::Item(unsafe { T::from_word(word) })
    }

    /// Number of items, an estimate: both ends may move while it is taken.
    pub fn len(&self) -> usize {
        let bottom = self.shared.bottom.0.load(Relaxed);
        let top = self.shared.top.0.load(Relaxed);
        usize::try_from(bottom - top).unwrap_or(0)
    }

    /// Whether [`Stealer::len`] is zero.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<T: Word> Clone for Stealer<T> {
    fn clone(&self) -> Self {
        Self::new(Arc::clone(&self.shared))
    }
}

impl<T: Word> fmt::Debug for Stealer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("Stealer");
        out.field("len", &self.len()).finish_non_exhaustive()
    }
}
