//! The slots, their turns and the two ends (rules 1 to 4).

use super::batch::Batch;
use crate::line::OwnLine;
use crate::shim::Ordering::{Acquire, Relaxed, Release, SeqCst};
use crate::shim::{AtomicU64, UnsafeCell, fence, reached_if};
use std::cmp::Ordering::{Equal, Greater, Less};
use std::mem::MaybeUninit;

/// Room for one item.
struct Slot<T> {
    /// What was done to the slot so far (rule 2).
    turn: AtomicU64,
    item: UnsafeCell<MaybeUninit<T>>,
}

/// What a slot must be for an end to move past it.
#[derive(Clone, Copy)]
enum Kind {
    /// Wanted by producers.
    Free,
    /// Wanted by consumers.
    Filled,
}

/// The ring. Positions are 64 bits wide and are not reused: there are more than can be counted.
pub(super) struct Ring<T> {
    /// The next position to push to.
    tail: OwnLine<AtomicU64>,
    /// The next position to pop from.
    head: OwnLine<AtomicU64>,
    /// A power of two of them.
    slots: OwnLine<Box<[Slot<T>]>>,
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
            || Slot { turn: AtomicU64::new(0), item: UnsafeCell::new(MaybeUninit::uninit()) };
        Self {
            tail: OwnLine(AtomicU64::new(0)),
            head: OwnLine(AtomicU64::new(0)),
            slots: OwnLine((0..slots).map(|_| slot()).collect()),
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
        self.claim(&self.tail.0, Kind::Free, 1).map(|(position, _)| position)
    }

    /// Claims the oldest filled positions, at most `max` of them.
    pub(super) fn claim_filled(&self, max: usize) -> Batch<'_, T> {
        let claimed = if max == 0 { None } else { self.claim(&self.head.0, Kind::Filled, max) };
        let (position, count) = claimed.unwrap_or((0, 0));
        Batch::new(self, position..position + count)
    }

    /// Moves `end` past the next slots if they are of this `kind`, at most `max` of them, at least
    /// one. The first position and their number, or `None` when the first slot is not of that kind.
    fn claim(&self, end: &AtomicU64, kind: Kind, max: usize) -> Option<(u64, u64)> {
        let mut position = end.load(Relaxed);
        let mut fenced = false;
        loop {
            match self.progress(position, kind) {
                Equal => {
                    let count = self.run_length(position, kind, max);
                    // Relaxed: the turns were acquired, and positions order nothing. Success means
                    // that nobody moved the end since, for it never comes back to a position.
                    let next = position + count;
                    match end.compare_exchange_weak(position, next, Relaxed, Relaxed) {
                        Ok(_) => return Some((position, count)),
                        Err(moved) => position = moved,
                    }
                    reached_if(true, "queue: lost a position");
                }
                // Somebody has moved the end already, which the acquired turn makes visible.
                Greater => {
                    reached_if(true, "queue: looked at an old position");
                    position = end.load(Relaxed);
                }
                Less if fenced => return None,
                // Rule 4: a failure is told only after a look behind a fence.
                Less => {
                    fence(SeqCst);
                    fenced = true;
                    position = end.load(Relaxed);
                }
            }
        }
    }

    /// Consecutive slots from `position`, the first of which is known to be of this `kind`.
    fn run_length(&self, position: u64, kind: Kind, max: usize) -> u64 {
        let more = (1..max as u64).take_while(|ahead| {
            // Stops after one round at the latest: the first slot is a lap behind by then.
            self.progress(position + ahead, kind) == Equal
        });
        1 + more.count() as u64
    }

    /// How far the slot of `position` has come, against what `kind` asks for there (rule 2).
    fn progress(&self, position: u64, kind: Kind) -> std::cmp::Ordering {
        // Acquire: what the last owner of the slot did to its item is done (rule 3).
        let turn = self.slot(position).turn.load(Acquire);
        turn.cmp(&self.due(position, kind))
    }

    /// The turn at which the slot of `position` is free, or filled, for that position.
    fn due(&self, position: u64, kind: Kind) -> u64 {
        let lap = position >> self.slots().trailing_zeros();
        2 * lap + kind as u64
    }

    fn slot(&self, position: u64) -> &Slot<T> {
        &self.slots.0[position as usize & (self.slots() - 1)]
    }

    /// Puts `item` to `position`, which the caller has claimed from `tail`.
    pub(super) fn fill(&self, position: u64, item: T) {
        // SAFETY: rules 1 and 3: the position is the caller's, and the slot is free.
        self.slot(position).item.with_mut(|slot| unsafe { (*slot).write(item) });
        self.count_turn(position, Kind::Free);
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
        self.count_turn(position, Kind::Filled);
        item
    }

    /// Ends the turn of the slot's owner, who found it of this `kind` (rule 3).
    fn count_turn(&self, position: u64, kind: Kind) {
        // Release: pairs with the acquiring load of the next owner, at the other end.
        self.slot(position).turn.store(self.due(position, kind) + 1, Release);
    }
}
