//! Calling a handler of the language for each request.
//!
//! 1. The handler runs on a fiber of its own, in the context that the request's headers describe,
//!    until it ends, waits or has used its slice. What comes then is awaited by the task of its
//!    stream. When the stream is reset or its connection is closed that wait is dropped, which
//!    cancels the fiber and what only it observes.
//! 2. A handler has the server's time limit, or the request's if that is shorter, from its start to
//!    its response. A later one gives a 503 to its client, and the fiber ends as in rule 1.
//! 3. A handler that returns a handle is answered when that ends.
//! 4. A handler that opens a stream has answered: its time limit is over, and its value does not
//!    count. One that returns `:deferred` is going to.

use super::answer::{cancelled, out_of_time, response};
use super::classes::Classes;
use super::context;
use super::replaceable::{Current, Replaceable};
use super::request::RequestObject;
use bytes::Bytes;
use std::cell::{OnceCell, RefCell};
use std::fmt;
use std::pin::pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::time::{Instant, sleep_until, timeout_at};
use valk_aio::{End, Runnable, Started, SystemMetrics, await_handle, end, is_handle, start};
use valk_heap::{Root, Value};
use valk_http2::{
    Class, Event, Handler, Method, Reply, Request, RequestLine, Response, ResponseStream,
};
use valk_lang::{SharedVm, display, repr};
use valk_vm::Vm;

/// A function of the language as the request handler of one executor.
pub(super) struct FunctionHandler {
    vm: SharedVm,
    current: RefCell<Current>,
    /// Known from the first question on: the VM is in use while this is made.
    runnable: OnceCell<Runnable>,
    terms: Terms,
}

/// What the handlers of all executors of a server have in common.
#[derive(Clone)]
pub(super) struct Terms {
    /// The time that they have for a response.
    pub time_limit: Option<Duration>,
    /// The body of refusals, once it is known.
    pub refusal: Arc<OnceLock<Bytes>>,
    /// Where durations are counted.
    pub metrics: Option<Arc<SystemMetrics>>,
    /// Which requests matter most.
    pub classes: Arc<Classes>,
}

/// What the log says of a request and its handler, and what the metrics say of its duration.
struct Who {
    handler: Arc<str>,
    request: RequestLine,
    begun: Instant,
    metrics: Option<Arc<SystemMetrics>>,
}

impl Who {
    /// There is a response, which is not a stream.
    fn count_duration(&self) {
        if let Some(metrics) = &self.metrics {
            let duration_us = self.begun.elapsed().as_micros();
            metrics.request_duration.observe_us(duration_us as u64);
        }
    }
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.handler, self.request)
    }
}

impl FunctionHandler {
    /// A handler that calls the function of `replaceable` in `vm`.
    pub(super) fn new(vm: SharedVm, replaceable: &Arc<Replaceable>, terms: Terms) -> Self {
        let current = RefCell::new(Current::new(replaceable));
        Self { vm, current, runnable: OnceCell::new(), terms }
    }

    /// The reply that waits for a handle, and for the handle that may be its value.
    fn later(&self, handle: Root, limit: Limit) -> Reply {
        let vm = SharedVm::clone(&self.vm);
        Reply::pending(async move {
            let mut answered = pin!(answered(vm, handle, &limit));
            if let Some(deadline) = &limit.deadline {
                let response = timeout_at(deadline.at, &mut answered).await.ok();
                // A wait of the handler may have ended because of the same deadline.
                if let Some(response) = response.filter(|_| Instant::now() < deadline.at) {
                    return response;
                }
                if !limit.has_stream() {
                    return limit.out_of_time();
                }
            }
            answered.await
        })
    }
}

/// What a request has time for, and what the log says of it.
struct Limit {
    deadline: Option<Deadline>,
    who: Who,
    stream: Option<ResponseStream>,
}

impl Limit {
    /// Whether the handler has opened a stream.
    fn has_stream(&self) -> bool {
        self.stream.as_ref().is_some_and(ResponseStream::was_opened)
    }

    /// The response when the time is over.
    fn out_of_time(&self) -> Response {
        let (who, limit) = (&self.who, self.deadline.as_ref().map(|deadline| deadline.limit));
        let limit_ms = limit.unwrap_or_default().as_millis();
        who.count_duration();
        tracing::warn!(
            target: super::LOG_TARGET,
            "{who} gave no response within {limit_ms} ms; answered 503"
        );
        out_of_time()
    }

    /// Waits until it is too late to open a stream (rule 4). Never ends once there is one.
    async fn deferred(self) -> Response {
        if let Some(deadline) = &self.deadline {
            sleep_until(deadline.at).await;
            if !self.has_stream() {
                return self.out_of_time();
            }
        }
        std::future::pending().await
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
        let begun = Instant::now();
        let context = context::of_request(&request);
        // Begins before the context's, so that it is over when a wait of the handler is.
        let deadline = Deadline::new([self.terms.time_limit, context.deadline]);
        let (line, stream) = (request.line(), request.stream().cloned());
        let (fiber, who) = {
            let vm = &mut *self.vm.borrow_mut();
            let request = vm.heap.host(Box::new(RequestObject::new(request)));
            let mut current = self.current.borrow_mut();
            let Some((function, name)) = current.get(vm) else {
                return Reply::Ready(Response::text(503, "the server has been stopped\n"));
            };
            let (handler, metrics) = (Arc::clone(name), self.terms.metrics.clone());
            let who = Who { handler, request: line, begun, metrics };
            let fiber = vm.spawn(function, &[request]);
            let context = context.make(vm);
            vm.set_context(fiber, context);
            vm.forbid_definitions(fiber);
            (fiber, who)
        };
        let limit = Limit { deadline, who, stream };
        match start(&self.vm, fiber) {
            Started::Done(value) => match answer(&self.vm, End::Completed(value), &limit) {
                Answer::Ready(response) => Reply::Ready(response),
                Answer::Later(handle) => self.later(handle, limit),
                Answer::Deferred => Reply::pending(limit.deferred()),
            },
            Started::Waiting(handle) => self.later(handle, limit),
        }
    }

    fn opens_streams(&self) -> bool {
        true
    }

    fn overload_body(&self) -> Option<Bytes> {
        self.terms.refusal.get().cloned()
    }

    fn class(&self, _: &Method, target: &str) -> Class {
        self.terms.classes.of(target)
    }

    fn begun(&self) -> usize {
        self.runnable.get_or_init(|| Runnable::of(&self.vm.borrow())).count()
    }

    fn event(&self, event: &Event) {
        if matches!(event, Event::HandshakeFailed { .. } | Event::ConnectionFailed { .. }) {
            return;
        }
        tracing::warn!(target: super::LOG_TARGET, "{event}");
    }
}

/// The response, once the handle has ended.
async fn answered(vm: SharedVm, handle: Root, limit: &Limit) -> Response {
    let mut handle = handle;
    loop {
        let ended = await_handle(&vm, handle).await;
        match answer(&vm, ended, limit) {
            Answer::Ready(response) => return response,
            Answer::Later(next) => handle = next,
            // The time limit, if there is one, is around this.
            Answer::Deferred => return std::future::pending().await,
        }
    }
}

/// What a handler's value, or the end of its handle, comes to.
enum Answer {
    /// The response.
    Ready(Response),
    /// A handle is to be waited for.
    Later(Root),
    /// A stream will be opened.
    Deferred,
}

fn answer(vm: &SharedVm, ended: End<Value>, limit: &Limit) -> Answer {
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
    if limit.has_stream() {
        if let End::Completed(value) | End::Failed(value) = ended
            && value.is_error()
        {
            let (who, text) = (&limit.who, repr(&vm.heap, value));
            tracing::warn!(target: super::LOG_TARGET, "{who} opened a stream and then gave {text}");
        }
        return Answer::Deferred;
    }
    if let End::Completed(value) = ended
        && value == vm.heap.intern(b":deferred")
    {
        return Answer::Deferred;
    }
    limit.who.count_duration();
    Answer::Ready(final_response(vm, ended, &limit.who))
}

fn final_response(vm: &mut Vm, ended: End<Value>, who: &Who) -> Response {
    let value = match ended {
        End::Completed(value) => value,
        End::Failed(value) if value.is_error() => value,
        End::Failed(value) => {
            let text = String::from_utf8_lossy(&display(&vm.heap, value)).into_owned();
            vm.error(&format!("Async operation failed: {text}"))
        }
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
