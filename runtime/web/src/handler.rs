//! Calling a handler of the language for each request.
//!
//! 1. The handler runs on a fiber of its own, in the context that the request's headers describe,
//!    until it ends, waits or has used its slice. What comes then is awaited by the task of its
//!    stream. When the stream is reset or its connection is closed that wait is dropped, which
//!    cancels the fiber and what only it observes.
//! 2. A handler has the server's time limit, or the request's if that is shorter, from its start to
//!    its response. A later one gives a 503 to its client, and the fiber ends as in rule 1.
//! 3. A handler that returns a handle is answered when that ends.

use super::answer::{cancelled, out_of_time, response};
use super::context;
use super::request::RequestObject;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};
use valk_aio::{End, Started, await_handle, end, is_handle, start};
use valk_heap::{Root, Value};
use valk_http2::{Event, Handler, Reply, Request, RequestLine, Response};
use valk_lang::SharedVm;
use valk_vm::Vm;

/// A function of the language as the request handler of one executor.
pub(super) struct FunctionHandler {
    vm: SharedVm,
    /// The function, until this is dropped.
    function: Option<Root>,
    /// The time that it has for a response.
    time_limit: Option<Duration>,
}

impl FunctionHandler {
    /// A handler that calls the function of `function` in `vm`.
    pub(super) fn new(vm: SharedVm, function: Root, time_limit: Option<Duration>) -> Self {
        Self { vm, function: Some(function), time_limit }
    }

    /// The reply that waits for a handle, and for the handle that may be its value.
    fn later(&self, handle: Root, deadline: Option<Deadline>) -> Reply {
        let answered = answered(SharedVm::clone(&self.vm), handle);
        let Some(deadline) = deadline else { return Reply::pending(answered) };
        Reply::pending(async move {
            let response = timeout_at(deadline.at, answered).await.ok();
            // A wait of the handler may have ended because of the same deadline.
            let in_time = response.filter(|_| Instant::now() < deadline.at);
            in_time.unwrap_or_else(|| {
                let Deadline { request, limit, .. } = deadline;
                let limit_ms = limit.as_millis();
                tracing::warn!(
                    target: super::LOG_TARGET,
                    "handler of {request} gave no response within {limit_ms} ms; answered 503"
                );
                out_of_time()
            })
        })
    }
}

impl Drop for FunctionHandler {
    fn drop(&mut self) {
        // Only a panic inside the VM drops this while the VM is borrowed; the root stays then.
        if let (Ok(mut vm), Some(function)) = (self.vm.try_borrow_mut(), self.function.take()) {
            vm.heap.release(function);
        }
    }
}

/// When a response is too late.
struct Deadline {
    at: Instant,
    limit: Duration,
    /// For the log.
    request: RequestLine,
}

impl Deadline {
    /// The earlier of two limits, from now on; `None` without one, or beyond the clock's end.
    fn new(request: &Request, limits: [Option<Duration>; 2]) -> Option<Deadline> {
        let limit = limits.into_iter().flatten().min()?;
        let at = Instant::now().checked_add(limit)?;
        Some(Deadline { at, limit, request: request.line() })
    }
}

impl Handler for FunctionHandler {
    fn handle(&self, request: Request) -> Reply {
        let context = context::of_request(&request);
        // Begins before the context's, so that it is over when a wait of the handler is.
        let deadline = Deadline::new(&request, [self.time_limit, context.deadline]);
        let fiber = {
            let vm = &mut *self.vm.borrow_mut();
            let request = vm.heap.host(Box::new(RequestObject(request)));
            let function = self.function.as_ref().expect("present until this is dropped");
            let function = vm.heap.resolve(function);
            let fiber = vm.spawn(function, &[request]);
            let context = context.make(vm);
            vm.set_context(fiber, context);
            vm.forbid_definitions(fiber);
            fiber
        };
        match start(&self.vm, fiber) {
            Started::Done(value) => match answer(&self.vm, End::Completed(value)) {
                Answer::Ready(response) => Reply::Ready(response),
                Answer::Later(handle) => self.later(handle, deadline),
            },
            Started::Waiting(handle) => self.later(handle, deadline),
        }
    }

    fn event(&self, event: &Event) {
        if matches!(event, Event::HandshakeFailed { .. } | Event::ConnectionFailed { .. }) {
            return;
        }
        tracing::warn!(target: super::LOG_TARGET, "{event}");
    }
}

/// The response, once the handle has ended.
async fn answered(vm: SharedVm, handle: Root) -> Response {
    let mut handle = handle;
    loop {
        let ended = await_handle(&vm, handle).await;
        match answer(&vm, ended) {
            Answer::Ready(response) => return response,
            Answer::Later(next) => handle = next,
        }
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
    response(vm, value)
}
