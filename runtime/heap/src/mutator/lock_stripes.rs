//! Striped locks for data that several mutators read and change in place.
//!
//! 1. A mutator holds a [`StripeGuard`] while it reads or changes such data and drops it before its
//!    next safepoint. The guard covers either every stripe or the stripe of one object.
//! 2. A mutator that holds all stripes may lock further ones. A mutator that holds the stripe of
//!    one object locks no other. So no circle of waiting mutators can form.
//! 3. The guard locks nothing while the heap has had one mutator only.
//!
//! The [`STRIPE_COUNT`] stripes are shared by all heaps of the process. Locking all of them takes
//! them in order. Does not know the data.

use crate::values::value::Value;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use valk_sync::reentrant_lock::ReentrantLock;

/// Number of stripes, a power of two.
const STRIPE_COUNT: usize = 16;

/// One lock, on cache lines of its own.
#[derive(Default)]
#[repr(align(128))]
struct Stripe(ReentrantLock);

static STRIPES: LazyLock<[Stripe; STRIPE_COUNT]> = LazyLock::new(Default::default);

/// A new owner key, for one mutator.
pub(crate) fn new_key() -> usize {
    static LAST: AtomicUsize = AtomicUsize::new(0);
    LAST.fetch_add(1, Ordering::Relaxed) + 1
}

/// The stripes that the calling mutator holds; dropping the guard unlocks them.
#[must_use = "dropping the guard unlocks the stripes"]
pub struct StripeGuard {
    /// Empty while the heap has had one mutator only.
    locked: &'static [Stripe],
}

impl Drop for StripeGuard {
    #[inline]
    fn drop(&mut self) {
        for stripe in self.locked {
            stripe.0.unlock();
        }
    }
}

impl StripeGuard {
    /// Locks nothing.
    #[inline]
    pub(crate) fn none() -> StripeGuard {
        StripeGuard { locked: &[] }
    }

    /// Locks every stripe for the owner of `key`.
    pub(crate) fn all(key: usize) -> StripeGuard {
        StripeGuard::lock(&STRIPES[..], key)
    }

    /// Locks the stripe of one object for the owner of `key`.
    pub(crate) fn of(object: Value, key: usize) -> StripeGuard {
        // Fibonacci hashing: mutators put their objects at equal distances.
        let mixed = (object.address() as u64 >> 4).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let stripe = (mixed >> (u64::BITS - STRIPE_COUNT.ilog2())) as usize;
        StripeGuard::lock(&STRIPES[stripe..=stripe], key)
    }

    fn lock(locked: &'static [Stripe], key: usize) -> StripeGuard {
        for stripe in locked {
            stripe.0.lock(key);
        }
        StripeGuard { locked }
    }
}
