//! The timers of one executor, and the operations of systems that never end by themselves.
//!
//! 1. A timer names a handle and perhaps a time. Starting, firing and cancelling one costs the same
//!    up to the logarithm of the number pending.
//! 2. Handles lie in pages, objects of the heap. Handles are never young, so a collection of the young
//!    does not look into pages, and timers that wait cost it nothing.
//! 3. A cancelled timer leaves its entry in the queue behind; when such entries are the greater
//!    part, the queue is made anew. So memory follows the number pending.
//!
//! Times are of the executor's clock, in microseconds since it started. Does not know what a timer
//! means to its handle.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::{Mutex, PoisonError};
use valk_heap::{HostObject, Tracer, Value};
use valk_sync::shim::lock;
use valk_vm::Vm;

/// Handles in a page.
const PAGE_ENTRIES: usize = 128;

/// Handles of timers.
struct Page(Mutex<Vec<Value>>);

impl HostObject for Page {
    fn trace(&mut self, tracer: &mut Tracer<'_>) {
        tracer.slice(self.0.get_mut().unwrap_or_else(PoisonError::into_inner));
    }

    fn type_name(&self) -> &'static str {
        "timers"
    }

    fn external_bytes(&self) -> usize {
        PAGE_ENTRIES * size_of::<Value>()
    }
}

/// Names a timer of one executor. Of those that are due at once, the one started first fires first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TimerId {
    generation: u32,
    index: u32,
}

#[derive(Clone, Copy)]
struct Entry {
    generation: u32,
    /// The system that it ends with; [`NO_SYSTEM`] for none.
    system: u32,
    is_used: bool,
}

/// The system of a timer that belongs to none.
pub(crate) const NO_SYSTEM: u32 = u32::MAX;

/// Entries that a queue may have beyond twice those in use before it is made anew.
const STALE_ENTRIES_MAX: usize = 64;

/// All timers of an executor.
#[derive(Default)]
pub(crate) struct Timers {
    pages: Vec<Value>,
    entries: Vec<Entry>,
    free: Vec<u32>,
    queue: BinaryHeap<Reverse<(u64, TimerId)>>,
    /// Timers started so far; tells those apart that had the same place.
    started: u32,
}

impl Timers {
    /// Starts a timer for `handle` at `at_us`, or one without a time.
    pub fn start(
        &mut self,
        vm: &mut Vm,
        handle: Value,
        system: u32,
        at_us: Option<u64>,
    ) -> TimerId {
        let index = self.free.pop().unwrap_or(self.entries.len() as u32);
        self.started = self.started.wrapping_add(1);
        let generation = self.started;
        let entry = Entry { generation, system, is_used: true };
        match self.entries.get_mut(index as usize) {
            Some(known) => *known = entry,
            None => self.entries.push(entry),
        }
        let page = index as usize / PAGE_ENTRIES;
        if page == self.pages.len() {
            let empty = Mutex::new(vec![Value::NIL; PAGE_ENTRIES]);
            let page = vm.heap.host(Box::new(Page(empty)));
            self.pages.push(page);
        }
        self.set(vm, index, handle);
        let id = TimerId { generation, index };
        if let Some(at_us) = at_us {
            self.queue.push(Reverse((at_us, id)));
        }
        id
    }

    /// Gives a timer that fired another time.
    pub fn restart(&mut self, id: TimerId, at_us: u64) {
        if self.is_live(id) {
            self.queue.push(Reverse((at_us, id)));
        }
    }

    fn set(&self, vm: &Vm, index: u32, handle: Value) -> Value {
        let (page, place) = (index as usize / PAGE_ENTRIES, index as usize % PAGE_ENTRIES);
        let object = self.pages[page].host::<Page>(&vm.heap).expect("pages are made here");
        std::mem::replace(&mut lock(&object.0)[place], handle)
    }

    fn handle(&self, vm: &Vm, index: u32) -> Value {
        let (page, place) = (index as usize / PAGE_ENTRIES, index as usize % PAGE_ENTRIES);
        let object = self.pages[page].host::<Page>(&vm.heap).expect("pages are made here");
        lock(&object.0)[place]
    }

    fn is_live(&self, id: TimerId) -> bool {
        let entry = self.entries.get(id.index as usize);
        entry.is_some_and(|entry| entry.is_used && entry.generation == id.generation)
    }

    /// Forgets a timer. Returns false if it had fired for the last time or was forgotten.
    pub fn cancel(&mut self, vm: &Vm, id: TimerId) -> bool {
        if !self.is_live(id) {
            return false;
        }
        self.set(vm, id.index, Value::NIL);
        self.entries[id.index as usize].is_used = false;
        self.free.push(id.index);
        let used = self.pending();
        if self.queue.len() > 2 * used + STALE_ENTRIES_MAX {
            let entries = &self.entries;
            self.queue.retain(|Reverse((_, id))| {
                let entry = &entries[id.index as usize];
                entry.is_used && entry.generation == id.generation
            });
            self.queue.shrink_to(2 * used);
        }
        if used == 0 {
            self.entries = Vec::new();
            self.free = Vec::new();
            self.queue = BinaryHeap::new();
            self.pages = Vec::new();
        }
        true
    }

    /// Number of timers that were neither cancelled nor have fired for the last time.
    pub fn pending(&self) -> usize {
        self.entries.len() - self.free.len()
    }

    /// When the next timer fires, in microseconds.
    pub fn next_us(&mut self) -> Option<u64> {
        while let Some(Reverse((at_us, id))) = self.queue.peek().copied() {
            if self.is_live(id) {
                return Some(at_us);
            }
            self.queue.pop();
        }
        None
    }

    /// Takes a timer that is due at `now_us`; its handle. It stays until it is cancelled.
    pub fn due(&mut self, vm: &Vm, now_us: u64) -> Option<(TimerId, Value)> {
        if self.next_us()? > now_us {
            return None;
        }
        let Reverse((_, id)) = self.queue.pop()?;
        Some((id, self.handle(vm, id.index)))
    }

    /// The handles of a system's timers.
    pub fn of_system(&self, vm: &Vm, system: u32) -> Vec<Value> {
        let used = self.entries.iter().enumerate().filter(|(_, entry)| entry.is_used);
        used.filter(|(_, entry)| entry.system == system)
            .map(|(index, _)| self.handle(vm, index as u32))
            .collect()
    }

    /// Number of timers pending that end with a system.
    #[cfg(test)]
    pub fn pending_of_systems(&self) -> usize {
        let is_of_system = |entry: &&Entry| entry.is_used && entry.system != NO_SYSTEM;
        self.entries.iter().filter(is_of_system).count()
    }

    pub fn trace(&mut self, tracer: &mut Tracer<'_>) {
        tracer.slice(&mut self.pages);
    }
}
