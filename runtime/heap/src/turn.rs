//! Turns: one mutator at a time at data that mutators change in place though it is shared.
//!
//! 1. A mutator takes its turn before it looks at such data and ends it before its next safepoint;
//!    turns of one mutator may be nested.
//! 2. While a heap has had one mutator only, turns cost nothing.
//!
//! Does not know the data.

use crate::heap::Heap;
use std::sync::Arc;
use valk_sync::turns::Turns;

/// The calling mutator's turn, until it is dropped.
#[must_use = "the turn ends when this is dropped"]
pub struct Turn {
    /// Absent where there is nobody to wait for.
    turns: Option<Arc<Turns>>,
}

impl Drop for Turn {
    #[inline]
    fn drop(&mut self) {
        if let Some(turns) = &self.turns {
            turns.end();
        }
    }
}

impl Heap {
    /// Waits for this mutator's turn at data that is changed in place though it is shared. It ends
    /// before the mutator's next safepoint.
    #[inline]
    pub fn turn(&self) -> Turn {
        if !self.is_shared {
            return Turn { turns: None };
        }
        self.shared.turns.take(self.mutator.slot() + 1);
        Turn { turns: Some(Arc::clone(&self.shared.turns)) }
    }
}
