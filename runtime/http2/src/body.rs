//! A request body while it is received.
//!
//! 1. A body begins in memory of its own and moves to a receive buffer when it is, or promises to
//!    be, larger than [`SMALL_BODY_BYTES`]: from then on it grows without being moved or copied.
//! 2. Without a free buffer, or larger than one, it stays in memory of its own or goes back to it.
//! 3. When it is whole it is copied into exactly its size, and the buffer is free for the next one:
//!    how long a program keeps a request does not matter to those that arrive.
//!
//! Knows bytes. Limits and time are the exchange's.

use bytes::Bytes;

use crate::receive_buffers::{ReceiveBuffer, ReceiveBuffers};

/// Largest body that is collected without a buffer, and most memory reserved on a client's word
/// about the length of its body, in bytes.
pub(crate) const SMALL_BODY_BYTES: usize = 64 * 1024;

/// A body and the memory it is in.
pub(crate) struct Body<'p> {
    buffers: Option<&'p dyn ReceiveBuffers>,
    declared: usize,
    storage: Storage,
}

enum Storage {
    /// Memory of its own; `true` when no buffer is to be asked for any more.
    Own(Vec<u8>, bool),
    Buffer(Box<dyn ReceiveBuffer>),
}

impl<'p> Body<'p> {
    /// An empty body whose client has said that it will have `declared` bytes, 0 when it did not.
    pub(crate) fn new(buffers: Option<&'p dyn ReceiveBuffers>, declared: usize) -> Self {
        let storage = Storage::Own(Vec::new(), false);
        Self { buffers, declared, storage }
    }

    /// Bytes so far.
    pub(crate) fn len(&self) -> usize {
        match &self.storage {
            Storage::Own(bytes, _) => bytes.len(),
            Storage::Buffer(buffer) => buffer.filled().len(),
        }
    }

    /// Appends `chunk`.
    pub(crate) fn push(&mut self, chunk: &[u8]) {
        self.choose_storage(self.len() + chunk.len());
        match &mut self.storage {
            Storage::Own(bytes, _) => bytes.extend_from_slice(chunk),
            Storage::Buffer(buffer) => {
                if !buffer.append(chunk) {
                    let bytes = [buffer.filled(), chunk].concat();
                    self.storage = Storage::Own(bytes, true);
                }
            }
        }
    }

    /// Chooses the storage for a body of `bytes` bytes so far (rules 1 and 2).
    fn choose_storage(&mut self, bytes: usize) {
        let Storage::Own(own, decided @ false) = &mut self.storage else { return };
        let expected = bytes.max(self.declared);
        if expected <= SMALL_BODY_BYTES {
            // Exactly what was promised: nothing is left over when the body is whole.
            own.reserve_exact(self.declared.saturating_sub(own.len()));
            return;
        }
        *decided = true;
        let fitting = self.buffers.filter(|pool| expected <= pool.capacity_bytes());
        if let Some(mut buffer) = fitting.and_then(ReceiveBuffers::acquire) {
            assert!(
                buffer.append(own),
                "rule 2 of body: the buffer is larger than the body so far"
            );
            self.storage = Storage::Buffer(buffer);
        }
    }

    /// The whole body.
    pub(crate) fn finish(self) -> Bytes {
        match self.storage {
            Storage::Own(bytes, _) => Bytes::from(bytes),
            Storage::Buffer(buffer) => Bytes::copy_from_slice(buffer.filled()),
        }
    }
}
