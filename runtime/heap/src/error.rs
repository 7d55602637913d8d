//! The errors of the heap.

use std::fmt;
use valk_sync::limits::SLAB_SLOTS_MAX;

/// Failures of setting up or reconfiguring a heap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HeapError {
    /// The operating system gave no address space.
    Map {
        /// Bytes asked for.
        bytes: usize,
        /// The system's error number.
        errno: i32,
    },
    /// The nursery does not fit under the hard limit.
    LimitBelowNursery {
        /// The limit asked for, in bytes.
        limit: usize,
        /// The smallest acceptable limit, in bytes.
        minimum: usize,
    },
    /// The hard limit would be below what is in use.
    LimitBelowUsage {
        /// The limit asked for, in bytes.
        limit: usize,
        /// Bytes in use.
        used: usize,
    },
    /// A pool of that shape cannot be.
    Pool {
        /// Items asked for.
        items: usize,
        /// Bytes of each.
        item_bytes: usize,
    },
}

impl fmt::Display for HeapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HeapError::Map { bytes, errno } => write!(
                f,
                "the operating system refused to map {bytes} bytes (error {errno}); \
                 ask for less, such as a lower hard limit of the heap, or raise the process's \
                 address space limit"
            ),
            HeapError::LimitBelowNursery { limit, minimum } => write!(
                f,
                "a hard limit of {limit} bytes leaves no room for the nursery; \
                 it must be at least {minimum} bytes"
            ),
            HeapError::LimitBelowUsage { limit, used } => {
                write!(f, "Cannot set hard limit below current usage ({limit} < {used})")
            }
            HeapError::Pool { items, item_bytes } => write!(
                f,
                "a pool of {items} items of {item_bytes} bytes was asked for; \
                 give 1 to {SLAB_SLOTS_MAX} items of at least 1 byte"
            ),
        }
    }
}

impl std::error::Error for HeapError {}

/// A builtin requested more than the hard limit leaves. A full collection may still make room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutOfMemory {
    /// Bytes asked for.
    pub requested: usize,
    /// Bytes in use, garbage included.
    pub used: usize,
    /// The hard limit in bytes.
    pub limit: usize,
}

impl fmt::Display for OutOfMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "out of memory: {} bytes requested, {} in use, hard limit {}; \
             collect and ask again, or raise the limit",
            self.requested, self.used, self.limit
        )
    }
}

impl std::error::Error for OutOfMemory {}

/// A thread cannot register as a mutator of a heap: it has as many as it was made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooManyMutators {
    /// Mutators the heap was made for.
    pub most: usize,
}

impl fmt::Display for TooManyMutators {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} threads work on this heap, which is the most it was made for; \
             let one of them end first",
            self.most
        )
    }
}

impl std::error::Error for TooManyMutators {}
