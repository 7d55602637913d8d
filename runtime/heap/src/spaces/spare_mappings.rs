//! Mappings of large objects that died, kept for the next ones.
//!
//! A fresh mapping costs a fault for each page of the system, many times what filling it costs. So a
//! few that are not too large are kept from one full collection to the next. Those that nothing
//! needed meanwhile go back to the system then.

use crate::memory::os::Mapping;

/// Mappings above this go back at once.
const MAPPING_BYTES_MAX: usize = 4 << 20;
/// What all that are kept have at most.
const KEPT_BYTES_MAX: usize = 16 << 20;

#[derive(Default)]
pub(crate) struct SpareMappings {
    kept: Vec<Mapping>,
    bytes: usize,
}

impl SpareMappings {
    /// Bytes of all that are kept.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The smallest mapping of at least so many bytes, and not more than twice as many. Its contents
    /// are anything.
    pub fn take(&mut self, bytes: usize) -> Option<Mapping> {
        let fits = |kept: &Mapping| (bytes..=bytes.saturating_mul(2)).contains(&kept.bytes());
        let fitting = self.kept.iter().enumerate().filter(|(_, kept)| fits(kept));
        let (at, _) = fitting.min_by_key(|(_, kept)| kept.bytes())?;
        let mapping = self.kept.swap_remove(at);
        self.bytes -= mapping.bytes();
        Some(mapping)
    }

    /// Returns to the system what is left: nothing has needed it since the last full collection.
    pub fn begin_sweep(&mut self) {
        self.kept.clear();
        self.bytes = 0;
    }

    /// Keeps a mapping in which nothing is reachable, or returns it to the system.
    pub fn keep(&mut self, mapping: Mapping) {
        let bytes = mapping.bytes();
        if bytes <= MAPPING_BYTES_MAX && self.bytes + bytes <= KEPT_BYTES_MAX {
            self.bytes += bytes;
            self.kept.push(mapping);
        }
    }
}
