//! What the mutators of one heap share, and what each shows to a collection.
//!
//! 1. The young region is one reservation with a *lot* for each slot of the coordinator; the nursery
//!    of a mutator is its lot. So "young" is one comparison whoever's nursery it is.
//! 2. A mutator keeps its bump pointer and its remembered set with itself. When it leaves, what is
//!    in its lot stays there until the next collection, and whoever gets the slot goes on behind it.
//! 3. `LockedState` is under one lock and the old space under another, taken after it where both are. Nobody
//!    holds either at a safepoint or while it waits for anything: so the leader of a collection finds
//!    them free.
//! 4. A *view* tells a leader where a mutator's part is. The mutator puts it there before it stops or
//!    enters native code, the leader uses it while the world is stopped, and what it points to does
//!    not move in between.

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

/// The parts of a heap that are under the lock.
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

/// A mutator's part as a leader finds it.
pub(crate) struct MutatorPointers {
    pub young: *mut Nursery,
    pub remembered: *mut Vec<Value>,
    pub wanted: *mut bool,
    pub roots: *mut dyn Roots,
}

/// What belongs to a slot.
struct NurserySlot {
    /// What the last mutator of the slot left behind; in use by the mutator, if there is one.
    young: Nursery,
    remembered: Vec<Value>,
    view: Option<MutatorPointers>,
}

pub(crate) struct SharedHeap {
    pub coordinator: Coordinator,
    pub symbols: SymbolTable,
    pub globals: Globals,
    pub hash_seed: u64,
    /// Under a lock of its own, taken after that of `common` where both are.
    pub old: SharedOldSpace,
    /// Since the world was stopped last, a mutator may have let others have a reference into its nursery
    /// (`own`).
    pub published: AtomicBool,
    young: Mapping,
    nursery_slots: Box<[UnsafeCell<NurserySlot>]>,
    common: Mutex<LockedState>,
}

// SAFETY: `common` is under its lock, and what is in it is moved between threads (hosts are `Send`).
// A lot is accessed by the mutator that owns its slot while it runs, and by the leader of a
// collection while it does not (rule 4); the coordinator orders the two.
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
        let lot_bytes = os::round_to_grains(wanted).ok_or_else(refused)?;
        let young = Mapping::new(lot_bytes.checked_mul(mutators).ok_or_else(refused)?)?;
        let lot = |slot| NurserySlot {
            young: Nursery::new(young.base() + slot * lot_bytes, lot_bytes, config.nursery_bytes),
            remembered: Vec::new(),
            view: None,
        };
        Ok(SharedHeap {
            coordinator: Coordinator::new(),
            symbols: SymbolTable::new(),
            globals: Globals::new()?,
            hash_seed: RandomState::new().hash_one(0),
            nursery_slots: (0..mutators).map(|slot| UnsafeCell::new(lot(slot))).collect(),
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

    /// What is in use beside the spaces.
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

    /// Takes over what is in a slot.
    ///
    /// # Safety
    /// The caller runs as the mutator of `slot` and has just become that.
    pub unsafe fn attach(&self, slot: usize) -> (Nursery, Vec<Value>) {
        // SAFETY: the caller's promise; no leader looks before this mutator stops.
        let lot = unsafe { &mut *self.nursery_slots[slot].get() };
        (lot.young.clone(), std::mem::take(&mut lot.remembered))
    }

    /// Leaves a slot with what is in it.
    ///
    /// # Safety
    /// The caller runs as the mutator of `slot` and ends being that without another safepoint.
    pub unsafe fn detach(&self, slot: usize, young: Nursery, remembered: Vec<Value>) {
        // SAFETY: the caller's promise.
        let lot = unsafe { &mut *self.nursery_slots[slot].get() };
        *lot = NurserySlot { young, remembered, view: None };
    }

    /// Whether that many bytes at `address` are of what mutators that have left did not take along.
    ///
    /// # Safety
    /// No mutator comes or goes meanwhile.
    pub unsafe fn is_in_abandoned_nursery(&self, address: usize, bytes: usize) -> bool {
        self.nursery_slots.iter().any(|lot| {
            // SAFETY: the caller's promise; a lot with a mutator is not changed by it.
            let lot = unsafe { &*lot.get() };
            lot.view.is_none() && lot.young.holds(address, bytes)
        })
    }

    /// Tells leaders where the part of a mutator is.
    ///
    /// # Safety
    /// The caller runs as the mutator of `slot`. What the view points to stays valid and is not
    /// used by anybody else while this mutator is stopped or in native code.
    pub unsafe fn show(&self, slot: usize, view: MutatorPointers) {
        // SAFETY: the caller's promise.
        unsafe { (*self.nursery_slots[slot].get()).view = Some(view) };
    }

    /// The parts of all slots, with or without a mutator.
    ///
    /// # Safety
    /// The caller leads a collection, the world is stopped, and what an earlier call returned is not
    /// used any more.
    pub unsafe fn mutator_states(&self) -> Vec<MutatorState<'_>> {
        let parts = self.nursery_slots.iter().map(|lot| {
            // SAFETY: the caller's promise: no mutator accesses its lot.
            let lot = unsafe { &mut *lot.get() };
            match &lot.view {
                // SAFETY: rule 4: the mutator of this slot is stopped, so its view is valid.
                Some(view) => unsafe {
                    MutatorState {
                        young: &mut *view.young,
                        remembered: &mut *view.remembered,
                        wanted: Some(&mut *view.wanted),
                        roots: Some(&mut *view.roots),
                    }
                },
                None => MutatorState {
                    young: &mut lot.young,
                    remembered: &mut lot.remembered,
                    wanted: None,
                    roots: None,
                },
            }
        });
        parts.collect()
    }
}

/// A slot as the leader of a collection sees it.
pub(crate) struct MutatorState<'a> {
    pub young: &'a mut Nursery,
    pub remembered: &'a mut Vec<Value>,
    /// Absent without a mutator, as the roots.
    pub wanted: Option<&'a mut bool>,
    pub roots: Option<&'a mut dyn Roots>,
}

impl MutatorState<'_> {
    /// Shows the roots of the mutator and, where old cells are not followed, what it remembers.
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
