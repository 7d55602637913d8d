//! Circular array of one-word slots, addressed by item index (rules 1, 5 and 6).

use crate::shim::{AccessProbe, Ordering::Relaxed, ReachedFlag, SingleWriterPtr};
use std::ptr;

/// Room for one word.
struct Slot {
    word: SingleWriterPtr<()>,
    /// In models in which no thief can lose, reading and overwriting must be ordered (rule 4).
    probe: AccessProbe,
}

impl Slot {
    fn new() -> Self {
        Self { word: SingleWriterPtr::new(ptr::null_mut()), probe: AccessProbe::default() }
    }
}

/// One generation of slots and the chain of generations it replaced.
pub(super) struct Buffer {
    /// A power of two of them.
    slots: Box<[Slot]>,
    /// The buffer this one replaced; kept because a slow thief may still read it.
    predecessor: Option<*mut Buffer>,
    /// Probe: a successor has been published.
    pub(super) replaced: ReachedFlag,
}

impl Buffer {
    /// An empty buffer of `slots` slots, a power of two, on the heap. [`Buffer::free`] takes it
    /// back.
    pub(super) fn allocate(slots: usize, predecessor: Option<*mut Buffer>) -> *mut Buffer {
        assert!(slots.is_power_of_two(), "rule 1 of deque: slot indices are masked");
        Box::into_raw(Box::new(Self {
            slots: (0..slots).map(|_| Slot::new()).collect(),
            predecessor,
            replaced: ReachedFlag::default(),
        }))
    }

    /// Frees `buffer` and every buffer it replaced, directly or not.
    ///
    /// # Safety
    ///
    /// `buffer` must come from [`Buffer::allocate`], must not have been freed, and no thread may
    /// use it or its predecessors any more.
    pub(super) unsafe fn free(buffer: *mut Buffer) {
        let mut next = Some(buffer);
        while let Some(buffer) = next {
            // SAFETY: the caller owns the whole chain, and each link is visited once.
            let buffer = unsafe { Box::from_raw(buffer) };
            next = buffer.predecessor;
        }
    }

    /// Number of slots.
    pub(super) fn slots(&self) -> usize {
        self.slots.len()
    }

    /// The word in the slot of item `index`, whatever it is.
    pub(super) fn read(&self, index: isize) -> *mut () {
        let slot = self.slot(index);
        slot.probe.read();
        slot.word.load(Relaxed)
    }

    /// Puts `word` into the slot of item `index`. Owner only (rule 2).
    pub(super) fn write(&self, index: isize, word: *mut ()) {
        let slot = self.slot(index);
        slot.probe.write();
        slot.word.store(word, Relaxed);
    }

    fn slot(&self, index: isize) -> &Slot {
        &self.slots[index.cast_unsigned() & (self.slots.len() - 1)]
    }
}
