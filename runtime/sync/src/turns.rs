//! Turns: one owner at a time, who may take further turns inside its own.
//!
//! 1. `owner` is 0 or the key of whose turn it is. Only the owner touches `depth`.
//! 2. Turns are short. Who has to wait looks a few times, then sleeps: it counts itself as asleep,
//!    looks once more and waits for a notification.
//! 3. Who ends its last turn makes `owner` 0 and then looks whether anybody is asleep. These two and
//!    the two steps of rule 2 have one order for all threads, so not both miss the other.
//!
//! Knows keys and threads. Does not know what a turn is for.

use crate::shim::Ordering::{Acquire, Relaxed, Release, SeqCst};
use crate::shim::{AtomicUsize, Condvar, Mutex, UnsafeCell, fence, lock, reached_if, wait};
use std::fmt;
use std::hint::spin_loop;

/// Nobody's turn.
const NOBODY: usize = 0;
/// Looks before a thread goes to sleep.
const LOOKS: usize = if cfg!(valk_loom) { 1 } else { 200 };

/// Whose turn it is, shared by reference.
pub struct Turns {
    owner: AtomicUsize,
    /// Turns inside the owner's first one.
    depth: UnsafeCell<usize>,
    asleep: AtomicUsize,
    gate: Mutex<()>,
    ended: Condvar,
}

// SAFETY: `depth` is accessed by the owner only (rule 1), and owners follow one another: each acquires
// what the one before has done.
unsafe impl Sync for Turns {}

impl Turns {
    /// Nobody's turn.
    pub fn new() -> Self {
        Self {
            owner: AtomicUsize::new(NOBODY),
            depth: UnsafeCell::new(0),
            asleep: AtomicUsize::new(0),
            gate: Mutex::new(()),
            ended: Condvar::new(),
        }
    }

    /// Waits for the turn of `key`, which is not 0 and no other thread's, and takes it. To be ended as
    /// often as it was taken.
    pub fn take(&self, key: usize) {
        debug_assert_ne!(key, NOBODY, "0 is nobody's key");
        // Relaxed: only this thread stores its key.
        if self.owner.load(Relaxed) == key {
            // SAFETY: rule 1.
            self.depth.with_mut(|depth| unsafe { *depth += 1 });
            return;
        }
        for _ in 0..LOOKS {
            if self.owner.load(Relaxed) == NOBODY && self.claim(key) {
                return;
            }
            spin_loop();
        }
        self.sleep(key);
    }

    fn claim(&self, key: usize) -> bool {
        // Acquire: what the last owner did is visible to this one.
        self.owner.compare_exchange(NOBODY, key, Acquire, Relaxed).is_ok()
    }

    #[cold]
    fn sleep(&self, key: usize) {
        let mut gate = lock(&self.gate);
        // Relaxed: the fence orders it.
        self.asleep.fetch_add(1, Relaxed);
        // Rule 3: either the fence of `end` comes later and what follows it sees this thread asleep, or
        // it comes earlier and this thread sees that it is nobody's turn.
        fence(SeqCst);
        while !self.claim(key) {
            reached_if(true, "turns: a thread slept");
            gate = wait(&self.ended, gate);
        }
        self.asleep.fetch_sub(1, Relaxed);
        drop(gate);
    }

    /// Ends the turn that the caller took last.
    pub fn end(&self) {
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
        self.owner.store(NOBODY, Release);
        // Rule 3: see `sleep`.
        fence(SeqCst);
        if self.asleep.load(Relaxed) > 0 {
            drop(lock(&self.gate));
            self.ended.notify_one();
        }
    }
}

impl Default for Turns {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Turns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("Turns");
        out.field("owner", &self.owner.load(Relaxed)).finish_non_exhaustive()
    }
}
