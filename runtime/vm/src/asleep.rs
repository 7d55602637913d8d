//! A machine that waits: its thread does something else, and collections do not wait for it.

use crate::vm::Vm;
use std::cell::{RefCell, RefMut};
use std::mem::ManuallyDrop;
use std::rc::Rc;

/// A machine is asleep while this exists, and borrowed. Dropping it waits for the end of a
/// collection under way.
pub struct Asleep {
    /// Of what `machine` owns; goes first.
    borrow: ManuallyDrop<RefMut<'static, Vm>>,
    /// Keeps the machine where it is.
    _machine: Rc<RefCell<Vm>>,
}

impl Asleep {
    /// Puts a machine that runs no fiber to sleep; nothing happens when it is borrowed.
    pub fn new(machine: &Rc<RefCell<Vm>>) -> Option<Asleep> {
        let machine = Rc::clone(machine);
        let borrow: RefMut<'_, Vm> = machine.try_borrow_mut().ok()?;
        // SAFETY: only the lifetime changes; the borrow ends before `machine` is let go.
        let mut borrow: RefMut<'static, Vm> = unsafe { std::mem::transmute(borrow) };
        // SAFETY: the machine is borrowed, and cannot move behind its `Rc`, until `drop` wakes it.
        unsafe { borrow.sleep() };
        Some(Asleep { borrow: ManuallyDrop::new(borrow), _machine: machine })
    }
}

impl Drop for Asleep {
    fn drop(&mut self) {
        self.borrow.wake();
        // SAFETY: dropped once, here.
        unsafe { ManuallyDrop::drop(&mut self.borrow) };
    }
}

impl std::fmt::Debug for Asleep {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Asleep")
    }
}
