//! A page: 64 KiB, aligned to its size, its metadata at the start, then slots of one size.
//!
//! 1. An address inside the first 64 KiB of a page leads to the page by masking. A large object is
//!    the only slot of a longer page of its own and begins in those 64 KiB.
//! 2. The mark bit of a slot (one bit per granule, used at slot starts) says "live at the last full
//!    collection"; slots allocated since then are recognised by the frontier: below it, unmarked
//!    slots have been given to the allocator as part of a hole.
//! 3. The logged bit of a pair says "in the remembered set"; objects keep that in their header.

use crate::memory::address;
use crate::memory::os::GRAIN_BYTES;
use crate::values::object::GRANULE_BYTES;
use std::cell::{Cell, UnsafeCell};
use std::sync::atomic::{AtomicU64, Ordering};

/// Size and alignment of a page.
pub(crate) const PAGE_BYTES: usize = GRAIN_BYTES;
const BITMAP_WORDS: usize = PAGE_BYTES / GRANULE_BYTES / 64;

/// One bit per granule of a page.
pub(crate) type Bitmap = [u64; BITMAP_WORDS];

#[repr(C, align(16))]
struct PageHeader {
    /// Changed by collections only; also read under the heap's lock.
    marks: UnsafeCell<Bitmap>,
    /// Changed by every mutator.
    logged: [AtomicU64; BITMAP_WORDS],
    slot_bytes: u32,
    /// Offset in the page below which every hole has been handed out. Under the heap's lock.
    frontier: Cell<u32>,
    class: u32,
}

/// Offset of the first slot.
pub(crate) const PAYLOAD_OFFSET: usize = size_of::<PageHeader>();
const _: () = assert!(PAYLOAD_OFFSET.is_multiple_of(GRANULE_BYTES));

/// Class number of a page that holds one large object.
pub(crate) const LARGE_CLASS: u32 = u32::MAX;

/// Slots of a page of this slot size.
pub(crate) const fn slots_per_page(slot_bytes: usize) -> usize {
    (PAGE_BYTES - PAYLOAD_OFFSET) / slot_bytes
}

/// Base address of an initialised page. Made only by [`Page::format`] and [`Page::of`].
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(crate) struct Page(usize);

impl Page {
    /// Turns a mapped range into an empty page.
    ///
    /// # Safety
    /// `base` is the page-aligned start of a mapped range of at least a page that nothing uses.
    pub unsafe fn format(base: usize, slot_bytes: usize, class: u32) -> Page {
        let header = PageHeader {
            marks: UnsafeCell::new([0; BITMAP_WORDS]),
            logged: [const { AtomicU64::new(0) }; BITMAP_WORDS],
            slot_bytes: u32::try_from(slot_bytes).unwrap_or(u32::MAX),
            frontier: Cell::new(PAYLOAD_OFFSET as u32),
            class,
        };
        // SAFETY: the caller's promise.
        unsafe { address::at::<PageHeader>(base).write(header) };
        Page(base)
    }

    /// The page of an old cell.
    ///
    /// # Safety
    /// `address` is that of a cell of the old space (rule 1).
    #[inline(always)]
    pub unsafe fn of(address: usize) -> Page {
        Page(address & !(PAGE_BYTES - 1))
    }

    #[inline(always)]
    fn header(&self) -> &PageHeader {
        // SAFETY: a `Page` is the base of an initialised page.
        unsafe { &*address::at::<PageHeader>(self.0) }
    }

    #[inline(always)]
    fn marks(&self) -> &Bitmap {
        // SAFETY: marks are changed in a stopped world only, by `marks_mut`.
        unsafe { &*self.header().marks.get() }
    }

    #[inline(always)]
    fn marks_mut(&mut self) -> &mut Bitmap {
        // SAFETY: called by the one collector in a stopped world; each borrow ends within the
        // function of this file that took it.
        unsafe { &mut *self.header().marks.get() }
    }

    pub fn base(self) -> usize {
        self.0
    }

    pub fn class(self) -> u32 {
        self.header().class
    }

    pub fn slot_bytes(self) -> usize {
        self.header().slot_bytes as usize
    }

    #[inline(always)]
    fn bit(address: usize) -> (usize, u64) {
        let granule = (address & (PAGE_BYTES - 1)) / GRANULE_BYTES;
        (granule / 64, 1 << (granule % 64))
    }

    /// Marks a slot; true when it was not marked before.
    #[inline(always)]
    pub fn mark(mut self, address: usize) -> bool {
        let (word, bit) = Page::bit(address);
        let marks = &mut self.marks_mut()[word];
        let fresh = *marks & bit == 0;
        *marks |= bit;
        fresh
    }

    /// The same, while other tracers mark in parallel.
    #[inline]
    pub fn mark_shared(self, address: usize) -> bool {
        let (word, bit) = Page::bit(address);
        // SAFETY: the word is a part of the page's header; while several collectors mark, all of
        // them do it here.
        let word =
            unsafe { AtomicU64::from_ptr((&raw mut (*self.header().marks.get())[word]).cast()) };
        // Relaxed: nothing but the bit is published.
        word.load(Ordering::Relaxed) & bit == 0 && word.fetch_or(bit, Ordering::Relaxed) & bit == 0
    }

    #[inline]
    pub fn is_marked(self, address: usize) -> bool {
        let (word, bit) = Page::bit(address);
        self.marks()[word] & bit != 0
    }

    /// Notes a pair as remembered; true for the one mutator that did.
    #[inline]
    pub fn log(self, address: usize) -> bool {
        let (word, bit) = Page::bit(address);
        // Relaxed: nothing but the bit is published.
        self.header().logged[word].fetch_or(bit, Ordering::Relaxed) & bit == 0
    }

    pub fn unlog(self, address: usize) {
        let (word, bit) = Page::bit(address);
        self.header().logged[word].fetch_and(!bit, Ordering::Relaxed);
    }

    pub fn is_logged(self, address: usize) -> bool {
        let (word, bit) = Page::bit(address);
        self.header().logged[word].load(Ordering::Relaxed) & bit != 0
    }

    pub fn clear_marks(mut self) {
        *self.marks_mut() = [0; BITMAP_WORDS];
    }

    /// Marked slots.
    pub fn live_slots(self) -> usize {
        self.marks().iter().map(|word| word.count_ones() as usize).sum()
    }

    /// After a full collection: unmarked slots are free again, from the first on.
    pub fn rewind(self) {
        self.header().frontier.set(PAYLOAD_OFFSET as u32);
    }

    /// Hands out the next run of free slots as a range of addresses.
    pub fn take_hole(self) -> Option<(usize, usize)> {
        let header = self.header();
        let slot = header.slot_bytes as usize;
        let slots = slots_per_page(slot);
        let next = (header.frontier.get() as usize - PAYLOAD_OFFSET) / slot;
        let (first, end) = next_hole(self.marks(), slot / GRANULE_BYTES, next, slots)?;
        header.frontier.set((PAYLOAD_OFFSET + end * slot) as u32);
        let payload = self.0 + PAYLOAD_OFFSET;
        Some((payload + first * slot, payload + end * slot))
    }

    /// Whether a slot starts at `address` that is live or was handed out (rule 2).
    pub fn holds(self, address: usize) -> bool {
        let offset = address - self.0;
        let header = self.header();
        offset >= PAYLOAD_OFFSET
            && (offset - PAYLOAD_OFFSET).is_multiple_of(header.slot_bytes as usize)
            && (self.is_marked(address) || offset < header.frontier.get() as usize)
    }

    /// Overwrites every free slot after a full collection, so that stale values are recognised.
    #[cfg(debug_assertions)]
    pub fn poison_free_slots(self) {
        let slot = self.slot_bytes();
        for index in 0..slots_per_page(slot) {
            let address = self.0 + PAYLOAD_OFFSET + index * slot;
            if !self.is_marked(address) {
                crate::values::object::poison(address, slot);
            }
        }
    }
}

/// The first maximal run of unmarked slots in `from..slots`, as slot numbers.
///
/// Slots are `slot_granules` granules long; slot 0 starts at the payload.
pub(crate) fn next_hole(
    marks: &Bitmap,
    slot_granules: usize,
    from: usize,
    slots: usize,
) -> Option<(usize, usize)> {
    let granule = |slot: usize| PAYLOAD_OFFSET / GRANULE_BYTES + slot * slot_granules;
    let marked = |slot: usize| marks[granule(slot) / 64] >> (granule(slot) % 64) & 1 == 1;
    let first = (from..slots).find(|&slot| !marked(slot))?;
    // Only slot starts are marked, so the next mark is the next marked slot.
    let end = next_mark(marks, granule(first), granule(slots))
        .map_or(slots, |at| (at - granule(0)) / slot_granules);
    Some((first, end))
}

/// The first marked granule in `from..to`, a word at a time.
fn next_mark(marks: &Bitmap, from: usize, to: usize) -> Option<usize> {
    let mut word = from / 64;
    let mut bits = marks[word] & u64::MAX << (from % 64);
    while bits == 0 {
        word += 1;
        if word * 64 >= to {
            return None;
        }
        bits = marks[word];
    }
    Some(word * 64 + bits.trailing_zeros() as usize).filter(|at| *at < to)
}
