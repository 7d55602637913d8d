//! The table of rooted references.
//!
//! A [`Root`] keeps one value alive from one native call to the next (handler closures, pending
//! results, timers). It is an index with a generation: released slots are reused, most recently
//! released first, and a `Root` that does not belong to the slot's current life is refused loudly.
//! The table grows without bound of its own; its values count against the heap's hard limit.

use crate::collector::tracer::Tracer;
use crate::values::value::Value;

/// A rooted reference. Give it back with [`crate::Heap::release`]; dropping it leaks the slot.
#[derive(Debug, PartialEq, Eq, Hash)]
#[must_use = "a root that is dropped without release keeps its value for ever"]
pub struct Root {
    index: u32,
    generation: u32,
}

impl Root {
    /// Slot in the table; reused after release.
    pub fn index(&self) -> u32 {
        self.index
    }

    /// Life of the slot, from 1.
    pub fn generation(&self) -> u32 {
        self.generation
    }
}

struct Slot {
    generation: u32,
    /// `None` between release and reuse.
    value: Option<Value>,
}

#[derive(Default)]
pub(crate) struct RootTable {
    slots: Vec<Slot>,
    free: Vec<u32>,
}

impl RootTable {
    pub fn insert(&mut self, value: Value) -> Root {
        let Some(index) = self.free.pop() else {
            let index = u32::try_from(self.slots.len()).expect("more than 2^32 roots");
            self.slots.push(Slot { generation: 1, value: Some(value) });
            return Root { index, generation: 1 };
        };
        let slot = &mut self.slots[index as usize];
        slot.generation = slot.generation.wrapping_add(1);
        slot.value = Some(value);
        Root { index, generation: slot.generation }
    }

    pub fn get(&mut self, root: &Root) -> Option<&mut Value> {
        let slot = self.slots.get_mut(root.index as usize)?;
        if slot.generation == root.generation { slot.value.as_mut() } else { None }
    }

    pub fn peek(&self, root: &Root) -> Option<Value> {
        let slot = self.slots.get(root.index as usize)?;
        if slot.generation == root.generation { slot.value } else { None }
    }

    pub fn remove(&mut self, root: &Root) -> Option<Value> {
        let value = *self.get(root)?;
        self.slots[root.index as usize].value = None;
        self.free.push(root.index);
        Some(value)
    }

    pub fn live(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    pub fn trace(&mut self, tracer: &mut Tracer<'_>) {
        for value in self.slots.iter_mut().filter_map(|slot| slot.value.as_mut()) {
            tracer.value(value);
        }
    }
}
