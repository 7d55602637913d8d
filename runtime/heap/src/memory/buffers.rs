//! Buffers for received data: page-aligned, of a fixed capacity, from one mapping. Their memory
//! goes back to the system when they are put back.
//!
//! 1. A buffer takes memory as it is filled, so a pool of large buffers costs address space only,
//!    and filling one neither moves nor copies its contents.
//! 2. Buffers are multiples of [`GRAIN_BYTES`] apart, which every page size divides: no two share a
//!    page, and each can be given back on its own.
//! 3. A buffer shows only bytes that were written into it since it was taken.
//! 4. The memory of buffers that were put back is kept for the next ones up to `retained_bytes` in
//!    all; the rest goes back to the system at once. `resident` holds for each free buffer how much
//!    of it was kept. It belongs to the buffer's user while the buffer is in use, so the pool of
//!    items orders all access to it.
//!
//! When no buffer is free, `acquire` returns `None`; the caller then uses other memory or refuses.

use crate::error::HeapError;
use crate::memory::os::{self, GRAIN_BYTES};
use crate::memory::slab_pool::{SlabItem, SlabPool};
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use valk_sync::slab::{Statistics, Usage};

/// A pool of buffers; a clone is the same pool.
#[derive(Clone)]
pub struct BufferPool(Arc<PoolState>);

struct PoolState {
    items: SlabPool,
    resident: Box<[AtomicUsize]>,
    retained: AtomicUsize,
    retained_max: usize,
    returned: AtomicU64,
}

/// Numbers of a [`BufferPool`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BufferStatistics {
    /// Numbers of buffers: all, in use, taken, refused.
    pub buffers: Statistics,
    /// Memory kept for buffers that are free, in bytes.
    pub retained_bytes: usize,
    /// Memory given back to the system since the beginning, in bytes.
    pub returned_bytes: u64,
}

impl BufferPool {
    /// A pool of `buffers` buffers that hold `capacity_bytes` each, rounded up to 64 KiB. Free
    /// buffers keep at most `retained_bytes` of memory in all.
    ///
    /// # Errors
    /// [`HeapError::Pool`] when there are no or too many buffers or they have no bytes,
    /// [`HeapError::Map`] when the system does not give that much address space.
    pub fn new(
        buffers: usize,
        capacity_bytes: usize,
        retained_bytes: usize,
    ) -> Result<BufferPool, HeapError> {
        // What overflows when rounded is refused by the pool of items.
        let capacity = os::round_to_grains(capacity_bytes).unwrap_or(capacity_bytes);
        let items = SlabPool::aligned(buffers, capacity, GRAIN_BYTES)?;
        let resident = (0..buffers).map(|_| AtomicUsize::new(0)).collect();
        Ok(BufferPool(Arc::new(PoolState {
            items,
            resident,
            retained: AtomicUsize::new(0),
            retained_max: retained_bytes,
            returned: AtomicU64::new(0),
        })))
    }

    /// Takes an empty buffer; `None`, counted as refused, when all are in use.
    pub fn acquire(&self) -> Option<Buffer> {
        let item = self.0.items.acquire()?;
        // Relaxed: rule 4.
        let resident = self.0.resident[item.position()].swap(0, Relaxed);
        self.0.retained.fetch_sub(resident, Relaxed);
        Some(Buffer { pool: Arc::clone(&self.0), item, filled: 0, resident })
    }

    /// Bytes a buffer holds at most.
    pub fn capacity_bytes(&self) -> usize {
        self.0.items.item_bytes()
    }

    /// The counters of the pool.
    pub fn statistics(&self) -> BufferStatistics {
        BufferStatistics {
            buffers: self.0.items.statistics(),
            retained_bytes: self.0.retained.load(Relaxed),
            returned_bytes: self.0.returned.load(Relaxed),
        }
    }

    /// Which buffers are in use.
    pub fn usage(&self) -> Usage {
        self.0.items.usage()
    }
}

impl PoolState {
    /// Takes `bytes` into the memory that is kept, if that has room for them.
    fn retain(&self, bytes: usize) -> bool {
        let room = |kept: usize| kept.checked_add(bytes).filter(|sum| *sum <= self.retained_max);
        // Relaxed: a sum, on which no other memory depends.
        self.retained.fetch_update(Relaxed, Relaxed, room).is_ok()
    }
}

impl fmt::Debug for BufferPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BufferPool")
            .field("capacity_bytes", &self.capacity_bytes())
            .field("statistics", &self.statistics())
            .finish_non_exhaustive()
    }
}

/// A buffer in use, as the bytes written into it. Dropping it puts it back.
pub struct Buffer {
    item: SlabItem,
    filled: usize,
    /// Bytes from the start that had memory when the buffer was taken.
    resident: usize,
    pool: Arc<PoolState>,
}

/// The bytes do not fit the buffer, which is as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BufferFull {
    /// Bytes there was room for.
    pub room: usize,
}

impl fmt::Display for BufferFull {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the buffer has room for {} more bytes; use a larger one", self.room)
    }
}

impl std::error::Error for BufferFull {}

impl Buffer {
    /// Bytes the buffer holds at most.
    pub fn capacity(&self) -> usize {
        self.item.len()
    }

    /// Appends `bytes`.
    ///
    /// # Errors
    /// [`BufferFull`] when they do not fit as a whole; then nothing is appended.
    pub fn extend_from_slice(&mut self, bytes: &[u8]) -> Result<(), BufferFull> {
        let room = self.capacity() - self.filled;
        if bytes.len() > room {
            return Err(BufferFull { room });
        }
        self.item[self.filled..][..bytes.len()].copy_from_slice(bytes);
        self.filled += bytes.len();
        Ok(())
    }
}

impl Deref for Buffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.item[..self.filled]
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        // Cannot overflow: the capacity is whole grains.
        let touched = self.filled.next_multiple_of(GRAIN_BYTES).max(self.resident);
        if touched == 0 {
            return;
        }
        if self.pool.retain(touched) {
            // Relaxed: rule 4; the item is put back after this.
            self.pool.resident[self.item.position()].store(touched, Relaxed);
            return;
        }
        // SAFETY: the item lies in the mapping that it keeps; by rule 2 it begins at a grain and
        // has whole grains of its own; its user is done with it.
        unsafe { os::decommit(self.item.address(), touched) };
        self.pool.returned.fetch_add(touched as u64, Relaxed);
    }
}

impl fmt::Debug for Buffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Buffer")
            .field("filled", &self.filled)
            .field("capacity", &self.capacity())
            .finish_non_exhaustive()
    }
}
