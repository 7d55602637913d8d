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
pub const QUEUE_SLOTS_MAX: usize = 1 << 20;

/// Waiters of a pending task, observers and threads, beyond which an observer is refused (`Full`)
/// and handed back.
pub const HANDLE_WAITERS_MAX: usize = if cfg!(valk_loom) { 2 } else { 4096 };

/// Most slots a slab may be given. The index after the last one must fit 32 bits, and all slots
/// are allocated when it is made.
pub const SLAB_SLOTS_MAX: usize = 1 << 20;

/// Workers of one termination detector: each is a mutator, so there are no more.
pub const TERMINATION_WORKERS_MAX: usize = MUTATORS_MAX;

/// Workers of one executor: each is a thread.
pub const EXECUTOR_WORKERS_MAX: usize = if cfg!(valk_loom) { 3 } else { 256 };

/// Tasks from outside that an executor holds unless it is told otherwise. One more is refused and
/// handed back.
pub const EXECUTOR_INJECTED_DEFAULT: usize = if cfg!(valk_loom) { 2 } else { 4096 };

/// Most tasks from outside that an executor may be told to hold.
pub const EXECUTOR_INJECTED_MAX: usize = 1 << 24;

/// Tasks that a worker's own deque holds unless it is told otherwise. One more goes the way of a
/// task from outside.
pub const EXECUTOR_LOCAL_DEFAULT: usize = if cfg!(valk_loom) { 2 } else { 1 << 16 };

/// Most tasks from outside that a worker takes over at a time.
pub const EXECUTOR_BATCH_MAX: usize = if cfg!(valk_loom) { 2 } else { 32 };

/// Tasks that a worker takes before it looks at the injected ones ahead of its own.
pub const EXECUTOR_GLOBAL_QUEUE_INTERVAL: u32 = 61;

/// Times an idle worker looks everywhere, with longer and longer pauses, before it sleeps. The
/// pauses are of 0, 1, 3, 7 and so on spins: some microseconds in all.
pub const EXECUTOR_SEARCHES_MAX: u32 = if cfg!(valk_loom) { 1 } else { 7 };

/// How long a thread that waits for a collection spins before it parks. Waking it takes some 50 µs,
/// and most collections of a nursery less than a millisecond.
#[cfg(not(valk_loom))]
pub(crate) const SPIN_MAX: std::time::Duration = std::time::Duration::from_micros(500);

/// Spins after which it yields its processor between two of them: some microseconds.
#[cfg(not(valk_loom))]
pub(crate) const SPINS_BEFORE_YIELD: u32 = 256;
