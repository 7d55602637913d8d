//! The memory of one runtime: values, objects, nursery, old space, roots and the collector; and
//! memory outside the collector: arenas, slab pools, buffers.
//!
//! The protocol between the heap and a thread that evaluates programs (a *mutator*):
//!
//! 1. Allocation never collects. Builtins hold plain [`Value`]s across any number of allocations.
//! 2. Only collections move or free. The mutator collects ([`Heap::collect`]) or lets another one
//!    collect ([`Heap::stop`], [`Heap::blocking`], [`Heap::begin_blocking`]) at a safepoint, which
//!    it may enter at any time and should enter when [`Heap::wants_safepoint`] is true. It passes
//!    every `Value` that it still needs through [`Roots`]; a `Value` that was neither traced nor
//!    reachable is dead afterwards.
//! 3. Objects are allocated in the nursery, except hosts, [`Heap::old_cons`] and objects larger
//!    than [`YOUNG_OBJECT_MAX_BYTES`], which are allocated in the old space. An object moves at
//!    most once, at the first collection that it survives. Old objects never move.
//! 4. An existing object is changed only through [`Heap::write`], or, for the `Value`s inside a
//!    host, after [`Heap::touch_host`]: these are the write barrier, which keeps the remembered set
//!    complete.
//! 5. Memory limits never abort: the heap reports [`Heap::over_hard_limit`] and the mutator raises
//!    an error of the language.
//! 6. [`Heap::wants_safepoint`] is also true when another thread requested an interruption through
//!    [`Heap::interrupt`]. The heap does not act on such a request; the mutator does.
//! 7. Several mutators, each on its own thread, may share a heap ([`Heap::mutator_ticket`]).
//!
//! | Module | Contents |
//! |---|---|
//! | `values` | the value word, layouts of cells, symbols |
//! | `spaces` | the nursery of each mutator, the old space |
//! | `roots` | roots of mutators, the table of rooted references, globals |
//! | `collector` | minor and full collections; serial, parallel, local to one thread |
//! | `mutator` | allocation, write barrier, safepoints, locks, shared state of all mutators |
//! | `memory` | mappings of the operating system; pools, buffers, arenas |
//! | `accounting` | limits, usage, statistics |
//!
//! Does not know bytecode, frames, what an environment means, where threads come from or the syntax
//! of the language.

#![expect(
    clippy::inline_always,
    reason = "one-instruction accessors and the bump path: calls would cost more than they do"
)]

mod accounting;
mod collector;
mod error;
mod memory;
mod mutator;
mod roots;
mod spaces;
mod values;

pub use accounting::limits::{
    Config, DEFAULT_HARD_LIMIT_BYTES, DEFAULT_NURSERY_BYTES, LARGE_OBJECT_BYTES,
    YOUNG_OBJECT_MAX_BYTES,
};
pub use accounting::statistics::{ClassUsage, PAUSE_BOUNDS_US, Statistics};
pub use accounting::usage::ROOM_UNCHECKED_BYTES;
pub use collector::collection::{Collected, Collection};
pub use collector::schedule::Stress;
pub use collector::tracer::Tracer;
pub use error::{HeapError, OutOfMemory, TooManyMutators};
pub use memory::arena::{Arena, ArenaStatistics, Scope};
pub use memory::buffers::{Buffer, BufferFull, BufferPool, BufferStatistics};
pub use memory::process_memory::ProcessMemory;
pub use memory::slab_pool::{ITEM_ALIGN_BYTES, SlabItem, SlabPool};
pub use mutator::heap::Heap;
pub use mutator::interrupt::{Interrupt, PreemptFlag};
pub use mutator::lock_stripes::StripeGuard;
pub use mutator::ticket::MutatorTicket;
pub use roots::mutator_roots::Roots;
pub use roots::root_table::Root;
pub use valk_sync::slab::{
    Bucket as PoolBucket, Run as PoolRun, Statistics as PoolStatistics, Usage as PoolUsage,
    changes_text,
};
pub use values::host::HostObject;
pub use values::layout;
pub use values::object::{
    ERROR_CAUSE, ERROR_FIELDS, ERROR_LOCATION, ERROR_MESSAGE, ERROR_TRACE, Kind,
};
pub use values::symbol::{SymbolId, SymbolTable};
pub use values::value::Value;

#[cfg(test)]
mod tests;

#[cfg(test)]
fn main() -> std::process::ExitCode {
    valk_harness::main()
}
