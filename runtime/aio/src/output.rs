//! Fibers that print more than the reader of standard output takes wait, and no executor does.

use crate::combinators::within::{AtTimeout, start as within};
use crate::executor::pool;
use crate::handle::{new_handle, settle};
use crate::system::{shared_vm, spawn_task};
use std::rc::Rc;
use std::time::Duration;
use valk_heap::Value;
use valk_lang::{Language, remaining_deadline};
use valk_sync::cell::End;
use valk_vm::{Outcome, Vm};

/// Has the fiber that has printed wait until the output has room, no longer than the deadline of its
/// context.
pub(crate) fn wait_for_room(vm: &mut Vm) -> Outcome {
    let left = remaining_deadline(vm);
    let (tell, told) = tokio::sync::oneshot::channel();
    let output = vm.extension::<Language>().output.clone();
    // The fiber may be gone by then.
    let tell = || {
        let _ = tell.send(());
    };
    // Without an event loop, without time, and when there is room by now, there is no wait.
    let shared = shared_vm(vm).filter(|_| left != Some(Duration::ZERO));
    let Some(shared) = shared.filter(|_| output.when_room(tell)) else {
        return Value::NIL.into();
    };
    let handle = new_handle(vm);
    let root = vm.heap.root(handle);
    let pool = pool(vm);
    pool.add_live();
    let shared = Rc::downgrade(&shared);
    let waits = async move {
        // Who tells is gone when nothing is written any more.
        let _ = told.await;
        // The VM may be gone, and its values with it.
        shared.upgrade().inspect(|vm| {
            let vm = &mut *vm.borrow_mut();
            let handle = vm.heap.release(root);
            settle(vm, handle, End::Completed(Value::NIL));
        });
        pool.end_live();
    };
    spawn_task(vm, waits);
    Outcome::Suspend(match left {
        Some(left) => within(vm, handle, left, AtTimeout::Deadline),
        None => handle,
    })
}
