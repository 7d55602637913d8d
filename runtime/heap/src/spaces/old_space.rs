//! The old space: objects that survived, never move, and are freed by mark and sweep.
//!
//! 1. Small objects lie in pages of one size class; the allocator of a class bumps through *holes*,
//!    runs of slots that the last full collection left unmarked, finding the next hole in the mark
//!    bitmap only when it gets there (lazy sweep: free memory is not touched before its reuse).
//! 2. Objects above [`LARGE_OBJECT_BYTES`] have a page of their own, or, above what a page holds, a
//!    mapping of their own that begins like a page. Of a page that was not resident, a small one of
//!    these takes only the memory that it fills; a larger one counts as the whole page.
//! 3. During a full collection the marks are incomplete. Allocation takes holes that were found
//!    before it, at least those of one page for each class, and after them fresh pages.
//! 4. Empty pages are kept for reuse by any class, all but a few of them returned to the system:
//!    first whole chunks, which may be huge pages of the system; those are not torn.
//! 5. Hosts are listed; a full collection hands the boxes of unmarked ones to its caller.
//!
//! Does not know references between objects, roots or the nursery.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::ops::Range;
use std::time::Instant;

use crate::accounting::limits::{LARGE_OBJECT_BYTES, RESIDENT_FREE_DIVISOR, RESIDENT_FREE_PAGES};
use crate::accounting::statistics::ClassUsage;
use crate::memory::os::{self, Mapping};
use crate::spaces::huge_page_policy::HugePagePolicy;
use crate::spaces::page::{LARGE_CLASS, PAGE_BYTES, PAYLOAD_OFFSET, Page, slots_per_page};
use crate::spaces::size_class::{CLASS_BYTES, CLASS_COUNT, class_of};
use crate::spaces::spare_mappings::SpareMappings;
use crate::values::host::{self, HostObject};
use crate::values::value::Value;

/// Pages are mapped this many at a time, aligned to their size: a huge page of the system.
pub(crate) const CHUNK_BYTES: usize = 2 << 20;
const CHUNK_PAGES: usize = CHUNK_BYTES / PAGE_BYTES;
/// So many chunks get memory page by page, as it is needed.
pub(crate) const SMALL_CHUNKS: usize = 2;
/// Large objects are accounted in these units, bytes.
const LARGE_UNIT_BYTES: usize = 4 << 10;
/// A large object that fills this much of a page takes the whole page, in bytes: then the page may
/// be a part of a huge page, which costs fewer faults.
const WHOLE_PAGE_BYTES_MIN: usize = PAGE_BYTES / 4 * 3;

/// The allocator of one size class.
#[derive(Clone, Default)]
struct Class {
    /// Next slot of the current hole.
    cursor: usize,
    /// End of the current hole.
    end: usize,
    slot_bytes: usize,
    page: Option<Page>,
    /// Pages with holes.
    available: Vec<Page>,
    /// What collections have left of holes.
    spare: Vec<Hole>,
    /// Live at the last full collection or handed out since, the current hole included.
    slots_taken: usize,
    slots_total: usize,
}

impl Class {
    fn used_bytes(&self) -> usize {
        self.slots_taken * self.slot_bytes - (self.end - self.cursor)
    }

    fn open_holes(&self) -> impl Iterator<Item = Range<usize>> {
        let spare = self.spare.iter().map(|hole| hole.cursor..hole.end);
        spare.chain(std::iter::once(self.cursor..self.end))
    }
}

/// Free slots side by side, by address.
#[derive(Clone, Copy, Default)]
pub(crate) struct Hole {
    /// Next slot.
    pub cursor: usize,
    /// Behind the last slot.
    pub end: usize,
}

/// The chunk of a page.
fn chunk_of(base: usize) -> usize {
    base & !(CHUNK_BYTES - 1)
}

struct Large {
    page: Page,
    /// Bytes in use: header and object.
    bytes: usize,
    /// At least the memory that it takes: `bytes`, or a whole page that was resident before.
    committed_bytes: usize,
    /// Kept for another or unmapped when the object is dead; absent when the object lies in a page of a chunk.
    mapping: Option<Mapping>,
}

impl Large {
    fn is_live(&self) -> bool {
        self.page.is_marked(self.page.base() + PAYLOAD_OFFSET)
    }

    /// Length of the page or mapping.
    fn extent(&self) -> usize {
        self.mapping.as_ref().map_or(PAGE_BYTES, Mapping::bytes)
    }
}

pub(crate) struct OldSpace {
    classes: [Class; CLASS_COUNT],
    chunks: Vec<Mapping>,
    huge_pages: HugePagePolicy,
    /// Pages in use by a class.
    pages: Vec<Page>,
    /// Empty pages, by address: resident ones, and ones whose memory went back to the system.
    resident: Vec<usize>,
    decommitted: Vec<usize>,
    /// Slots taken of all classes, in bytes.
    taken_bytes: usize,
    large: Vec<Large>,
    large_bytes: usize,
    large_committed_bytes: usize,
    spare_mappings: SpareMappings,
    /// Addresses of all host objects.
    hosts: Vec<usize>,
    /// Of these, the ones with weak values: those made since the last collection, whose values may
    /// be young, and the others.
    weak_fresh: Vec<usize>,
    weak: Vec<usize>,
    host_external_bytes: usize,
}

impl OldSpace {
    pub fn new() -> OldSpace {
        OldSpace {
            classes: std::array::from_fn(|class| Class {
                slot_bytes: CLASS_BYTES[class],
                ..Class::default()
            }),
            chunks: Vec::new(),
            huge_pages: HugePagePolicy::new(),
            pages: Vec::new(),
            resident: Vec::new(),
            decommitted: Vec::new(),
            taken_bytes: 0,
            large: Vec::new(),
            large_bytes: 0,
            large_committed_bytes: 0,
            spare_mappings: SpareMappings::default(),
            hosts: Vec::new(),
            weak_fresh: Vec::new(),
            weak: Vec::new(),
            host_external_bytes: 0,
        }
    }

    /// Memory for a cell of `bytes`, whole granules, uninitialised.
    ///
    /// # Panics
    /// When the operating system has no more memory.
    #[inline(always)]
    pub fn allocate(&mut self, bytes: usize) -> usize {
        if bytes > LARGE_OBJECT_BYTES {
            return self.allocate_large(bytes);
        }
        let class = &mut self.classes[class_of(bytes)];
        let at = class.cursor;
        if at < class.end {
            class.cursor = at + class.slot_bytes;
            return at;
        }
        self.allocate_in_next_hole(class_of(bytes))
    }

    #[cold]
    fn allocate_in_next_hole(&mut self, number: usize) -> usize {
        let Hole { cursor, end } = self.take_hole(number);
        let class = &mut self.classes[number];
        class.cursor = cursor + class.slot_bytes;
        class.end = end;
        cursor
    }

    /// A hole of a class, to be filled or given back.
    pub fn take_hole(&mut self, number: usize) -> Hole {
        loop {
            let class = &mut self.classes[number];
            let hole = class.spare.pop().or_else(|| {
                let (cursor, end) = class.page.and_then(Page::take_hole)?;
                Some(Hole { cursor, end })
            });
            if let Some(hole) = hole {
                class.slots_taken += (hole.end - hole.cursor) / class.slot_bytes;
                self.taken_bytes += hole.end - hole.cursor;
                return hole;
            }
            class.page = class.available.pop();
            if class.page.is_none() {
                let page = self.fresh_page(number);
                self.classes[number].page = Some(page);
            }
        }
    }

    /// Takes back the rest of a hole.
    pub fn give_back(&mut self, number: usize, hole: Hole) {
        let class = &mut self.classes[number];
        class.slots_taken -= (hole.end - hole.cursor) / class.slot_bytes;
        self.taken_bytes -= hole.end - hole.cursor;
        class.spare.push(hole);
    }

    fn fresh_page(&mut self, number: usize) -> Page {
        let base = self.empty_page();
        let class = &mut self.classes[number];
        class.slots_total += slots_per_page(class.slot_bytes);
        // SAFETY: an empty page is a part of a mapped chunk, and nothing uses it.
        let page = unsafe { Page::format(base, class.slot_bytes, number as u32) };
        self.pages.push(page);
        page
    }

    fn empty_page(&mut self) -> usize {
        if self.resident.is_empty() && self.decommitted.is_empty() {
            let is_huge = self.chunks.len() >= SMALL_CHUNKS && self.huge_pages.wants_huge_page();
            self.add_chunk(is_huge);
        }
        if let Some(base) = self.resident.pop() {
            return base;
        }
        let base = self.decommitted.pop();
        let base = base.expect("a chunk has just been added when there was no page");
        // SAFETY: the page is a part of a chunk.
        unsafe { os::commit(base, PAGE_BYTES) };
        base
    }

    /// A page for a large object that fills `bytes` of it, and how much memory it takes (rule 2).
    fn page_of_large(&mut self, bytes: usize) -> (usize, usize) {
        if bytes == PAGE_BYTES {
            return (self.empty_page(), PAGE_BYTES);
        }
        if let Some(base) = self.resident.pop() {
            return (base, PAGE_BYTES);
        }
        if self.decommitted.is_empty() {
            self.add_chunk(false);
        }
        let base = self.decommitted.pop();
        let base = base.expect("a chunk has just been added when there was no page");
        // SAFETY: the range begins a page of a chunk and is no longer than that.
        unsafe { os::commit(base, bytes) };
        (base, bytes)
    }

    /// Maps a chunk and adds its pages: resident ones if it is a huge page of the system.
    fn add_chunk(&mut self, is_huge: bool) {
        let chunk = Mapping::aligned(CHUNK_BYTES, CHUNK_BYTES);
        let chunk = chunk.unwrap_or_else(|error| panic!("{error}"));
        let base = chunk.base();
        let pages = (base..base + CHUNK_BYTES).step_by(PAGE_BYTES).rev();
        if is_huge {
            let began = Instant::now();
            // SAFETY: the range is the chunk.
            unsafe {
                os::use_huge_pages(base, CHUNK_BYTES);
                os::commit(base, CHUNK_BYTES);
            }
            self.huge_pages.report(began.elapsed());
            self.resident.extend(pages);
        } else {
            // SAFETY: the range is the chunk.
            unsafe { os::use_small_pages(base, CHUNK_BYTES) };
            self.decommitted.extend(pages);
        }
        self.chunks.push(chunk);
    }

    #[cold]
    #[inline(never)]
    fn allocate_large(&mut self, bytes: usize) -> usize {
        let total = PAYLOAD_OFFSET + bytes;
        let mut used_bytes = total.next_multiple_of(LARGE_UNIT_BYTES);
        let ((base, committed_bytes), mapping) = if total <= PAGE_BYTES {
            if used_bytes >= WHOLE_PAGE_BYTES_MIN {
                used_bytes = PAGE_BYTES;
            }
            (self.page_of_large(used_bytes), None)
        } else {
            match self.spare_mappings.take(total) {
                Some(mapping) => ((mapping.base(), mapping.bytes()), Some(mapping)),
                None => {
                    let mapping = Mapping::new(total).unwrap_or_else(|error| panic!("{error}"));
                    ((mapping.base(), used_bytes), Some(mapping))
                }
            }
        };
        // SAFETY: an empty page, or a mapping of more than a page that nothing else uses, aligned as pages are.
        let page = unsafe { Page::format(base, bytes, LARGE_CLASS) };
        self.large_bytes += used_bytes;
        self.large_committed_bytes += committed_bytes;
        self.large.push(Large { page, bytes: used_bytes, committed_bytes, mapping });
        page.base() + PAYLOAD_OFFSET
    }

    /// Lists a host object just made; `off_heap_bytes` count as used until the next full
    /// collection asks the host again.
    pub fn add_host(&mut self, address: usize, off_heap_bytes: usize, is_weak: bool) {
        self.hosts.push(address);
        self.host_external_bytes += off_heap_bytes;
        if is_weak {
            self.weak_fresh.push(address);
        }
    }

    /// Updates weak values after tracing and before anything is freed: `now` returns the value
    /// after the collection. A full pass forgets hosts that were not reached; in a minor one only
    /// new hosts can have young values.
    pub fn update_weak(&mut self, full: bool, now: impl Fn(Value) -> Value) {
        let mut hosts = std::mem::take(&mut self.weak_fresh);
        if full {
            hosts.append(&mut self.weak);
            // SAFETY: listed hosts lie in the old space.
            hosts.retain(|&address| unsafe { Page::of(address) }.is_marked(address));
        }
        for &address in &hosts {
            // SAFETY: listed hosts are alive until the sweep; the collector has exclusive access.
            if let Some(value) = unsafe { &mut *host::host_of(address) }.weak() {
                *value = now(*value);
            }
        }
        self.weak.append(&mut hosts);
    }

    pub fn used_bytes(&self) -> usize {
        let small: usize = self.classes.iter().map(Class::used_bytes).sum();
        small + self.large_bytes
    }

    /// An upper bound of [`OldSpace::used_bytes`], too high by no more than the open holes, in
    /// constant time.
    pub fn used_bytes_bound(&self) -> usize {
        self.taken_bytes + self.large_bytes
    }

    pub fn committed_bytes(&self) -> usize {
        (self.pages.len() + self.resident.len()) * PAGE_BYTES
            + self.large_committed_bytes
            + self.spare_mappings.bytes()
    }

    pub fn host_external_bytes(&self) -> usize {
        self.host_external_bytes
    }

    pub fn large_objects(&self) -> usize {
        self.large.len()
    }

    pub fn class_usage(&self) -> impl Iterator<Item = ClassUsage> {
        self.classes.iter().map(|class| ClassUsage {
            slot_bytes: class.slot_bytes,
            slots_used: class.used_bytes() / class.slot_bytes,
            slots_total: class.slots_total,
        })
    }

    /// Starts a full collection: no slot is marked, and only holes found before are open (rule 3).
    pub fn begin_full(&mut self) {
        for number in 0..CLASS_COUNT {
            self.retain_holes(number);
        }
        for page in self.pages.iter().chain(self.large.iter().map(|large| &large.page)) {
            page.clear_marks();
        }
    }

    /// Closes all pages of a class, and keeps the holes that are open or, if none is, those of a
    /// page that has some. Otherwise every full collection would move what survives into a page of
    /// its own.
    fn retain_holes(&mut self, number: usize) {
        let class = &mut self.classes[number];
        let hole = Hole { cursor: class.cursor, end: class.end };
        (class.cursor, class.end) = (0, 0);
        if hole.cursor < hole.end {
            self.give_back(number, hole);
        }
        let class = &mut self.classes[number];
        while class.spare.is_empty()
            && let Some(page) = class.page.take().or_else(|| class.available.pop())
        {
            let holes = std::iter::from_fn(|| page.take_hole());
            class.spare.extend(holes.map(|(cursor, end)| Hole { cursor, end }));
        }
        class.page = None;
        class.available.clear();
    }

    /// Ends a full collection: unmarked slots are free, empty pages leave their class. Returns
    /// the native objects that were not marked, to be dropped when the heap is consistent.
    pub fn sweep(&mut self) -> Vec<Box<dyn HostObject>> {
        let dead = self.sweep_hosts();
        for class in &mut self.classes {
            (class.cursor, class.end, class.page) = (0, 0, None);
            (class.slots_taken, class.slots_total) = (0, 0);
            class.spare.clear();
        }
        self.taken_bytes = 0;
        let mut pages = std::mem::take(&mut self.pages);
        pages.retain(|&page| self.sweep_page(page));
        self.pages = pages;
        self.sweep_large();
        dead
    }

    /// Takes a page back into its class, or, when it is empty, out of it; true when it stays.
    fn sweep_page(&mut self, page: Page) -> bool {
        let live = page.live_slots();
        if live == 0 {
            self.release(page);
            return false;
        }
        page.rewind();
        #[cfg(debug_assertions)]
        page.poison_free_slots();
        let class = &mut self.classes[page.class() as usize];
        let slots = slots_per_page(class.slot_bytes);
        class.slots_taken += live;
        self.taken_bytes += live * class.slot_bytes;
        class.slots_total += slots;
        if live < slots {
            class.available.push(page);
        }
        true
    }

    fn sweep_large(&mut self) {
        self.spare_mappings.begin_sweep();
        for large in std::mem::take(&mut self.large) {
            if large.is_live() {
                self.large.push(large);
                continue;
            }
            self.large_bytes -= large.bytes;
            self.large_committed_bytes -= large.committed_bytes;
            match large.mapping {
                Some(mapping) => self.spare_mappings.keep(mapping),
                None => self.release(large.page),
            }
        }
    }

    fn release(&mut self, page: Page) {
        #[cfg(debug_assertions)]
        page.poison_free_slots();
        self.resident.push(page.base());
    }

    /// Returns empty pages to the system except a reserve: the bytes that are `wanted` soon, and at
    /// least a part of what is in use, because a heap that has just shrunk often grows again, and a
    /// page costs more to fault in than to fill. Chunks without a page in use go first, and go
    /// whole (rule 4).
    pub fn trim(&mut self, wanted: usize) {
        let least = RESIDENT_FREE_PAGES.max(self.pages.len() / RESIDENT_FREE_DIVISOR);
        let reserve = least.max(wanted / PAGE_BYTES);
        let surplus = self.resident.len().saturating_sub(reserve);
        let mut empty = [self.resident.as_slice(), &self.decommitted].concat();
        empty.sort_unstable();
        let runs = empty.chunk_by(|page, next| chunk_of(*page) == chunk_of(*next));
        let whole = runs.filter(|run| run.len() == CHUNK_PAGES);
        let mut unused: Vec<usize> = whole.map(|run| chunk_of(run[0])).collect();
        let gone = unused.split_off(unused.len().saturating_sub(surplus / CHUNK_PAGES));
        let stays = |base: &usize| gone.binary_search(&chunk_of(*base)).is_err();
        self.resident.retain(stays);
        self.decommitted.retain(stays);
        self.chunks.retain(|chunk| stays(&chunk.base()));
        // Taken from the end: pages of chunks in use, by address, before others.
        let is_of_used = |base: &usize| unused.binary_search(&chunk_of(*base)).is_err();
        self.resident.sort_unstable_by_key(|base| (is_of_used(base), Reverse(*base)));
        if !unused.is_empty() {
            return;
        }
        for base in self.resident.drain(reserve.min(self.resident.len())..) {
            // SAFETY: the page is whole, of a live chunk, and nothing in it is reachable.
            unsafe { os::decommit(base, PAGE_BYTES) };
            self.decommitted.push(base);
        }
    }

    fn sweep_hosts(&mut self) -> Vec<Box<dyn HostObject>> {
        let (mut dead, mut external) = (Vec::new(), 0);
        self.hosts.retain(|&address| {
            // SAFETY: listed hosts are live objects of the old space until they leave the list.
            let (page, host) = unsafe { (Page::of(address), host::host_of(address)) };
            if page.is_marked(address) {
                // SAFETY: as above; the collector has exclusive access to the heap.
                external += host::off_heap_bytes(unsafe { &*host });
                return true;
            }
            // SAFETY: the pointer came from `Box::into_raw`; no other use follows once it leaves
            // the list.
            dead.push(unsafe { Box::from_raw(host) });
            false
        });
        self.host_external_bytes = external;
        dead
    }

    /// Where cells may lie, for the checker.
    pub fn map(&self) -> OldMap {
        let small = self.pages.iter().map(|page| (page.base(), PAGE_BYTES));
        let large = self.large.iter().map(|large| (large.page.base(), large.extent()));
        OldMap {
            pages: small.chain(large).collect(),
            open: self.classes.iter().flat_map(Class::open_holes).collect(),
        }
    }
}

/// The pages of the old space by base address with their lengths, and the holes being filled.
pub(crate) struct OldMap {
    pages: HashMap<usize, usize>,
    open: Vec<Range<usize>>,
}

impl OldMap {
    /// Whether a cell of at least `bytes` that is live or was handed out starts at `address`.
    pub fn holds(&self, address: usize, bytes: usize) -> bool {
        let Some(&page_bytes) = self.pages.get(&(address & !(PAGE_BYTES - 1))) else {
            return false;
        };
        // SAFETY: the page is mapped and formatted, or it would not be in the map.
        let page = unsafe { Page::of(address) };
        if page.class() == LARGE_CLASS {
            return address == page.base() + PAYLOAD_OFFSET && PAYLOAD_OFFSET + bytes <= page_bytes;
        }
        page.holds(address)
            && bytes <= page.slot_bytes()
            && !self.open.iter().any(|hole| hole.contains(&address))
    }
}

impl Drop for OldSpace {
    fn drop(&mut self) {
        for address in std::mem::take(&mut self.hosts) {
            // SAFETY: listed hosts own their boxes; the list is emptied, so each is dropped once,
            // and the chunks are unmapped only after this.
            drop(unsafe { Box::from_raw(host::host_of(address)) });
        }
    }
}
