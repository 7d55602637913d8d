//! Work-stealing deque: one owner pushes and pops at the bottom, thieves steal at the top.
//!
//! The algorithm of Chase and Lev ("Dynamic Circular Work-Stealing Deque", SPAA 2005) with the
//! fences of Lê, Pop, Cohen and Zappa Nardelli ("Correct and Efficient Work-Stealing for Weak
//! Memory Models", `PPoPP` 2013). Rules, cited by the comments in `deque/`:
//!
//! 1. Item `i` sits in slot `i mod slots`. `top..bottom` are the items; `top` only grows.
//! 2. Only the owner writes `bottom`, the slots and the buffer pointer. All threads move `top`, by
//!    compare-exchange from `i` to `i + 1`, and the thread that succeeds owns item `i`.
//! 3. The owner takes item `i` without a compare-exchange only after it has lowered `bottom` to `i`
//!    and then, behind a sequentially consistent fence, seen `top < i`. A thief reads `top`, then,
//!    behind its fence, `bottom`. Of two such fences one is first, so not both miss the other.
//! 4. A slot is overwritten only when the owner has acquired a `top` beyond its item. A thief that
//!    won has read the slot before it released that `top`; one that read later has lost.
//! 5. A replaced buffer is never written again and is freed with the deque, because a slow thief
//!    may still read it. Sizes double, so all replaced buffers together are smaller than the
//!    current one.
//! 6. A slot is one word, read and written atomically. A thief that loses reads a word that is
//!    being overwritten; a plain read of a larger item would be a data race even if its result is
//!    dropped. [`Word`] is therefore the bound: an item of any size goes into a `Box`.
//! 7. The last handle, owner or thief, drops the items that are left.
//!
//! `docs/concurrency.md` has the argument for each ordering and the models that hold it in place.
//! Does not know what an item means, which thread waits for one, or when all deques are empty.

mod buffer;
mod shared;
mod stealer;
mod word;
mod worker;

pub use stealer::Stealer;
pub use word::Word;
pub use worker::Worker;

use std::fmt;

/// Outcome of one attempt to steal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a stolen item would be dropped"]
pub enum Steal<T> {
    /// There was no item at some moment during the attempt.
    Empty,
    /// Another thief or the owner took the item first; there may be more.
    Retry,
    /// The oldest item, now owned by the caller.
    Item(T),
}

impl<T> Steal<T> {
    /// The item, if there is one.
    pub fn item(self) -> Option<T> {
        match self {
            Self::Item(item) => Some(item),
            Self::Empty | Self::Retry => None,
        }
    }
}

/// The deque holds as many items as it has been allowed; the refused item comes back.
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
            "the deque is full at its slot limit and the item was not queued; \
             run it here, wait for thieves, or create the deque with a higher limit",
        )
    }
}

impl<T> std::error::Error for Full<T> {}
