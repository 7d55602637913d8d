//! A VM that waits: its thread does something else, and collections do not wait for it.

use super::instance::Vm;
use std::cell::{RefCell, RefMut};
use std::mem::ManuallyDrop;
use std::rc::Rc;

/// A VM is parked while this exists, and borrowed. Dropping it waits for the end of a
/// collection under way.
pub struct ParkedVm {
    /// Of what `vm` owns; goes first.
    borrow: ManuallyDrop<RefMut<'static, Vm>>,
    /// Keeps the VM where it is.
    _vm: Rc<RefCell<Vm>>,
}

impl ParkedVm {
    /// Parks a VM that runs no fiber: collections no longer wait for it. Returns `None` when it is borrowed.
    pub fn new(vm: &Rc<RefCell<Vm>>) -> Option<ParkedVm> {
        let vm = Rc::clone(vm);
        let borrow: RefMut<'_, Vm> = vm.try_borrow_mut().ok()?;
        // SAFETY: only the lifetime changes; the borrow ends before `vm` is let go.
        let mut borrow: RefMut<'static, Vm> = unsafe { std::mem::transmute(borrow) };
        // SAFETY: the VM is borrowed, and cannot move behind its `Rc`, until `drop` unparks it.
        unsafe { borrow.park() };
        Some(ParkedVm { borrow: ManuallyDrop::new(borrow), _vm: vm })
    }
}

impl Drop for ParkedVm {
    fn drop(&mut self) {
        self.borrow.unpark();
        // SAFETY: dropped once, here.
        unsafe { ManuallyDrop::drop(&mut self.borrow) };
    }
}

impl std::fmt::Debug for ParkedVm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ParkedVm")
    }
}
