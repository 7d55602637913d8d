//! Registering further mutators of a heap, from any thread.

use crate::collector::schedule::Stress;
use crate::error::TooManyMutators;
use crate::mutator::heap::Heap;
use crate::mutator::shared_heap::SharedHeap;
use std::sync::Arc;
use valk_sync::coordinator::RegisterError;

/// Registers further mutators of a heap. May be sent to any thread.
#[derive(Clone)]
pub struct MutatorTicket {
    shared: Arc<SharedHeap>,
    generational: bool,
    stress: Stress,
}

impl MutatorTicket {
    /// Registers the calling thread as a mutator, after any collection under way.
    ///
    /// # Errors
    /// When the heap has as many mutators as it was made for.
    pub fn register(&self) -> Result<Heap, TooManyMutators> {
        let full = TooManyMutators { most: self.shared.slots() };
        let mutator = self.shared.coordinator.register().map_err(|refusal| match refusal {
            RegisterError::Full => full,
            RegisterError::ShuttingDown => {
                unreachable!("no heap begins the shutdown of its coordinator")
            }
        })?;
        if mutator.slot() >= self.shared.slots() {
            return Err(full);
        }
        let mut heap = Heap::over(mutator, Arc::clone(&self.shared));
        heap.is_shared = true;
        heap.generational = self.generational;
        heap.set_stress(self.stress);
        Ok(heap)
    }
}

impl Heap {
    /// A ticket with which other threads register as mutators of this heap.
    pub fn mutator_ticket(&mut self) -> MutatorTicket {
        self.is_shared = true;
        MutatorTicket {
            shared: Arc::clone(&self.shared),
            generational: self.generational,
            stress: self.stress,
        }
    }
}
