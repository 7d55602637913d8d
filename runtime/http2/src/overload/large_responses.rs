//! Room for responses that are too large to be sent at once, taken before they are made.
//!
//! 1. How large a response will be is guessed from the last one to the same method and path. A request
//!    whose response was large waits until there is room for another such, the first that waits first,
//!    and is answered with 503 when its time is over. So memory is bounded, and of many clients that
//!    download all are served, some later.
//! 2. What turned out large without a guess has no room: it is sent if the account of responses
//!    ([`crate::account`]) has some, as its memory is taken already.
//!
//! The guesses of a thread are bounded; when there are too many all are forgotten.

use std::cell::RefCell;
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use http::Method;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The unit in which room is counted.
const KIB: usize = 1024;
/// Guesses that a thread keeps.
const GUESSES_MAX: usize = 4096;

/// The room of a server, for all its threads.
#[derive(Clone, Debug)]
pub(crate) struct Room {
    free_kib: Arc<Semaphore>,
    total_kib: u32,
    /// Requests that wait.
    wanted: Arc<AtomicUsize>,
}

/// Counts a request that waits.
struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        // Relaxed: the number alone counts.
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Room that is taken; given back when dropped.
#[derive(Debug)]
pub(crate) struct Taken {
    /// Nothing closes the semaphore that it is of.
    _kib: OwnedSemaphorePermit,
}

impl Room {
    /// So many bytes; who waits for some is counted in `wanted`.
    pub(crate) fn new(bytes: usize, wanted: &Arc<AtomicUsize>) -> Self {
        let total_kib = u32::try_from(bytes.div_ceil(KIB)).unwrap_or(u32::MAX >> 4);
        let free_kib = Arc::new(Semaphore::new(total_kib as usize));
        Self { free_kib, total_kib, wanted: Arc::clone(wanted) }
    }

    /// What a response takes. One that is larger than all the room takes all of it.
    fn kib(&self, bytes: usize) -> u32 {
        u32::try_from(bytes.div_ceil(KIB)).unwrap_or(u32::MAX).min(self.total_kib)
    }

    /// Takes room at once, if there is some and nobody waits.
    pub(crate) fn try_take(&self, bytes: usize) -> Option<Taken> {
        let kib = Arc::clone(&self.free_kib).try_acquire_many_owned(self.kib(bytes)).ok()?;
        Some(Taken { _kib: kib })
    }

    /// Waits for room.
    pub(crate) async fn take(&self, bytes: usize) -> Taken {
        self.wanted.fetch_add(1, Ordering::Relaxed);
        let _waiting = Waiting(&self.wanted);
        let kib = Arc::clone(&self.free_kib).acquire_many_owned(self.kib(bytes)).await;
        Taken { _kib: kib.expect("never closed") }
    }
}

/// How large the responses of a thread were.
#[derive(Default)]
pub(crate) struct Guesses {
    large: RefCell<HashMap<u64, usize>>,
    hashes: RandomState,
}

impl Guesses {
    fn key(&self, method: &Method, target: &str) -> u64 {
        self.hashes.hash_one((method, target.split('?').next()))
    }

    /// The size of the last response to this, if it was large.
    pub(crate) fn of(&self, method: &Method, target: &str) -> Option<usize> {
        let large = self.large.borrow();
        if large.is_empty() { None } else { large.get(&self.key(method, target)).copied() }
    }

    /// Notes a response of so many bytes: a large one, or not.
    pub(crate) fn note(&self, method: &Method, target: &str, bytes: usize, is_large: bool) {
        let mut large = self.large.borrow_mut();
        if is_large {
            if large.len() >= GUESSES_MAX {
                large.clear();
            }
            large.insert(self.key(method, target), bytes);
        } else if !large.is_empty() {
            large.remove(&self.key(method, target));
        }
    }
}
