//! A function of the language that takes the body of a response, part by part.
//!
//! The next part comes when the function has ended, waits of it included. An error that it gives ends the
//! request.

use bytes::Bytes;
use valk_aio::{End, Started, await_handle, awaited, start};
use valk_heap::{ERROR_MESSAGE, Root, Value};
use valk_http2::{BodySink, Taken};
use valk_lang::{SharedVm, display};
use valk_vm::{FiberId, Vm};

/// The function, and the circumstances of the request.
pub(super) struct FunctionSink {
    vm: SharedVm,
    /// Function and context, until this is dropped.
    roots: Option<[Root; 2]>,
    forbids_definitions: bool,
}

impl FunctionSink {
    pub(super) fn new(vm: &mut Vm, shared: &SharedVm, function: Value) -> Self {
        let roots = Some([vm.heap.root(function), vm.heap.root(vm.context)]);
        let forbids_definitions = vm.definitions_forbidden;
        Self { vm: SharedVm::clone(shared), roots, forbids_definitions }
    }

    /// A fiber that calls the function with a part.
    fn call(&self, part: &[u8]) -> FiberId {
        let vm = &mut *self.vm.borrow_mut();
        let [function, context] = self.roots.as_ref().expect("present until this is dropped");
        let part = vm.heap.string(part);
        let fiber = vm.spawn(vm.heap.resolve(function), &[part]);
        vm.set_context(fiber, vm.heap.resolve(context));
        if self.forbids_definitions {
            vm.forbid_definitions(fiber);
        }
        fiber
    }

    /// The reason of an error that the function gave.
    fn check(&self, value: Value) -> Result<(), String> {
        if !value.is_error() {
            return Ok(());
        }
        let vm = self.vm.borrow();
        let message = display(&vm.heap, value.field(ERROR_MESSAGE));
        Err(String::from_utf8_lossy(&message).into_owned())
    }
}

impl BodySink for FunctionSink {
    fn take(&self, part: Bytes) -> Taken<'_> {
        Box::pin(async move {
            let fiber = self.call(&part);
            match start(&self.vm, fiber) {
                Started::Done(value) => self.check(value),
                Started::Waiting(handle) => {
                    let ended: End<Value> = await_handle(&self.vm, handle).await;
                    let value = awaited(&mut self.vm.borrow_mut(), ended);
                    self.check(value)
                }
            }
        })
    }
}

impl Drop for FunctionSink {
    fn drop(&mut self) {
        // Only a panic inside the VM drops this while the VM is borrowed; the roots stay then.
        if let (Ok(mut vm), Some(roots)) = (self.vm.try_borrow_mut(), self.roots.take()) {
            for root in roots {
                vm.heap.release(root);
            }
        }
    }
}
