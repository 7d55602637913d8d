//! The striped locks as one mutator takes them: only while the heap is shared (rule 3 of
//! `lock_stripes`).

use crate::mutator::heap::Heap;
use crate::mutator::lock_stripes::StripeGuard;
use crate::values::value::Value;

impl Heap {
    /// Whether the heap has had other mutators, so that locks may have to wait.
    #[inline]
    pub fn is_shared(&self) -> bool {
        self.is_shared
    }

    /// Locks every stripe.
    #[inline]
    pub fn lock_all_stripes(&self) -> StripeGuard {
        if self.is_shared { StripeGuard::all(self.lock_key) } else { StripeGuard::none() }
    }

    /// Locks the stripe of one object.
    #[inline]
    pub fn lock_stripe_of(&self, object: Value) -> StripeGuard {
        if self.is_shared { StripeGuard::of(object, self.lock_key) } else { StripeGuard::none() }
    }
}
