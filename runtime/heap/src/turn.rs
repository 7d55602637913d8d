//! Turns: one mutator at a time at data that mutators change in place though it is shared.
//!
//! 1. A mutator takes its turn before it looks at such data and ends it before its next safepoint;
//!    turns of one mutator may be nested.
//! 2. While a heap has had one mutator only, turns cost nothing.
//!
//! Does not know the data.

use crate::heap::Heap;
use crate::shared::Shared;
use std::sync::{Arc, Condvar, Mutex, PoisonError};

/// Whose turn it is.
#[derive(Default)]
pub(crate) struct Turns {
    state: Mutex<State>,
    ended: Condvar,
}

#[derive(Default)]
struct State {
    /// Slot of the mutator.
    owner: usize,
    /// Turns it has taken and not ended; 0 when it is nobody's.
    depth: usize,
}

impl Turns {
    fn take(&self, slot: usize) {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let mut state = self
            .ended
            .wait_while(state, |state| state.depth > 0 && state.owner != slot)
            .unwrap_or_else(PoisonError::into_inner);
        state.owner = slot;
        state.depth += 1;
    }

    fn end(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.depth -= 1;
        if state.depth == 0 {
            self.ended.notify_one();
        }
    }
}

/// The calling mutator's turn, until it is dropped.
#[must_use = "the turn ends when this is dropped"]
pub struct Turn {
    /// Absent where there is nobody to wait for.
    shared: Option<Arc<Shared>>,
}

impl Drop for Turn {
    #[inline]
    fn drop(&mut self) {
        if let Some(shared) = &self.shared {
            shared.turns.end();
        }
    }
}

impl Heap {
    /// Waits for this mutator's turn at data that is changed in place though it is shared. It ends
    /// before the mutator's next safepoint.
    #[inline]
    pub fn turn(&self) -> Turn {
        if !self.is_shared {
            return Turn { shared: None };
        }
        self.shared.turns.take(self.mutator.slot());
        Turn { shared: Some(Arc::clone(&self.shared)) }
    }
}
