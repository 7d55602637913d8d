//! A page: 64 KiB, aligned to its size, its metadata at the start, then slots of one size.
//!
//! 1. An address inside the first 64 KiB of a page leads to the page by masking. A large object is
//!    the only slot of a longer page of its own and begins in those 64 KiB.
//! 2. The mark bit of a slot (one bit per granule, used at slot starts) says "live at the last full
//!    collection"; slots handed out since then are recognised by the frontier: below it, unmarked
//!    slots have been given to the allocator as part of a hole.
//! 3. The logged bit of a pair says "in the remembered set"; objects keep that in their header.

use crate::object::{self, GRANULE_BYTES};
use crate::os::GRAIN_BYTES;

/// Size and alignment of a page.
pub(crate) const PAGE_BYTES: usize = GRAIN_BYTES;
const BITMAP_WORDS: usize = PAGE_BYTES / GRANULE_BYTES / 64;

/// One bit per granule of a page.
pub(crate) type Bitmap = [u64; BITMAP_WORDS];

#[repr(C, align(16))]
struct PageHeader {
    marks: Bitmap,
    logged: Bitmap,
    slot_bytes: u32,
    /// Offset in the page below which every hole has been handed out.
    frontier: u32,
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
        // SAFETY: the caller's promise; the header's fields are integers, for which zero is valid.
        unsafe { object::at::<PageHeader>(base).write_bytes(0, 1) };
        let mut page = Page(base);
        let header = page.header_mut();
        header.slot_bytes = u32::try_from(slot_bytes).unwrap_or(u32::MAX);
        header.frontier = PAYLOAD_OFFSET as u32;
        header.class = class;
        page
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
        // SAFETY: a `Page` is the base of an initialised page; the metadata of a page is accessed
        // only through the short borrows of this file, on one thread.
        unsafe { &*object::at::<PageHeader>(self.0) }
    }

    #[inline(always)]
    fn header_mut(&mut self) -> &mut PageHeader {
        // SAFETY: as in `header`; each borrow ends within the function of this file that took it.
        unsafe { &mut *object::at::<PageHeader>(self.0) }
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
        let marks = &mut self.header_mut().marks[word];
        let fresh = *marks & bit == 0;
        *marks |= bit;
        fresh
    }

    #[inline]
    pub fn is_marked(self, address: usize) -> bool {
        let (word, bit) = Page::bit(address);
        self.header().marks[word] & bit != 0
    }

    /// Notes a pair as remembered; true when it was not before.
    #[inline]
    pub fn log(mut self, address: usize) -> bool {
        let (word, bit) = Page::bit(address);
        let logged = &mut self.header_mut().logged[word];
        let fresh = *logged & bit == 0;
        *logged |= bit;
        fresh
    }

    pub fn unlog(mut self, address: usize) {
        let (word, bit) = Page::bit(address);
        self.header_mut().logged[word] &= !bit;
    }

    pub fn is_logged(self, address: usize) -> bool {
        let (word, bit) = Page::bit(address);
        self.header().logged[word] & bit != 0
    }

    pub fn clear_marks(mut self) {
        self.header_mut().marks = [0; BITMAP_WORDS];
    }

    /// Marked slots.
    pub fn live_slots(self) -> usize {
        self.header().marks.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// After a full collection: unmarked slots are free again, from the first on.
    pub fn rewind(mut self) {
        self.header_mut().frontier = PAYLOAD_OFFSET as u32;
    }

    /// Hands out the next run of free slots as a range of addresses.
    pub fn take_hole(mut self) -> Option<(usize, usize)> {
        let header = self.header_mut();
        let slot = header.slot_bytes as usize;
        let slots = slots_per_page(slot);
        let next = (header.frontier as usize - PAYLOAD_OFFSET) / slot;
        let (first, end) = next_hole(&header.marks, slot / GRANULE_BYTES, next, slots)?;
        header.frontier = (PAYLOAD_OFFSET + end * slot) as u32;
        let payload = self.0 + PAYLOAD_OFFSET;
        Some((payload + first * slot, payload + end * slot))
    }

    /// Whether a slot starts at `address` that is live or was handed out (rule 2).
    pub fn holds(self, address: usize) -> bool {
        let offset = address - self.0;
        let header = self.header();
        offset >= PAYLOAD_OFFSET
            && (offset - PAYLOAD_OFFSET).is_multiple_of(header.slot_bytes as usize)
            && (self.is_marked(address) || offset < header.frontier as usize)
    }

    /// Overwrites every free slot after a full collection, so that stale values are recognised.
    #[cfg(debug_assertions)]
    pub fn poison_free_slots(self) {
        let slot = self.slot_bytes();
        for index in 0..slots_per_page(slot) {
            let address = self.0 + PAYLOAD_OFFSET + index * slot;
            if !self.is_marked(address) {
                crate::nursery::poison(address, slot);
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
