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
use super::replaceable::{Current, Replaceable};
use super::request::RequestObject;
use bytes::Bytes;
use std::cell::RefCell;
use std::fmt;
use std::sync::{Arc, OnceLock};
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
    current: RefCell<Current>,
    /// The time that it has for a response.
    time_limit: Option<Duration>,
    /// The body of refusals, once it is known.
    refusal: Arc<OnceLock<Bytes>>,
}

/// What the log says of a request and its handler.
struct Who {
    handler: Arc<str>,
    request: RequestLine,
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.handler, self.request)
    }
}

impl FunctionHandler {
    /// A handler that calls the function of `replaceable` in `vm`.
    pub(super) fn new(
        vm: SharedVm,
        replaceable: &Arc<Replaceable>,
        time_limit: Option<Duration>,
        refusal: Arc<OnceLock<Bytes>>,
    ) -> Self {
        Self { vm, current: RefCell::new(Current::new(replaceable)), time_limit, refusal }
    }

    /// The reply that waits for a handle, and for the handle that may be its value.
    fn later(&self, handle: Root, deadline: Option<Deadline>, who: Who) -> Reply {
        let vm = SharedVm::clone(&self.vm);
        let Some(deadline) = deadline else {
            return Reply::pending(async move { answered(vm, handle, &who).await });
        };
        Reply::pending(async move {
            let response = timeout_at(deadline.at, answered(vm, handle, &who)).await.ok();
            // A wait of the handler may have ended because of the same deadline.
            let in_time = response.filter(|_| Instant::now() < deadline.at);
            in_time.unwrap_or_else(|| {
                let limit_ms = deadline.limit.as_millis();
                tracing::warn!(
                    target: super::LOG_TARGET,
                    "{who} gave no response within {limit_ms} ms; answered 503"
                );
                out_of_time()
            })
        })
    }
}

impl Drop for FunctionHandler {
    fn drop(&mut self) {
        // Only a panic inside the VM drops this while the VM is borrowed; the root stays then.
        if let Ok(mut vm) = self.vm.try_borrow_mut() {
            self.current.get_mut().release(&mut vm);
        }
    }
}

/// When a response is too late.
struct Deadline {
    at: Instant,
    limit: Duration,
}

impl Deadline {
    /// The earlier of two limits, from now on; `None` without one, or beyond the clock's end.
    fn new(limits: [Option<Duration>; 2]) -> Option<Deadline> {
        let limit = limits.into_iter().flatten().min()?;
        let at = Instant::now().checked_add(limit)?;
        Some(Deadline { at, limit })
    }
}

impl Handler for FunctionHandler {
    fn handle(&self, request: Request) -> Reply {
        let context = context::of_request(&request);
        // Begins before the context's, so that it is over when a wait of the handler is.
        let deadline = Deadline::new([self.time_limit, context.deadline]);
        let line = request.line();
        let (fiber, who) = {
            let vm = &mut *self.vm.borrow_mut();
            let request = vm.heap.host(Box::new(RequestObject::new(request)));
            let mut current = self.current.borrow_mut();
            let Some((function, name)) = current.get(vm) else {
                return Reply::Ready(Response::text(503, "the server has been stopped\n"));
            };
            let who = Who { handler: Arc::clone(name), request: line };
            let fiber = vm.spawn(function, &[request]);
            let context = context.make(vm);
            vm.set_context(fiber, context);
            vm.forbid_definitions(fiber);
            (fiber, who)
        };
        match start(&self.vm, fiber) {
            Started::Done(value) => match answer(&self.vm, End::Completed(value), &who) {
                Answer::Ready(response) => Reply::Ready(response),
                Answer::Later(handle) => self.later(handle, deadline, who),
            },
            Started::Waiting(handle) => self.later(handle, deadline, who),
        }
    }

    fn overload_body(&self) -> Option<Bytes> {
        self.refusal.get().cloned()
    }

    fn event(&self, event: &Event) {
        if matches!(event, Event::HandshakeFailed { .. } | Event::ConnectionFailed { .. }) {
            return;
        }
        tracing::warn!(target: super::LOG_TARGET, "{event}");
    }
}

/// The response, once the handle has ended.
async fn answered(vm: SharedVm, handle: Root, who: &Who) -> Response {
    let mut handle = handle;
    loop {
        let ended = await_handle(&vm, handle).await;
        match answer(&vm, ended, who) {
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

fn answer(vm: &SharedVm, ended: End<Value>, who: &Who) -> Answer {
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
    Answer::Ready(final_response(vm, ended, who))
}

fn final_response(vm: &mut Vm, ended: End<Value>, who: &Who) -> Response {
    let value = match ended {
        End::Completed(value) => value,
        End::Failed(value) if value.is_error() => value,
        End::Failed(_) => vm.error("Async operation failed"),
        End::Cancelled => return cancelled(),
    };
    response(vm, value, who)
}

/// Asks the error handler of a configuration, once, what body refusals have. Anything but a string
/// is told of, and the server's own page stays.
pub(super) async fn ask_for_refusal(vm: SharedVm, function: Root, refusal: &OnceLock<Bytes>) {
    let fiber = {
        let vm = &mut *vm.borrow_mut();
        let function = vm.heap.release(function);
        vm.spawn(function, &[Value::fixnum(503)])
    };
    let ended = match start(&vm, fiber) {
        Started::Done(value) => End::Completed(value),
        Started::Waiting(handle) => await_handle(&vm, handle).await,
    };
    let vm = &*vm.borrow();
    let text = match ended {
        End::Completed(value) => value.as_bytes(&vm.heap).map(Bytes::copy_from_slice),
        _ => None,
    };
    match text {
        // Set once: a server has one error handler.
        Some(text) => drop(refusal.set(text)),
        None => tracing::warn!(
            target: super::LOG_TARGET,
            "http2/server-listen: :error-handler gave no string for 503; its own page is used"
        ),
    }
}
