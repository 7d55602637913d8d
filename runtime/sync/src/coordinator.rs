//! Stops every mutator at a safepoint, lets all of them help with a collection, and resumes them.
//!
//! Each mutator has a slot with one word of two bits: SAFE, set by the mutator while it is in a
//! blocking section and touches no heap object, and STOP, set by a leader. Everything else is under
//! one lock.
//!
//! 1. Phases go Idle, Requested, Stopped, Idle. The thread that finds Idle under the lock and
//!    requests a collection is its leader and alone moves the phase. Any other thread that requests
//!    one takes part.
//! 2. Members are fixed from Requested to Idle: registering and leaving wait for Idle. A thread
//!    that waits to leave is SAFE; one that waits to register is no member yet. A collection waits
//!    for neither.
//! 3. The leader sets STOP on every other member, at once. One that was SAFE stays where it is and
//!    is *frozen*; one that was running is *awaited* until it stops at a safepoint or becomes SAFE.
//!    The phase becomes Stopped when no member is awaited.
//! 4. A member becomes SAFE, and running again, by one exchange on its own word. Both succeed
//!    without the lock unless STOP is set: then becoming SAFE tells the leader, and becoming
//!    running waits for Idle. So a blocking section never delays a collection, and never ends in
//!    the middle of one.
//! 5. Participants are the leader and the members that stopped, fixed when the phase becomes
//!    Stopped. The leader runs rounds: a round is over when every participant has run its job, and
//!    the next one, or the end, comes after that.
//! 6. The leader clears every STOP and sets Idle under the lock before any member resumes.
//! 7. Shutdown refuses new collections. One that was requested before completes.
//! 8. A panic in a collection aborts the process. The heap is half-collected, so no thread may run
//!    on, and leaving the others in a round would be a hang.
//! 9. Each slot has a poll flag beside its word. A leader sets the flag of each member that it
//!    awaits, and any thread sets it after it has published another reason. The mutator polls the
//!    flag alone. It acknowledges before it looks for reasons, so a request that comes later is not
//!    lost.
//!
//! No progress depends on time: a thread runs or waits for a notification, at first spinning
//! (`spin_condvar`), then parked. `docs/concurrency.md` says which invariants (S1 to S23, L1 to L7)
//! are shown by which model. Knows slots and threads. Does not know what a root is, what a round
//! does, or why a collection was requested.

mod mutator;
mod shared;
mod spin_condvar;
mod state;
mod world;

pub use mutator::{BlockingSection, Mutator, PollFlag};
pub use world::{Participant, World};

use crate::limits::MUTATORS_MAX;
use crate::shim::Arc;
use shared::Shared;
use std::fmt;

/// The outcome of a request to collect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "only `Led` means that the work was done by this call"]
pub enum CollectOutcome<R> {
    /// This mutator led a collection; the result of its work.
    Led(R),
    /// Another mutator's collection was under way and this one took part in it. The caller checks
    /// whether it still needs one.
    Joined,
    /// Shutdown has begun; there will be no further collection.
    Refused,
}

/// Why a thread could not become a mutator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RegisterError {
    /// [`MUTATORS_MAX`] mutators are registered.
    Full,
    /// Shutdown has begun.
    ShuttingDown,
}

impl fmt::Display for RegisterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full => write!(
                f,
                "{MUTATORS_MAX} threads run Valk code already, which is the most there can be; \
                 let one of them end first"
            ),
            Self::ShuttingDown => {
                f.write_str("the runtime is shutting down and takes no further thread")
            }
        }
    }
}

impl std::error::Error for RegisterError {}

/// The meeting point of all mutators of one heap. Clones are handles of the same one.
#[derive(Clone)]
pub struct Coordinator {
    shared: Arc<Shared>,
}

impl Coordinator {
    /// A coordinator without members.
    pub fn new() -> Self {
        Self { shared: Arc::new(Shared::new()) }
    }

    /// Makes the caller a running mutator in the lowest free slot, after any collection under way.
    ///
    /// A thread that already holds a mutator of this coordinator must be in a blocking section, or
    /// a collection that waits for it would never end.
    ///
    /// # Errors
    ///
    /// [`RegisterError`] when there is no free slot or shutdown has begun.
    pub fn register(&self) -> Result<Mutator, RegisterError> {
        let slot = self.shared.register()?;
        Ok(Mutator::new(Arc::clone(&self.shared), slot))
    }

    /// Number of registered mutators.
    pub fn members(&self) -> usize {
        self.shared.lock().members().len()
    }

    /// Requests that every mutator come to a safepoint (rule 9). The caller has published the
    /// reason.
    pub fn request_all(&self) {
        for slot in 0..MUTATORS_MAX {
            self.shared.request(slot);
        }
    }

    /// Refuses collections and registrations from now on (rule 7). May be called again.
    pub fn begin_shutdown(&self) {
        self.shared.begin_shutdown();
    }

    /// Whether [`Coordinator::begin_shutdown`] has been called.
    pub fn is_shutting_down(&self) -> bool {
        self.shared.lock().is_shutting_down()
    }

    /// Waits until at most `members` mutators are registered. A caller that is a mutator waits in a
    /// blocking section.
    pub fn wait_for_members(&self, members: usize) {
        self.shared.wait_for_members(members);
    }
}

impl Default for Coordinator {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Coordinator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Coordinator").field("members", &self.members()).finish_non_exhaustive()
    }
}
