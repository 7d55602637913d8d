//! Fibers and handles for code of the host that is a Rust task.
//!
//! A task starts a fiber with [`start`]. It gets the value at once, or a root of the handle to wait
//! for with [`await_handle`]; dropping that wait cancels the handle, unless others observe it, so
//! work for a client that left ends.

use crate::event::Target;
use crate::executor;
use crate::handle::{self, Waiter};
use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Weak;
use std::task::{Context, Poll};
use valk_heap::{Root, Value};
use valk_lang::SharedVm;
use valk_sync::cell::{End, Token};
use valk_vm::{FiberId, Vm};

/// What came of starting a fiber.
pub enum Started {
    /// It has ended with this value.
    Done(Value),
    /// It waits; the handle ends with its value.
    Waiting(Root),
}

/// Runs a fiber of the VM of this thread until it ends or waits.
pub fn start(vm: &SharedVm, fiber: FiberId) -> Started {
    let root = {
        let vm = &mut *vm.borrow_mut();
        let result = handle::new_handle(vm);
        vm.heap.root(result)
    };
    let result = vm.borrow().heap.resolve(&root);
    executor::start(vm, fiber, Target::Handle(result));
    let vm = &mut *vm.borrow_mut();
    let result = vm.heap.resolve(&root);
    match handle::end(vm, result) {
        None => Started::Waiting(root),
        Some(end) => {
            vm.heap.release(root);
            Started::Done(handle::awaited(vm, end))
        }
    }
}

/// Waits for the handle of `root`, on the thread of `vm`. Its end holds values: they are used before
/// the task waits again. Dropped before that, it cancels the handle if nothing else observes it.
pub fn await_handle(vm: &SharedVm, root: Root) -> AwaitHandle {
    AwaitHandle { vm: std::rc::Rc::downgrade(vm), root: Some(root), token: None }
}

/// See [`await_handle`].
pub struct AwaitHandle {
    vm: Weak<RefCell<Vm>>,
    root: Option<Root>,
    token: Option<Token>,
}

impl Future for AwaitHandle {
    type Output = End<Value>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<End<Value>> {
        let Some(vm) = self.vm.upgrade() else { return Poll::Ready(End::Cancelled) };
        let vm = &mut *vm.borrow_mut();
        let Some(root) = &self.root else { return Poll::Ready(End::Cancelled) };
        let value = vm.heap.resolve(root);
        if let Some(token) = self.token.take() {
            drop(handle::unsubscribe(vm, value, token));
        }
        match handle::subscribe(vm, value, Waiter::Task(cx.waker().clone())) {
            Ok(token) => {
                self.token = Some(token);
                Poll::Pending
            }
            Err((_, end)) => {
                if let Some(root) = self.root.take() {
                    vm.heap.release(root);
                }
                Poll::Ready(end)
            }
        }
    }
}

impl Drop for AwaitHandle {
    fn drop(&mut self) {
        let (Some(vm), Some(root)) = (self.vm.upgrade(), self.root.take()) else { return };
        let Ok(mut vm) = vm.try_borrow_mut() else { return };
        let value = vm.heap.release(root);
        if let Some(token) = self.token.take() {
            drop(handle::unsubscribe(&vm, value, token));
        }
        if let Some(value) = handle::unobserved(&vm, value) {
            handle::cancel(&mut vm, value);
        }
    }
}
