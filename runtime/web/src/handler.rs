//! Calling a handler of the language for each request.
//!
//! 1. The handler runs on a fiber of its own until it ends or waits. What it waits for is awaited by
//!    the task of its stream; when the stream is reset that wait is dropped, which cancels the fiber.
//! 2. A handler that returns a handle is answered when that ends.

use super::answer::{cancelled, response};
use super::request::RequestObject;
use valk_aio::{End, Started, await_handle, end, is_handle, start};
use valk_heap::{Root, Value};
use valk_http2::{Event, Handler, Reply, Request, Response};
use valk_lang::SharedVm;
use valk_vm::Vm;

/// A function of the language as a request handler.
pub(super) struct FunctionHandler {
    pub(super) vm: SharedVm,
    /// The function.
    pub(super) function: Root,
}

impl Handler for FunctionHandler {
    fn handle(&self, request: Request) -> Reply {
        let fiber = {
            let vm = &mut *self.vm.borrow_mut();
            let request = vm.heap.host(Box::new(RequestObject(request)));
            let function = vm.heap.resolve(&self.function);
            let fiber = vm.spawn(function, &[request]);
            vm.forbid_definitions(fiber);
            fiber
        };
        match start(&self.vm, fiber) {
            Started::Done(value) => match answer(&self.vm, End::Completed(value)) {
                Answer::Ready(response) => Reply::Ready(response),
                Answer::Later(handle) => self.later(handle),
            },
            Started::Waiting(handle) => self.later(handle),
        }
    }

    fn event(&self, event: &Event) {
        if matches!(event, Event::HandshakeFailed { .. } | Event::ConnectionFailed { .. }) {
            return;
        }
        tracing::warn!(target: super::LOG_TARGET, "{event}");
    }
}

impl FunctionHandler {
    /// The reply that waits for a handle, and for the handle that may be its value.
    fn later(&self, handle: Root) -> Reply {
        let vm = SharedVm::clone(&self.vm);
        Reply::pending(async move {
            let mut handle = handle;
            loop {
                let ended = await_handle(&vm, handle).await;
                match answer(&vm, ended) {
                    Answer::Ready(response) => return response,
                    Answer::Later(next) => handle = next,
                }
            }
        })
    }
}

/// What a handler's value, or the end of its handle, comes to.
enum Answer {
    /// The response.
    Ready(Response),
    /// A handle is to be waited for.
    Later(Root),
}

fn answer(vm: &SharedVm, ended: End<Value>) -> Answer {
    let vm = &mut *vm.borrow_mut();
    let mut ended = ended;
    while let End::Completed(value) = ended
        && is_handle(vm, value)
    {
        match end(vm, value) {
            Some(inner) => ended = inner,
            None => return Answer::Later(vm.heap.root(value)),
        }
    }
    Answer::Ready(final_response(vm, ended))
}

fn final_response(vm: &mut Vm, ended: End<Value>) -> Response {
    let value = match ended {
        End::Completed(value) => value,
        End::Failed(value) if value.is_error() => value,
        End::Failed(_) => vm.error("Async operation failed"),
        End::Cancelled => return cancelled(),
    };
    if value.is_error() {
        let text = valk_lang::repr(&vm.heap, value);
        tracing::warn!(target: super::LOG_TARGET, "the handler returned an error: {text}");
    }
    response(vm, value)
}
