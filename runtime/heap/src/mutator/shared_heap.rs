//! The state that all mutators of a heap share, and what each exposes to a collection.
//!
//! 1. The young region is one reservation with a *nursery slot* for each slot of the coordinator,
//!    so "young" is one comparison for the nurseries of all mutators.
//! 2. A mutator keeps its bump pointer and its remembered set in its own handle. When it leaves,
//!    the cells in its nursery stay until the next collection, and the next mutator of the slot
//!    allocates behind them.
//! 3. `LockedState` is under one lock and the old space under another; where both are taken, that
//!    of the old space is taken second. No thread holds either at a safepoint or while it waits, so
//!    the leader of a collection finds them free.
//! 4. *Mutator pointers* tell a leader where the state of a mutator is. The mutator publishes them
//!    before it stops or enters a blocking section, the leader uses them while the world is
//!    stopped, and their targets do not move in between.
//!
//! Does not know how cells are traced.

use crate::accounting::limits::{
    Config, GC_WORKERS_MIN, Limits, SERIAL_TRACE_CELLS, YOUNG_RESERVE_MAX_BYTES,
};
use crate::accounting::statistics::Statistics;
use crate::collector::collection::Collected;
use crate::collector::tracer::{SharedOldSpace, Tracer};
use crate::error::HeapError;
use crate::memory::os::{self, Mapping};
use crate::roots::globals::Globals;
use crate::roots::mutator_roots::Roots;
use crate::roots::root_table::RootTable;
use crate::spaces::nursery::Nursery;
use crate::spaces::old_space::OldSpace;
use crate::values::symbol::SymbolTable;
use crate::values::value::Value;
use std::cell::UnsafeCell;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::AtomicBool;
use std::sync::{Mutex, MutexGuard};
use std::time::Instant;
use valk_sync::coordinator::Coordinator;
use valk_sync::limits::MUTATORS_MAX;
use valk_sync::shim::lock;

/// The states of a heap that are under the lock.
pub(crate) struct LockedState {
    pub roots: RootTable,
    pub limits: Limits,
    pub statistics: Statistics,
    /// Declared by all mutators together.
    pub external_bytes: usize,
    /// The least time between two automatic full collections, in milliseconds.
    pub full_interval_ms: u64,
    pub last_full: Option<Instant>,
    /// What the last collection did.
    pub last: Option<Collected>,
    /// The collector's work list, kept for its capacity.
    pub work: Vec<Value>,
    /// What survived the last nursery collection.
    pub survived_bytes: usize,
    /// [`SERIAL_TRACE_CELLS`] and [`GC_WORKERS_MIN`], but in tests.
    pub serial_trace_cells: usize,
    pub gc_workers_min: usize,
}

/// Where a leader finds the state of a stopped mutator.
pub(crate) struct MutatorPointers {
    pub young: *mut Nursery,
    pub remembered: *mut Vec<Value>,
    pub wanted: *mut bool,
    pub roots: *mut dyn Roots,
}

/// The nursery of one slot of the coordinator.
struct NurserySlot {
    /// As the last mutator of the slot left it; stale while the slot has a mutator.
    young: Nursery,
    remembered: Vec<Value>,
    pointers: Option<MutatorPointers>,
}

pub(crate) struct SharedHeap {
    pub coordinator: Coordinator,
    pub symbols: SymbolTable,
    pub globals: Globals,
    pub hash_seed: u64,
    /// Under a lock of its own, taken after that of `common` where both are.
    pub old: SharedOldSpace,
    /// Since the world was last stopped, a mutator may have published a reference into its nursery
    /// (`local_collection`).
    pub published: AtomicBool,
    young: Mapping,
    nursery_slots: Box<[UnsafeCell<NurserySlot>]>,
    common: Mutex<LockedState>,
}

// SAFETY: `common` is under its lock, and what is in it is moved between threads (hosts are
// `Send`). A nursery slot is accessed by the mutator that owns it while it runs, and by the leader
// of a collection while it does not (rule 4); the coordinator orders the two.
unsafe impl Send for SharedHeap {}
// SAFETY: as above.
unsafe impl Sync for SharedHeap {}

impl SharedHeap {
    pub fn new(config: &Config) -> Result<SharedHeap, HeapError> {
        let limits = Limits::new(config)?;
        let mutators = config.mutators_max.clamp(1, MUTATORS_MAX);
        let reserve = config.hard_limit_bytes.min(YOUNG_RESERVE_MAX_BYTES);
        let wanted = reserve.max(config.nursery_bytes).max(1);
        let refused = || HeapError::Map { bytes: wanted, errno: libc::ENOMEM };
        let slot_bytes = os::round_to_grains(wanted).ok_or_else(refused)?;
        let young = Mapping::new(slot_bytes.checked_mul(mutators).ok_or_else(refused)?)?;
        let nursery_slot = |slot| NurserySlot {
            young: Nursery::new(young.base() + slot * slot_bytes, slot_bytes, config.nursery_bytes),
            remembered: Vec::new(),
            pointers: None,
        };
        Ok(SharedHeap {
            coordinator: Coordinator::new(),
            symbols: SymbolTable::new(),
            globals: Globals::new()?,
            hash_seed: RandomState::new().hash_one(0),
            nursery_slots: (0..mutators).map(|slot| UnsafeCell::new(nursery_slot(slot))).collect(),
            young,
            old: Mutex::new(OldSpace::new()),
            published: AtomicBool::new(false),
            common: Mutex::new(LockedState {
                roots: RootTable::default(),
                limits,
                statistics: Statistics::default(),
                external_bytes: 0,
                full_interval_ms: 0,
                last_full: None,
                last: None,
                work: Vec::new(),
                survived_bytes: 0,
                serial_trace_cells: SERIAL_TRACE_CELLS,
                gc_workers_min: GC_WORKERS_MIN,
            }),
        })
    }

    pub fn lock(&self) -> MutexGuard<'_, LockedState> {
        lock(&self.common)
    }

    /// All that is in use outside the nurseries.
    pub fn tenured_bytes(&self, common: &LockedState) -> usize {
        let old = lock(&self.old);
        old.used_bytes() + self.off_heap_bytes(common, &old)
    }

    /// Bytes in use outside the spaces.
    pub fn off_heap_bytes(&self, common: &LockedState, old: &OldSpace) -> usize {
        self.symbols.bytes() + old.host_external_bytes() + common.external_bytes
    }

    /// Base and length of the young region.
    pub fn young(&self) -> (usize, usize) {
        (self.young.base(), self.young.bytes())
    }

    /// Number of mutators there can be.
    pub fn slots(&self) -> usize {
        self.nursery_slots.len()
    }

    /// Takes the nursery of a slot.
    ///
    /// # Safety
    /// The caller runs as the mutator of `slot` and has just become that.
    pub unsafe fn attach(&self, slot: usize) -> (Nursery, Vec<Value>) {
        // SAFETY: the caller's promise; no leader looks before this mutator stops.
        let slot = unsafe { &mut *self.nursery_slots[slot].get() };
        (slot.young.clone(), std::mem::take(&mut slot.remembered))
    }

    /// Gives the nursery of a slot back.
    ///
    /// # Safety
    /// The caller runs as the mutator of `slot` and ends being that without another safepoint.
    pub unsafe fn detach(&self, slot: usize, young: Nursery, remembered: Vec<Value>) {
        // SAFETY: the caller's promise.
        let slot = unsafe { &mut *self.nursery_slots[slot].get() };
        *slot = NurserySlot { young, remembered, pointers: None };
    }

    /// Whether that many bytes at `address` lie in the nursery of a mutator that has left.
    ///
    /// # Safety
    /// No mutator comes or goes meanwhile.
    pub unsafe fn is_in_abandoned_nursery(&self, address: usize, bytes: usize) -> bool {
        self.nursery_slots.iter().any(|slot| {
            // SAFETY: the caller's promise; a slot with a mutator is not changed by it.
            let slot = unsafe { &*slot.get() };
            slot.pointers.is_none() && slot.young.holds(address, bytes)
        })
    }

    /// Publishes where leaders find the state of a mutator.
    ///
    /// # Safety
    /// The caller runs as the mutator of `slot`. The targets of the pointers stay valid,
    /// and only leaders use them while this mutator is stopped or in a blocking section.
    pub unsafe fn publish_pointers(&self, slot: usize, pointers: MutatorPointers) {
        // SAFETY: the caller's promise.
        unsafe { (*self.nursery_slots[slot].get()).pointers = Some(pointers) };
    }

    /// The states of all slots, with or without a mutator.
    ///
    /// # Safety
    /// The caller leads a collection, the world is stopped, and what an earlier call
    /// returned is not used any more.
    pub unsafe fn mutator_states(&self) -> Vec<MutatorState<'_>> {
        let states = self.nursery_slots.iter().map(|slot| {
            // SAFETY: the caller's promise: no mutator accesses its slot.
            let slot = unsafe { &mut *slot.get() };
            match &slot.pointers {
                // SAFETY: rule 4: the mutator of this slot is stopped, so its pointers are valid.
                Some(pointers) => unsafe {
                    MutatorState {
                        young: &mut *pointers.young,
                        remembered: &mut *pointers.remembered,
                        wanted: Some(&mut *pointers.wanted),
                        roots: Some(&mut *pointers.roots),
                    }
                },
                None => MutatorState {
                    young: &mut slot.young,
                    remembered: &mut slot.remembered,
                    wanted: None,
                    roots: None,
                },
            }
        });
        states.collect()
    }
}

/// The state of a slot, for the leader of a collection.
pub(crate) struct MutatorState<'a> {
    pub young: &'a mut Nursery,
    pub remembered: &'a mut Vec<Value>,
    /// Absent without a mutator, like the roots.
    pub wanted: Option<&'a mut bool>,
    pub roots: Option<&'a mut dyn Roots>,
}

impl MutatorState<'_> {
    /// Shows the roots of the mutator and, in a minor pass, its remembered cells.
    pub fn begin(&mut self, tracer: &mut Tracer<'_>) {
        if let Some(roots) = &mut self.roots {
            roots.trace(tracer);
        }
        if tracer.only_young() {
            for &cell in self.remembered.iter() {
                tracer.scan(cell);
            }
        }
    }
}
