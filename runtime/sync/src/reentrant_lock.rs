//! ReentrantLock: one owner at a time, who may take further turns inside its own.
//!
//! 1. `owner` is 0 or the key of whose turn it is. Only the owner touches `depth`.
//! 2. ReentrantLock are short. Who has to wait looks a few times, then sleeps: it counts itself as parked,
//!    looks once more and waits for a notification.
//! 3. Who ends its last turn makes `owner` 0 and then looks whether anybody is parked. These two and
//!    the two steps of rule 2 have one order for all threads, so not both miss the other.
//!
//! Knows keys and threads. Does not know what a turn is for.

use crate::shim::Ordering::{Acquire, Relaxed, Release, SeqCst};
use crate::shim::{AtomicUsize, Condvar, Mutex, UnsafeCell, fence, lock, reached_if, wait};
use std::fmt;
use std::hint::spin_loop;

/// Nobody's turn.
const UNOWNED: usize = 0;
/// Looks before a thread goes to sleep.
const SPINS: usize = if cfg!(valk_loom) { 1 } else { 200 };

/// Whose turn it is, shared by reference.
pub struct ReentrantLock {
    owner: AtomicUsize,
    /// ReentrantLock inside the owner's first one.
    depth: UnsafeCell<usize>,
    parked: AtomicUsize,
    parking: Mutex<()>,
    released: Condvar,
}

// SAFETY: `depth` is accessed by the owner only (rule 1), and owners follow one another: each acquires
// what the one before has done.
unsafe impl Sync for ReentrantLock {}

impl ReentrantLock {
    /// Nobody's turn.
    pub fn new() -> Self {
        Self {
            owner: AtomicUsize::new(UNOWNED),
            depth: UnsafeCell::new(0),
            parked: AtomicUsize::new(0),
            parking: Mutex::new(()),
            released: Condvar::new(),
        }
    }

    /// Waits for the turn of `key`, which is not 0 and no other thread's, and takes it. To be released as
    /// often as it was taken.
    pub fn lock(&self, key: usize) {
        debug_assert_ne!(key, UNOWNED, "0 is nobody's key");
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
        // Rule 3: either the fence of `end` comes later and what follows it sees this thread parked, or
        // it comes earlier and this thread sees that it is nobody's turn.
        fence(SeqCst);
        while !self.claim(key) {
            reached_if(true, "reentrant_lock: a thread parked");
            parking = wait(&self.released, parking);
        }
        self.parked.fetch_sub(1, Relaxed);
        drop(parking);
    }

    /// Ends the turn that the caller took last.
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
        // Rule 3: see `sleep`.
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
