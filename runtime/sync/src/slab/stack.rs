//! The stack of free slots (rules 1 to 3 and 5).

use crate::cache_padded::CachePadded;
use crate::shim::Ordering::{Acquire, Relaxed, Release};
use crate::shim::{AtomicU32, AtomicU64, reached_if};

/// The index below the last slot of the stack.
const NONE: u32 = u32::MAX;

/// The head, taken apart (rule 1).
#[derive(Clone, Copy)]
struct Head {
    top: u32,
    changes: u32,
}

impl Head {
    fn from_word(word: u64) -> Self {
        Self { top: word as u32, changes: (word >> 32) as u32 }
    }

    fn word(self) -> u64 {
        u64::from(self.changes) << 32 | u64::from(self.top)
    }

    /// The head after `top` has become the top slot (rule 2).
    fn change_to(self, top: u32) -> Self {
        Self { top, changes: self.changes.wrapping_add(1) }
    }
}

/// Free slots, last in, first out.
pub(super) struct Stack {
    head: CachePadded<AtomicU64>,
    /// Per slot the one below it, while it is free.
    links: Box<[AtomicU32]>,
}

impl Stack {
    /// A stack of all slots below `slots`, the lowest on top.
    pub(super) fn full(slots: usize) -> Self {
        let last = slots as u32 - 1;
        let link = |slot| AtomicU32::new(if slot == last { NONE } else { slot + 1 });
        Self {
            head: CachePadded(AtomicU64::new(Head { top: 0, changes: 0 }.word())),
            links: (0..=last).map(link).collect(),
        }
    }

    /// Number of slots, free or not.
    pub(super) fn slots(&self) -> usize {
        self.links.len()
    }

    /// Takes the top slot.
    pub(super) fn pop(&self) -> Option<u32> {
        let mut head = self.head();
        while head.top != NONE {
            // Relaxed: `head` was acquired, and the link with it. If the slot has been taken and
            // put back since, the link may be a new one; then the exchange fails (rule 2).
            let below = self.links[head.top as usize].load(Relaxed);
            let next = head.change_to(below).word();
            // Relaxed: it succeeds only against the very head that was acquired. What others put
            // back below is passed on, because exchanges continue each other's release sequence.
            match self.head.0.compare_exchange_weak(head.word(), next, Relaxed, Relaxed) {
                Ok(_) => return Some(head.top),
                Err(_) => reached_if(true, "slab: the head moved under a taker"),
            }
            head = self.head();
        }
        None
    }

    /// Puts `slot`, which is not in the stack, on top.
    pub(super) fn push(&self, slot: u32) {
        // Relaxed: only the index is used, and the exchange checks it.
        let mut head = Head::from_word(self.head.0.load(Relaxed));
        loop {
            // Relaxed: published by the exchange below (rule 3).
            self.links[slot as usize].store(head.top, Relaxed);
            let next = head.change_to(slot).word();
            // Release: the link, and what was done to the slot (rule 5), come before.
            match self.head.0.compare_exchange_weak(head.word(), next, Release, Relaxed) {
                Ok(_) => return,
                Err(moved) => head = Head::from_word(moved),
            }
        }
    }

    fn head(&self) -> Head {
        // Acquire: the link of the top slot, and what was done to the slot before (rule 5).
        Head::from_word(self.head.0.load(Acquire))
    }
}
