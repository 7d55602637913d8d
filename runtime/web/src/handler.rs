//! Calling a handler of the language for each request.

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

/// How the response passes from the handler's fiber to the connection.
enum ResponseCell {
    /// The handler runs and the connection does not wait yet.
    Empty,
    /// The handler answered before the connection waited.
    Ready(Response),
    /// The connection waits.
    Awaited(oneshot::Sender<Response>),
    /// The response was passed on.
    Taken,
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
        let cell = Rc::new(RefCell::new(ResponseCell::Empty));
        let (answered, await_) = (Rc::clone(&cell), self.await_);
        let then = Box::new(move |vm: &SharedVm, value| answer(vm, value, await_, answered));
        drive(&self.vm, fiber, Value::NIL, then);
        let state = cell.replace(ResponseCell::Taken);
        if let ResponseCell::Ready(response) = state {
            return Reply::Ready(response);
        }
        let (sender, receiver) = oneshot::channel();
        cell.replace(ResponseCell::Awaited(sender));
        Reply::pending(async move {
            let cancelled = || Response::text(503, "Request cancelled");
            receiver.await.unwrap_or_else(|_| cancelled())
        })
    }

    fn event(&self, event: &Event) {
        if matches!(event, Event::HandshakeFailed { .. } | Event::ConnectionFailed { .. }) {
            return;
        }
        eprintln!("[WARN] http2 | {event}");
    }
}

/// Turns a handler's value into the response; a handle is waited for first.
fn answer(vm: &SharedVm, value: Value, await_: Value, cell: Rc<RefCell<ResponseCell>>) {
    let state = settled(&vm.borrow(), value);
    if let Some(state) = state {
        let value = match state {
            HandleState::Completed(value) | HandleState::Failed(value) => value,
            HandleState::Pending => {
                let fiber = vm.borrow_mut().spawn(await_, &[value]);
                let then = Box::new(move |vm: &SharedVm, value| deliver(vm, value, &cell));
                return drive(vm, fiber, Value::NIL, then);
            }
        };
        return deliver(vm, value, &cell);
    }
    deliver(vm, value, &cell);
}

fn deliver(vm: &SharedVm, value: Value, cell: &RefCell<ResponseCell>) {
    let mut machine = vm.borrow_mut();
    if value.is_error() {
        let text = valk_lang::repr(&machine.heap, value);
        eprintln!("[WARN] http2 | handler answered with an error: {text}");
    }
    let response = response(&mut machine, value);
    drop(machine);
    match cell.replace(ResponseCell::Taken) {
        // The receiver is gone when the client has cancelled.
        ResponseCell::Awaited(sender) => drop(sender.send(response)),
        _ => drop(cell.replace(ResponseCell::Ready(response))),
    }
}
