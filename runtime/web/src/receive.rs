//! The receive buffers of an async system as the server takes them.

use valk_heap::{Buffer, BufferPool};
use valk_http2::{ReceiveBuffer, ReceiveBuffers};

/// A pool of the heap crate that lends its buffers to request bodies.
#[derive(Debug)]
pub(super) struct PooledBuffers(BufferPool);

impl PooledBuffers {
    pub(super) fn new(pool: BufferPool) -> Self {
        Self(pool)
    }
}

impl ReceiveBuffers for PooledBuffers {
    fn capacity_bytes(&self) -> usize {
        self.0.capacity_bytes()
    }

    fn occupancy(&self) -> f64 {
        let buffers = self.0.statistics().buffers;
        buffers.in_use as f64 / buffers.slots.max(1) as f64
    }

    fn acquire(&self) -> Option<Box<dyn ReceiveBuffer>> {
        self.0.acquire().map(|buffer| Box::new(PooledBuffer(buffer)) as Box<dyn ReceiveBuffer>)
    }
}

struct PooledBuffer(Buffer);

impl ReceiveBuffer for PooledBuffer {
    fn append(&mut self, bytes: &[u8]) -> bool {
        self.0.extend_from_slice(bytes).is_ok()
    }

    fn filled(&self) -> &[u8] {
        &self.0
    }
}
