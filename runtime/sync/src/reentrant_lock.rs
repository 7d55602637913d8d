//! A reentrant lock: one owner at a time, which may lock again.
//!
//! 1. `owner` is 0 or the key of the owner. Only the owner touches `depth`, the number of times
//!    that it has locked again.
//! 2. The lock is meant for short critical sections. A waiter spins, then parks: it counts itself
//!    in `parked`, tries once more and waits for a notification.
//! 3. The last unlock stores 0 in `owner` and then reads `parked`. These two steps and the two of
//!    rule 2 have one order for all threads, so at least one side sees the other.
//!
//! Knows keys and threads. Does not know what the lock protects.

use crate::shim::Ordering::{Acquire, Relaxed, Release, SeqCst};
use crate::shim::{AtomicUsize, Condvar, Mutex, UnsafeCell, fence, lock, reached_if, wait};
use std::fmt;
use std::hint::spin_loop;

/// The lock has no owner.
const UNOWNED: usize = 0;
/// Attempts before a thread parks.
const SPINS: usize = if cfg!(valk_loom) { 1 } else { 200 };

/// A reentrant lock, shared by reference.
pub struct ReentrantLock {
    owner: AtomicUsize,
    /// Times that the owner has locked again.
    depth: UnsafeCell<usize>,
    parked: AtomicUsize,
    parking: Mutex<()>,
    released: Condvar,
}

// SAFETY: `depth` is accessed by the owner only (rule 1), and owners follow one another: each
// acquires what the one before has done.
unsafe impl Sync for ReentrantLock {}

impl ReentrantLock {
    /// A lock without owner.
    pub fn new() -> Self {
        Self {
            owner: AtomicUsize::new(UNOWNED),
            depth: UnsafeCell::new(0),
            parked: AtomicUsize::new(0),
            parking: Mutex::new(()),
            released: Condvar::new(),
        }
    }

    /// Waits for the lock and takes it for `key`, which is not 0 and no other thread's. The owner
    /// unlocks as often as it has locked.
    pub fn lock(&self, key: usize) {
        debug_assert_ne!(key, UNOWNED, "0 is no owner's key");
        // Relaxed: only this thread stores its key.
        if self.owner.load(Relaxed) == key {
            // SAFETY: rule 1.
            self.depth.with_mut(|depth| unsafe { *depth += 1 });
            return;
        }
        for _ in 0..SPINS {
            if self.owner.load(Relaxed) == UNOWNED && self.claim(key) {
                return;
            }
            spin_loop();
        }
        self.park(key);
    }

    fn claim(&self, key: usize) -> bool {
        // Acquire: what the last owner did is visible to this one.
        self.owner.compare_exchange(UNOWNED, key, Acquire, Relaxed).is_ok()
    }

    #[cold]
    fn park(&self, key: usize) {
        let mut parking = lock(&self.parking);
        // Relaxed: the fence orders it.
        self.parked.fetch_add(1, Relaxed);
        // Rule 3: either the fence of `unlock` comes later and what follows it sees this thread
        // parked, or it comes earlier and this thread sees that the lock is free.
        fence(SeqCst);
        while !self.claim(key) {
            reached_if(true, "reentrant_lock: a thread parked");
            parking = wait(&self.released, parking);
        }
        self.parked.fetch_sub(1, Relaxed);
        drop(parking);
    }

    /// Takes back the last `lock` of the caller.
    pub fn unlock(&self) {
        // SAFETY: rule 1.
        let inside = self.depth.with_mut(|depth| unsafe {
            let inside = *depth > 0;
            *depth -= usize::from(inside);
            inside
        });
        if inside {
            return;
        }
        // Release: what this owner did is visible to the next one.
        self.owner.store(UNOWNED, Release);
        // Rule 3: see `park`.
        fence(SeqCst);
        if self.parked.load(Relaxed) > 0 {
            drop(lock(&self.parking));
            self.released.notify_one();
        }
    }
}

impl Default for ReentrantLock {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for ReentrantLock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("ReentrantLock");
        out.field("owner", &self.owner.load(Relaxed)).finish_non_exhaustive()
    }
}
