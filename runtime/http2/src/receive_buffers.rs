//! Where the memory for large request bodies comes from: two traits that the embedding implements.
//!
//! 1. A pool lends each [`ReceiveBuffer`] to one request at a time; dropping it gives it back.
//! 2. A pool without a free buffer gives `None` at once. The server then collects the body in
//!    memory of its own, so a pool bounds memory and never refuses a request.
//!
//! Does not know how a pool gets its memory. Without a pool every body is collected in ordinary memory.

use std::fmt;

/// A pool of buffers of one capacity.
pub trait ReceiveBuffers: fmt::Debug + Send + Sync {
    /// Bytes that one buffer holds at most.
    fn capacity_bytes(&self) -> usize;

    /// The part of the buffers that is lent, 0 to 1. Near 1 the server accepts no connections.
    fn occupancy(&self) -> f64 {
        0.0
    }

    /// Lends an empty buffer; `None` when all are lent.
    fn acquire(&self) -> Option<Box<dyn ReceiveBuffer>>;
}

/// A buffer that is filled from its start.
pub trait ReceiveBuffer {
    /// Appends all of `bytes`; returns false and appends nothing when they do not fit.
    fn append(&mut self, bytes: &[u8]) -> bool;

    /// The bytes appended so far.
    fn filled(&self) -> &[u8];
}
