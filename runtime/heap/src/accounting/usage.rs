//! What is in use, what may be, and statistics of both.

use crate::accounting::statistics::{ClassUsage, Statistics};
use crate::error::{HeapError, OutOfMemory};
use crate::mutator::heap::Heap;
use valk_sync::shim::lock;

/// Requests up to this size need no [`Heap::room`]: the next safepoint enforces the limit.
pub const ROOM_UNCHECKED_BYTES: usize = 16 * 1024;

impl Heap {
    /// Checks whether `bytes` more fit under the hard limit, garbage counted as used. A builtin
    /// that is about to allocate more than [`ROOM_UNCHECKED_BYTES`] calls this first. When it
    /// fails, the mutator runs a full collection at a safepoint, lets the builtin try once more and
    /// then raises the error.
    ///
    /// # Errors
    /// When they do not fit. Up to [`ROOM_UNCHECKED_BYTES`] always fit, unless a failure
    /// is injected.
    pub fn room(&self, bytes: usize) -> Result<(), OutOfMemory> {
        if bytes <= ROOM_UNCHECKED_BYTES && self.refuse.is_none() {
            return Ok(());
        }
        let common = self.locked();
        let limit = common.limits.hard_bytes;
        let fits = |used| bytes <= limit.saturating_sub(used);
        let bound = {
            let old = lock(&self.shared.old);
            let beside = self.shared.off_heap_bytes(&common, &old);
            self.young.used_bytes() + old.used_bytes_bound() + beside
        };
        let used = || self.young.used_bytes() + self.shared.tenured_bytes(&common);
        if (fits(bound) || fits(used())) && !self.injects_failure() {
            return Ok(());
        }
        Err(OutOfMemory { requested: bytes, used: used(), limit })
    }

    /// Declares memory held elsewhere that counts against the limit (VM stacks), in all.
    pub fn set_external_bytes(&mut self, bytes: usize) {
        let before = std::mem::replace(&mut self.external_bytes, bytes);
        let mut common = self.locked();
        common.external_bytes = common.external_bytes - before + bytes;
        drop(common);
        self.poll_if_due();
    }

    /// Bytes in use, garbage included: this mutator's nursery, old space, symbols and external.
    /// What others have in their nurseries is counted by the next collection.
    pub fn used_bytes(&self) -> usize {
        self.young.used_bytes() + self.shared.tenured_bytes(&self.locked())
    }

    /// Whether more is in use than allowed. After a collection that means the program must get
    /// an error.
    pub fn over_hard_limit(&self) -> bool {
        self.used_bytes() > self.hard_limit_bytes() || self.injects_failure()
    }

    /// Requests a collection at the next safepoint if more is in use than allowed.
    pub fn request_collection_if_over_limit(&mut self) {
        if self.used_bytes() > self.hard_limit_bytes() {
            self.request_collection();
        }
    }

    /// The hard limit in bytes.
    pub fn hard_limit_bytes(&self) -> usize {
        self.locked().limits.hard_bytes
    }

    /// Changes the hard limit and returns the one before; the soft limit follows.
    ///
    /// # Errors
    /// When more than `bytes` are in use, garbage included.
    pub fn set_hard_limit(&mut self, bytes: usize) -> Result<usize, HeapError> {
        let used = self.used_bytes();
        if bytes < used {
            return Err(HeapError::LimitBelowUsage { limit: bytes, used });
        }
        let mut common = self.locked();
        let before = std::mem::replace(&mut common.limits.hard_bytes, bytes);
        let tenured = self.shared.tenured_bytes(&common);
        common.limits.rearm(tenured);
        Ok(before)
    }

    /// Share of the hard limit above which full collections are asked for, in percent.
    pub fn threshold_percent(&self) -> u8 {
        self.locked().limits.threshold_percent
    }

    /// Changes that share, clamped to 1..=100, and returns the one before.
    pub fn set_threshold_percent(&mut self, percent: u8) -> u8 {
        let percent = percent.clamp(1, 100);
        let mut common = self.locked();
        let before = std::mem::replace(&mut common.limits.threshold_percent, percent);
        let tenured = self.shared.tenured_bytes(&common);
        common.limits.rearm(tenured);
        before
    }

    /// The least time between two full collections that memory asks for, in milliseconds. The hard
    /// limit does not wait.
    pub fn full_interval_ms(&self) -> u64 {
        self.locked().full_interval_ms
    }

    /// Changes that time and returns the one before.
    pub fn set_full_interval_ms(&mut self, milliseconds: u64) -> u64 {
        std::mem::replace(&mut self.locked().full_interval_ms, milliseconds)
    }

    /// Counters and sizes at this moment; of nurseries, this mutator's.
    pub fn statistics(&self) -> Statistics {
        let young_bytes = self.young.used_bytes();
        let nursery_bytes = self.young.nursery_bytes();
        let others = self.mutators().saturating_sub(1);
        let common = self.locked();
        let used_bytes = young_bytes + self.shared.tenured_bytes(&common);
        let old = lock(&self.shared.old);
        let seen = &common.statistics;
        Statistics {
            allocated_bytes: seen.allocated_bytes + young_bytes as u64,
            used_bytes,
            used_bytes_peak: seen.used_bytes_peak.max(used_bytes),
            young_bytes,
            young_bytes_peak: seen.young_bytes_peak.max(young_bytes),
            old_bytes: old.used_bytes(),
            committed_bytes: old.committed_bytes()
                + nursery_bytes.max(young_bytes)
                + others * nursery_bytes,
            large_objects: old.large_objects(),
            external_bytes: common.external_bytes + old.host_external_bytes(),
            nursery_bytes,
            hard_limit_bytes: common.limits.hard_bytes,
            soft_limit_bytes: common.limits.soft_bytes(),
            ..seen.clone()
        }
    }

    /// Occupancy of the old space by size class, ascending.
    pub fn class_usage(&self) -> Vec<ClassUsage> {
        lock(&self.shared.old).class_usage().collect()
    }
}
