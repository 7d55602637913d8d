//! Bounds of the structures in this crate, each with its unit.
//!
//! Under `cfg(valk_loom)` the small ones shrink so that models wrap around and grow.

/// Slots of a deque made by `Worker::new`: 512 bytes, enough for most task queues.
pub const DEQUE_SLOTS_INITIAL: usize = if cfg!(valk_loom) { 2 } else { 64 };

/// Most slots a deque may be given: 2^30 words, 8 GiB. A deque that is full at its own limit
/// refuses the item (`Full`); nothing is dropped and nothing aborts.
pub const DEQUE_SLOTS_MAX: usize = 1 << 30;

/// Mutators that may be registered with a coordinator at a time: one bit each in a 64-bit set.
pub const MUTATORS_MAX: usize = if cfg!(valk_loom) { 3 } else { 64 };

/// Slots of a queue made by `Queue::new`: what the task queue of an event loop holds.
pub const QUEUE_SLOTS_DEFAULT: usize = if cfg!(valk_loom) { 2 } else { 4096 };

/// Most slots a queue may be given: all of them are allocated when it is made.
pub const QUEUE_SLOTS_MAX: usize = 1 << 24;

/// Observers that may be registered with a pending completion at a time. One more is refused
/// (`Full`) and handed back.
pub const COMPLETION_OBSERVERS_MAX: usize = if cfg!(valk_loom) { 2 } else { 4096 };

/// Most slots a slab may be given. The index after the last one must fit 32 bits, and all slots are
/// allocated when it is made.
pub const SLAB_SLOTS_MAX: usize = 1 << 24;

/// Workers of one termination detector: each is a mutator, so there are no more.
pub const TERMINATION_WORKERS_MAX: usize = MUTATORS_MAX;
