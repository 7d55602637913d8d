//! Slab pools: memory in items of one size, in one mapping, which any thread takes and puts back.
//!
//! 1. A pool is one anonymous mapping. It takes memory when an item is touched and is unmapped when
//!    the pool and all its items are dropped.
//! 2. An item belongs to its [`SlabItem`], which puts it back when dropped; so it has one user, and
//!    is put back once. `valk_sync::slab` tracks which items are free, and its rule 5 orders the
//!    users of an item.
//! 3. No bookkeeping lies in the mapping, so a user's writes cannot damage it.
//! 4. The bytes of an item are always initialised: zero at first, afterwards what its last user
//!    left, or zero again.
//!
//! When no item is free, `acquire` returns `None` and counts it; a pool never grows and never
//! waits.

use crate::error::HeapError;
use crate::memory::address;
use crate::memory::os::Mapping;
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use valk_sync::limits::SLAB_SLOTS_MAX;
use valk_sync::slab::{Index, Slab, Statistics, Usage};

/// Alignment of every item in bytes, and unit of the distance between them: a cache line.
pub const ITEM_ALIGN_BYTES: usize = 64;

/// A pool of items; a clone is the same pool.
#[derive(Clone)]
pub struct SlabPool(Arc<PoolState>);

struct PoolState {
    slab: Slab,
    mapping: Mapping,
    item_bytes: usize,
    stride_bytes: usize,
}

impl SlabPool {
    /// A pool of `items` items of `item_bytes` bytes each, all free.
    ///
    /// # Errors
    /// [`HeapError::Pool`] when either is 0 or there are more than [`SLAB_SLOTS_MAX`] items,
    /// [`HeapError::Map`] when the system does not give that much address space.
    pub fn new(items: usize, item_bytes: usize) -> Result<SlabPool, HeapError> {
        SlabPool::aligned(items, item_bytes, ITEM_ALIGN_BYTES)
    }

    /// As [`SlabPool::new`], with items at multiples of `align`, which divides the base of every
    /// mapping.
    pub(crate) fn aligned(
        items: usize,
        item_bytes: usize,
        align: usize,
    ) -> Result<SlabPool, HeapError> {
        if items == 0 || items > SLAB_SLOTS_MAX || item_bytes == 0 {
            return Err(HeapError::Pool { items, item_bytes });
        }
        let too_large =
            || HeapError::Map { bytes: items.saturating_mul(item_bytes), errno: libc::ENOMEM };
        let stride_bytes = item_bytes.checked_next_multiple_of(align).ok_or_else(too_large)?;
        let bytes = stride_bytes.checked_mul(items).ok_or_else(too_large)?;
        let mapping = Mapping::new(bytes)?;
        Ok(SlabPool(Arc::new(PoolState {
            slab: Slab::new(items),
            mapping,
            item_bytes,
            stride_bytes,
        })))
    }

    /// Takes a free item, the one put back last; `None`, counted as refused, when all are in use.
    pub fn acquire(&self) -> Option<SlabItem> {
        let index = self.0.slab.acquire()?;
        Some(SlabItem { index, pool: Arc::clone(&self.0) })
    }

    /// Bytes of an item.
    pub fn item_bytes(&self) -> usize {
        self.0.item_bytes
    }

    /// Distance from one item to the next in bytes.
    pub fn stride_bytes(&self) -> usize {
        self.0.stride_bytes
    }

    /// Address space of the pool in bytes.
    pub fn mapped_bytes(&self) -> usize {
        self.0.mapping.bytes()
    }

    /// Numbers of items: all, in use, taken, refused.
    pub fn statistics(&self) -> Statistics {
        self.0.slab.statistics()
    }

    /// Which items are in use.
    pub fn usage(&self) -> Usage {
        self.0.slab.usage()
    }
}

impl fmt::Debug for SlabPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SlabPool")
            .field("item_bytes", &self.0.item_bytes)
            .field("statistics", &self.statistics())
            .finish_non_exhaustive()
    }
}

/// An item in use, as its bytes. Dropping it puts it back.
pub struct SlabItem {
    index: Index,
    pool: Arc<PoolState>,
}

impl SlabItem {
    /// Position of the item in its pool, from 0.
    pub fn position(&self) -> usize {
        self.index.get()
    }

    /// Address of the item, a multiple of [`ITEM_ALIGN_BYTES`].
    pub fn address(&self) -> usize {
        self.pool.mapping.base() + self.index.get() * self.pool.stride_bytes
    }
}

impl Deref for SlabItem {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        let start = address::at::<u8>(self.address());
        // SAFETY: rules 1, 2 and 4: the item lies in the mapping, which `pool` keeps; its bytes are
        // initialised; they change only through a unique reference to this guard.
        unsafe { std::slice::from_raw_parts(start, self.pool.item_bytes) }
    }
}

impl DerefMut for SlabItem {
    fn deref_mut(&mut self) -> &mut [u8] {
        let start = address::at::<u8>(self.address());
        // SAFETY: as above; the guard is the item's only user, and it is borrowed uniquely.
        unsafe { std::slice::from_raw_parts_mut(start, self.pool.item_bytes) }
    }
}

impl Drop for SlabItem {
    fn drop(&mut self) {
        let put_back = self.pool.slab.release(self.index);
        assert!(put_back.is_ok(), "rule 2 of slab_pool: item {} was in use", self.index.get());
    }
}

impl fmt::Debug for SlabItem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SlabItem").field("position", &self.position()).finish_non_exhaustive()
    }
}
