//! Calling a handler of the language for each request.

use super::LOG_TARGET;
use super::answer::response;
use super::request::RequestObject;
use std::cell::RefCell;
use std::rc::Rc;
use tokio::sync::oneshot;
use valk_aio::{HandleState, drive, settled};
use valk_heap::{Root, Value};
use valk_http2::{Event, Handler, Reply, Request, Response};
use valk_lang::SharedVm;

/// A function of the language as a request handler.
pub(super) struct FunctionHandler {
    pub(super) vm: SharedVm,
    /// The function.
    pub(super) function: Root,
    /// The builtin that waits for a handle.
    pub(super) await_: Value,
}

/// The response of a request: there already, or wanted by somebody.
enum Slot {
    Empty,
    Ready(Response),
    Wanted(oneshot::Sender<Response>),
    Gone,
}

impl Handler for FunctionHandler {
    fn handle(&self, request: Request) -> Reply {
        let fiber = {
            let mut vm = self.vm.borrow_mut();
            let request = vm.heap.host(Box::new(RequestObject(request)));
            let function = vm.heap.resolve(&self.function);
            let fiber = vm.spawn(function, &[request]);
            vm.forbid_definitions(fiber);
            fiber
        };
        let slot = Rc::new(RefCell::new(Slot::Empty));
        let (answered, await_) = (Rc::clone(&slot), self.await_);
        let then = Box::new(move |vm: &SharedVm, value| answer(vm, value, await_, answered));
        drive(&self.vm, fiber, Value::NIL, then);
        let state = slot.replace(Slot::Gone);
        if let Slot::Ready(response) = state {
            return Reply::Ready(response);
        }
        let (sender, receiver) = oneshot::channel();
        slot.replace(Slot::Wanted(sender));
        Reply::pending(async move {
            let cancelled = || Response::text(503, "Request cancelled");
            receiver.await.unwrap_or_else(|_| cancelled())
        })
    }

    fn event(&self, event: &Event) {
        if matches!(event, Event::HandshakeFailed { .. } | Event::ConnectionFailed { .. }) {
            return;
        }
        tracing::warn!(target: LOG_TARGET, "{event}");
    }
}

/// Turns a handler's value into the response; a handle is waited for first.
fn answer(vm: &SharedVm, value: Value, await_: Value, slot: Rc<RefCell<Slot>>) {
    let state = settled(&vm.borrow(), value);
    if let Some(state) = state {
        let value = match state {
            HandleState::Completed(value) | HandleState::Failed(value) => value,
            HandleState::Pending => {
                let fiber = vm.borrow_mut().spawn(await_, &[value]);
                let then = Box::new(move |vm: &SharedVm, value| deliver(vm, value, &slot));
                return drive(vm, fiber, Value::NIL, then);
            }
        };
        return deliver(vm, value, &slot);
    }
    deliver(vm, value, &slot);
}

fn deliver(vm: &SharedVm, value: Value, slot: &RefCell<Slot>) {
    let mut machine = vm.borrow_mut();
    if value.is_error() {
        let text = valk_lang::repr(&machine.heap, value);
        tracing::warn!(target: LOG_TARGET, "the handler returned an error: {text}");
    }
    let response = response(&mut machine, value);
    drop(machine);
    match slot.replace(Slot::Gone) {
        // Whoever wanted it may have left: the client cancelled.
        Slot::Wanted(sender) => drop(sender.send(response)),
        _ => drop(slot.replace(Slot::Ready(response))),
    }
}
