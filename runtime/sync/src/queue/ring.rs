//! The slots, their sequence numbers and the two ends (rules 1 to 4).

use super::batch::Batch;
use crate::cache_padded::CachePadded;
use crate::shim::Ordering::{Acquire, Relaxed, Release, SeqCst};
use crate::shim::{AtomicU64, UnsafeCell, fence, reached_if};
use std::cmp::Ordering::{Equal, Greater, Less};
use std::mem::MaybeUninit;

/// Room for one item.
struct Slot<T> {
    /// Number of accesses so far (rule 2).
    sequence: AtomicU64,
    item: UnsafeCell<MaybeUninit<T>>,
}

/// The state of a slot in which an end may move past it.
#[derive(Clone, Copy)]
enum SlotState {
    /// Wanted by producers.
    Free,
    /// Wanted by consumers.
    Filled,
}

/// The ring. Positions are 64 bits wide and are not reused: there are more than can be counted.
pub(super) struct Ring<T> {
    /// The next position to push to.
    tail: CachePadded<AtomicU64>,
    /// The next position to pop from.
    head: CachePadded<AtomicU64>,
    /// A power of two of them.
    slots: CachePadded<Box<[Slot<T>]>>,
}

// SAFETY: items move between threads, hence `T: Send`; no two threads have access to the same item
// at a time (rule 3), so `T: Sync` is not needed. The other fields are atomics.
unsafe impl<T: Send> Send for Ring<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for Ring<T> {}

impl<T> Ring<T> {
    /// An empty ring of `slots` slots, a power of two.
    pub(super) fn new(slots: usize) -> Self {
        let slot =
            || Slot { sequence: AtomicU64::new(0), item: UnsafeCell::new(MaybeUninit::uninit()) };
        Self {
            tail: CachePadded(AtomicU64::new(0)),
            head: CachePadded(AtomicU64::new(0)),
            slots: CachePadded((0..slots).map(|_| slot()).collect()),
        }
    }

    pub(super) fn slots(&self) -> usize {
        self.slots.0.len()
    }

    /// Items at some recent moment. The ends are read one after the other, so they may look crossed
    /// or too far apart.
    pub(super) fn len(&self) -> usize {
        let head = self.head.0.load(Relaxed);
        let tail = self.tail.0.load(Relaxed);
        (tail.saturating_sub(head) as usize).min(self.slots())
    }

    /// Claims the next position to push to; the caller fills it.
    pub(super) fn claim_free(&self) -> Option<u64> {
        self.claim(&self.tail.0, SlotState::Free, 1).map(|(position, _)| position)
    }

    /// Claims the oldest filled positions, at most `max` of them.
    pub(super) fn claim_filled(&self, max: usize) -> Batch<'_, T> {
        let claimed =
            if max == 0 { None } else { self.claim(&self.head.0, SlotState::Filled, max) };
        let (position, count) = claimed.unwrap_or((0, 0));
        Batch::new(self, position..position + count)
    }

    /// Moves `end` past the next slots if they are in this `state`, at most `max` of them, at least
    /// one. The first position and their number, or `None` when the first slot is not of that
    /// state.
    fn claim(&self, end: &AtomicU64, state: SlotState, max: usize) -> Option<(u64, u64)> {
        let mut position = end.load(Relaxed);
        let mut fenced = false;
        loop {
            match self.progress(position, state) {
                Equal => {
                    let count = self.run_length(position, state, max);
                    // Relaxed: the sequence numbers were acquired, and positions order nothing.
                    // Success means that no thread moved the end since, for it never comes back to
                    // a position.
                    let next = position + count;
                    match end.compare_exchange_weak(position, next, Relaxed, Relaxed) {
                        Ok(_) => return Some((position, count)),
                        Err(moved) => position = moved,
                    }
                    reached_if(true, "queue: lost a position");
                }
                // Another thread has moved the end already, which the acquired sequence number
                // makes visible.
                Greater => {
                    reached_if(true, "queue: looked at an old position");
                    position = end.load(Relaxed);
                }
                Less if fenced => return None,
                // Rule 4: an attempt fails only after a read behind a fence.
                Less => {
                    fence(SeqCst);
                    fenced = true;
                    position = end.load(Relaxed);
                }
            }
        }
    }

    /// Consecutive slots from `position`, the first of which is known to be in this `state`.
    fn run_length(&self, position: u64, state: SlotState, max: usize) -> u64 {
        let more = (1..max as u64).take_while(|ahead| {
            // Stops after one round at the latest: the first slot is a lap behind by then.
            self.progress(position + ahead, state) == Equal
        });
        1 + more.count() as u64
    }

    /// Compares the slot of `position` with what `state` requires there (rule 2).
    fn progress(&self, position: u64, state: SlotState) -> std::cmp::Ordering {
        // Acquire: the last owner of the slot is done with its item (rule 3).
        let sequence = self.slot(position).sequence.load(Acquire);
        sequence.cmp(&self.expected_sequence(position, state))
    }

    /// The sequence number at which the slot of `position` is free, or filled, for that position.
    fn expected_sequence(&self, position: u64, state: SlotState) -> u64 {
        let lap = position >> self.slots().trailing_zeros();
        2 * lap + state as u64
    }

    fn slot(&self, position: u64) -> &Slot<T> {
        &self.slots.0[position as usize & (self.slots() - 1)]
    }

    /// Puts `item` to `position`, which the caller has claimed from `tail`.
    pub(super) fn fill(&self, position: u64, item: T) {
        // SAFETY: rules 1 and 3: the position is the caller's, and the slot is free.
        self.slot(position).item.with_mut(|slot| unsafe { (*slot).write(item) });
        self.advance_sequence(position, SlotState::Free);
    }

    /// Takes the item at `position`.
    ///
    /// # Safety
    ///
    /// The caller must have claimed `position` from `head` and must do this once.
    pub(super) unsafe fn empty(&self, position: u64) -> T {
        // SAFETY: rules 1 and 3: the position is the caller's, and the slot is filled. The write
        // access, of which only a model takes notice, says that the item moves out.
        let item = self.slot(position).item.with_mut(|slot| unsafe { (*slot).assume_init_read() });
        self.advance_sequence(position, SlotState::Filled);
        item
    }

    /// Ends the access of the slot's owner, which found it in this `state` (rule 3).
    fn advance_sequence(&self, position: u64, state: SlotState) {
        // Release: pairs with the acquiring load of the next owner, at the other end.
        self.slot(position).sequence.store(self.expected_sequence(position, state) + 1, Release);
    }
}
