//! Arenas: memory for data that ends together, such as a request's. It is taken by moving a pointer
//! and given back all at once.
//!
//! 1. Only plain data (`Copy`) is allocated: giving memory back runs no destructor.
//! 2. Memory is given back in two ways, each of which the borrow checker permits only when
//!    no reference to it is left: [`Arena::reset`] gives back everything, and the end of a
//!    [`Scope::nested`] what was allocated in it; outer scopes cannot allocate meanwhile.
//! 3. What does not fit the capacity is *overflow*: a block of its own from the process's
//!    allocator, counted, and given back together with the rest. So a capacity that is too small
//!    costs time, and shows in [`ArenaStatistics`].
//! 4. The arena and its overflow never hold more than `limit_bytes`: what goes beyond is refused.
//!
//! One thread at a time. Knows nothing of values; objects of the language are allocated in the
//! nursery.

use crate::error::HeapError;
use crate::memory::address;
use crate::memory::os::Mapping;
use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::cell::{Cell, RefCell};
use std::fmt;
use std::marker::PhantomData;
use std::num::NonZero;
use std::ptr::NonNull;

/// What an arena has counted. Sizes are in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ArenaStatistics {
    /// Allocations that succeeded, overflow included.
    pub allocations: u64,
    /// Bytes asked for by them, without what alignment added.
    pub allocated_bytes: u64,
    /// The most bytes of the capacity that were in use at a time.
    pub high_water_bytes: usize,
    /// Times everything was given back.
    pub resets: u64,
    /// Times the end of a nested scope gave its part back.
    pub restores: u64,
    /// Allocations that did not fit the capacity.
    pub overflows: u64,
    /// Bytes asked for by them.
    pub overflow_bytes: u64,
    /// Allocations refused at the limit.
    pub refused: u64,
}

/// An arena.
pub struct Arena {
    mapping: Mapping,
    capacity: usize,
    limit: usize,
    /// Bytes in use, from the start of the mapping.
    used: Cell<usize>,
    overflow: RefCell<Vec<Block>>,
    /// Sum of the sizes of `overflow`.
    overflowing: Cell<usize>,
    statistics: Cell<ArenaStatistics>,
}

/// A block of overflow.
struct Block {
    start: NonNull<u8>,
    layout: Layout,
}

// SAFETY: a block is owned memory, reached through its arena only.
unsafe impl Send for Block {}

impl Drop for Block {
    fn drop(&mut self) {
        // SAFETY: allocated with this layout by `allocate`; rule 2: no reference to it is left.
        unsafe { dealloc(self.start.as_ptr(), self.layout) };
    }
}

impl Arena {
    /// An arena of `capacity_bytes`, which takes memory as it is used. Together with overflow it
    /// holds at most `limit_bytes`; with a limit below the capacity not all of that is used.
    ///
    /// # Errors
    /// [`HeapError::Map`] when the system does not give that much address space.
    pub fn new(capacity_bytes: usize, limit_bytes: usize) -> Result<Arena, HeapError> {
        Ok(Arena {
            mapping: Mapping::new(capacity_bytes.max(1))?,
            capacity: capacity_bytes,
            limit: limit_bytes,
            used: Cell::new(0),
            overflow: RefCell::default(),
            overflowing: Cell::new(0),
            statistics: Cell::default(),
        })
    }

    /// The outermost scope, where allocating begins. What is in use stays so.
    pub fn scope(&mut self) -> Scope<'_> {
        Scope { arena: self, unique: PhantomData }
    }

    /// Gives everything back, also the memory of overflow; the capacity keeps its own.
    pub fn reset(&mut self) {
        self.give_back(Mark { used: 0, blocks: 0 });
        self.count(|statistics| statistics.resets += 1);
    }

    /// Bytes of the capacity in use.
    pub fn used_bytes(&self) -> usize {
        self.used.get()
    }

    /// Bytes of overflow in use.
    pub fn overflowing_bytes(&self) -> usize {
        self.overflowing.get()
    }

    /// Bytes that fit without overflow.
    pub fn capacity_bytes(&self) -> usize {
        self.capacity
    }

    /// Whether more than this part of the capacity, 0.0 to 1.0, is in use: the moment for a program
    /// that goes on for long to move what it still needs elsewhere and reset the arena.
    pub fn should_checkpoint(&self, part: f64) -> bool {
        self.used.get() as f64 > part * self.capacity as f64
    }

    /// What was counted since the beginning or [`Arena::reset_statistics`].
    pub fn statistics(&self) -> ArenaStatistics {
        self.statistics.get()
    }

    /// Counts from 0 again, but for the high-water mark.
    pub fn reset_statistics(&mut self) {
        let high_water_bytes = self.statistics.get().high_water_bytes;
        self.statistics.set(ArenaStatistics { high_water_bytes, ..ArenaStatistics::default() });
    }

    fn count(&self, change: impl FnOnce(&mut ArenaStatistics)) {
        let mut statistics = self.statistics.get();
        change(&mut statistics);
        self.statistics.set(statistics);
    }

    /// Initialised memory of this layout, which the caller owns until it is given back.
    fn allocate(&self, layout: Layout) -> Option<NonNull<u8>> {
        if layout.size() == 0 {
            // Nothing needs no place, only an aligned address.
            self.count(|statistics| statistics.allocations += 1);
            return NonZero::new(layout.align()).map(NonNull::without_provenance);
        }
        let base = self.mapping.base();
        let start = (base + self.used.get()).next_multiple_of(layout.align()) - base;
        let end = start.checked_add(layout.size()).filter(|end| *end <= self.capacity);
        // The capacity that is in use counts once, even when overflow follows.
        let held = end.unwrap_or(self.used.get() + layout.size()) + self.overflowing.get();
        if held > self.limit {
            self.count(|statistics| statistics.refused += 1);
            return None;
        }
        let memory = if let Some(end) = end {
            self.used.set(end);
            NonNull::new(address::at(base + start))
        } else {
            self.overflow(layout)
        };
        let memory = memory?;
        self.count(|statistics| {
            statistics.allocations += 1;
            statistics.allocated_bytes += layout.size() as u64;
            statistics.high_water_bytes = statistics.high_water_bytes.max(self.used.get());
            if end.is_none() {
                statistics.overflows += 1;
                statistics.overflow_bytes += layout.size() as u64;
            }
        });
        Some(memory)
    }

    /// A block from the process's allocator for a layout that has bytes; `None` when there is no
    /// memory.
    fn overflow(&self, layout: Layout) -> Option<NonNull<u8>> {
        // SAFETY: the layout has bytes, `allocate` looked.
        let start = NonNull::new(unsafe { alloc_zeroed(layout) })?;
        self.overflow.borrow_mut().push(Block { start, layout });
        self.overflowing.set(self.overflowing.get() + layout.size());
        Some(start)
    }

    fn mark(&self) -> Mark {
        Mark { used: self.used.get(), blocks: self.overflow.borrow().len() }
    }

    /// Gives back what was allocated since `mark`, to which no reference is left (rule 2).
    fn give_back(&self, mark: Mark) {
        self.used.set(mark.used);
        let mut overflow = self.overflow.borrow_mut();
        overflow.truncate(mark.blocks);
        self.overflowing.set(overflow.iter().map(|block| block.layout.size()).sum());
    }
}

impl fmt::Debug for Arena {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Arena")
            .field("used", &self.used.get())
            .field("capacity", &self.capacity)
            .field("statistics", &self.statistics.get())
            .finish_non_exhaustive()
    }
}

/// How much was in use at some moment.
#[derive(Clone, Copy)]
struct Mark {
    used: usize,
    blocks: usize,
}

/// A part of an arena's time. What is allocated lives as long as the scope's borrow of the arena.
pub struct Scope<'a> {
    arena: &'a Arena,
    /// Of an arena or of the outer scope, which cannot allocate meanwhile.
    unique: PhantomData<&'a mut Arena>,
}

impl<'a> Scope<'a> {
    /// Moves `value` into the arena; `None` at the limit.
    #[must_use]
    pub fn alloc<T: Copy + 'a>(&self, value: T) -> Option<&'a mut T> {
        let memory = self.arena.allocate(Layout::new::<T>())?.cast::<T>();
        // SAFETY: the memory has the layout of a `T`, belongs to this call alone, stays for `'a`
        // (rule 2).
        unsafe {
            memory.write(value);
            Some(&mut *memory.as_ptr())
        }
    }

    /// Copies `values` into the arena; `None` at the limit.
    #[must_use]
    pub fn alloc_slice<T: Copy + 'a>(&self, values: &[T]) -> Option<&'a mut [T]> {
        let memory = self.arena.allocate(Layout::for_value(values))?.cast::<T>();
        // SAFETY: the memory has the layout of `values`, does not overlap them because it was just
        // allocated, and stays for `'a` (rule 2).
        unsafe {
            memory.copy_from_nonoverlapping(NonNull::from(values).cast(), values.len());
            Some(&mut *NonNull::slice_from_raw_parts(memory, values.len()).as_ptr())
        }
    }

    /// `bytes` zeros at a multiple of `align`; `None` at the limit or when `align` is not a power
    /// of two.
    #[must_use]
    pub fn alloc_zeroed(&self, bytes: usize, align: usize) -> Option<&'a mut [u8]> {
        let memory = self.arena.allocate(Layout::from_size_align(bytes, align).ok()?)?;
        // SAFETY: the memory has that many bytes, belongs to this call alone, and stays for `'a`
        // (rule 2).
        unsafe {
            memory.write_bytes(0, bytes);
            Some(&mut *NonNull::slice_from_raw_parts(memory, bytes).as_ptr())
        }
    }

    /// Runs `body` in a scope whose memory is given back afterwards, also when `body` panics.
    pub fn nested<R>(&mut self, body: impl FnOnce(&mut Scope<'_>) -> R) -> R {
        let restore = Restore { arena: self.arena, mark: self.arena.mark() };
        let result = body(&mut Scope { arena: self.arena, unique: PhantomData });
        drop(restore);
        result
    }

    /// The arena, to ask it for numbers.
    pub fn arena(&self) -> &Arena {
        self.arena
    }
}

/// Gives back what was allocated since it was made.
struct Restore<'a> {
    arena: &'a Arena,
    mark: Mark,
}

impl Drop for Restore<'_> {
    fn drop(&mut self) {
        self.arena.give_back(self.mark);
        self.arena.count(|statistics| statistics.restores += 1);
    }
}
