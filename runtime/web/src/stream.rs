//! `stream/…`: responses that a program writes piece by piece.
//!
//! 1. `stream/open` makes a stream the response of its request: what the handler returns does not
//!    count any more, and its time limit is over. When the stream ends, a handler that still runs
//!    ends with it.
//! 2. When a stream has ended, its closed handle completes with `:closed`, and then its on-close
//!    function is called; each once, however it ended.
//! 3. Functions run on the executor that opened the stream, in the context that they were registered in.
//!
//! Does not know frames or windows: those are [`ResponseStream`]'s.

use super::answer::stream_head;
use super::request::RequestObject;
use bytes::Bytes;
use std::future::poll_fn;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use valk_aio::{End, Started, await_handle, new_event, settle, shared_vm, spawn_task, start};
use valk_heap::{HostObject, Root, Tracer, Value};
use valk_http2::{OpenError, ResponseStream, StreamEvent, WriteError};
use valk_lang::SharedVm;
use valk_lang::builtins::{fail, truth};
use valk_vm::{Arity, NativeFn, Outcome, Vm};

pub(super) const TABLE: &[(&str, Arity, NativeFn)] = &[
    ("stream/open", Arity::Any, open),
    ("stream/write", Arity::Any, write),
    ("stream/writable?", Arity::Any, is_writable),
    ("stream/close", Arity::Any, close),
    ("stream/closed", Arity::Any, closed),
    ("stream/cancel", Arity::Any, cancel),
    ("stream/on-drain", Arity::Any, on_drain),
    ("stream/on-close", Arity::Any, on_close),
    ("stream/set-timeout", Arity::Any, set_timeout),
    ("stream/set-max-session", Arity::Any, set_max_session),
    ("stream/id", Arity::Any, id),
];

/// A stream in the heap. Threads may share it.
struct StreamObject {
    stream: ResponseStream,
    id: u64,
    values: Mutex<Values>,
}

struct Values {
    /// Completes when the stream has ended.
    closed: Value,
    on_drain: Option<Callback>,
    on_close: Option<Callback>,
    /// It has ended, and its functions were called.
    is_over: bool,
}

/// A function, and the circumstances of its registration.
#[derive(Clone, Copy)]
struct Callback {
    function: Value,
    context: Value,
    forbids_definitions: bool,
}

impl StreamObject {
    fn values(&self) -> MutexGuard<'_, Values> {
        self.values.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl HostObject for StreamObject {
    fn trace(&mut self, tracer: &mut Tracer<'_>) {
        let values = self.values.get_mut().unwrap_or_else(PoisonError::into_inner);
        tracer.value(&mut values.closed);
        for callback in values.on_drain.iter_mut().chain(&mut values.on_close) {
            tracer.value(&mut callback.function);
            tracer.value(&mut callback.context);
        }
    }

    fn type_name(&self) -> &'static str {
        "stream_body"
    }
}

/// Numbers of streams; the first is 0.
static NEXT_ID: AtomicU64 = AtomicU64::new(0);

/// A value, or what the builtin returns in its place.
type Checked<T> = Result<T, Outcome>;

fn outcome(checked: Checked<Outcome>) -> Outcome {
    checked.unwrap_or_else(|leaving| leaving)
}

/// `(stream/open request [head])`: the stream that is the response.
fn open(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    outcome(open_checked(vm, arguments))
}

fn open_checked(vm: &mut Vm, arguments: &[Value]) -> Checked<Outcome> {
    let given = arguments.len();
    if !(1..=2).contains(&given) {
        let text = format!("stream/open: expected 1-2 arguments (request [headers]), got {given}");
        return Err(fail(vm, &text));
    }
    let request = arguments[0];
    if request.host::<RequestObject>(&vm.heap).is_none() {
        return Err(fail(vm, "stream/open: first argument must be http request"));
    }
    let list = arguments.get(1).copied().unwrap_or(Value::NIL);
    let head =
        stream_head(vm, list).map_err(|problem| fail(vm, &format!("stream/open: {problem}")))?;
    let Some(shared) = shared_vm(vm) else {
        return Err(fail(vm, "stream/open: this program runs without an event loop"));
    };
    let object = request.host::<RequestObject>(&vm.heap).expect("checked above");
    let stream = match object.request.open_stream(head) {
        Ok(stream) => stream,
        Err(OpenError::TooLate) => {
            let text =
                "stream/open: invalid HTTP request: it has a response, or its client has left";
            return Err(fail(vm, text));
        }
        Err(OpenError::Invalid(reason)) => {
            let text = format!("stream/open: failed to submit response: {reason}");
            return Err(fail(vm, &text));
        }
    };
    let id = NEXT_ID.fetch_add(1, Ordering::Relaxed);
    let values = Mutex::new(Values {
        closed: new_event(vm),
        on_drain: None,
        on_close: None,
        is_over: false,
    });
    let events = stream.clone();
    let object = vm.heap.host(Box::new(StreamObject { stream, id, values }));
    let root = vm.heap.root(object);
    spawn_task(vm, observe(shared, events, root));
    Ok(object.into())
}

/// Calls the functions of a stream until it has ended (rule 2).
async fn observe(vm: SharedVm, stream: ResponseStream, object: Root) {
    while poll_fn(|cx| stream.poll_event(cx)).await == StreamEvent::Drained {
        call(&vm, &object, |values| values.on_drain);
    }
    {
        let vm = &mut *vm.borrow_mut();
        let value = vm.heap.resolve(&object);
        let closed = object_of(vm, value).values().closed;
        let symbol = vm.heap.intern(b":closed");
        settle(vm, closed, End::Completed(symbol));
    }
    call(&vm, &object, |values| values.on_close);
    let vm = &mut *vm.borrow_mut();
    let object = vm.heap.release(object);
    vm.heap.touch_host(object);
    let mut values = object_of(vm, object).values();
    (values.on_drain, values.on_close, values.is_over) = (None, None, true);
}

fn object_of(vm: &Vm, value: Value) -> &StreamObject {
    value.host::<StreamObject>(&vm.heap).expect("a stream is rooted as one")
}

/// Calls a function of a stream, if there is one. What it waits for holds up no further event.
fn call(vm: &SharedVm, object: &Root, choose: fn(&Values) -> Option<Callback>) {
    let fiber = {
        let vm = &mut *vm.borrow_mut();
        let value = vm.heap.resolve(object);
        let Some(callback) = choose(&object_of(vm, value).values()) else { return };
        let fiber = vm.spawn(callback.function, &[]);
        vm.set_context(fiber, callback.context);
        if callback.forbids_definitions {
            vm.forbid_definitions(fiber);
        }
        fiber
    };
    if let Started::Waiting(handle) = start(vm, fiber) {
        let waiting = await_handle(vm, handle);
        tokio::task::spawn_local(async move {
            waiting.await;
        });
    }
}

/// The arguments of a builtin whose first one is a stream.
fn arguments<'a, const N: usize>(
    vm: &mut Vm,
    name: &str,
    arguments: &'a [Value],
    expected: &str,
    wrong: &str,
) -> Checked<&'a [Value; N]> {
    let given = arguments.len();
    let Ok(arguments) = <&[Value; N]>::try_from(arguments) else {
        return Err(fail(vm, &format!("{name}: expected {expected}, got {given}")));
    };
    if arguments[0].host::<StreamObject>(&vm.heap).is_none() {
        return Err(fail(vm, &format!("{name}: {wrong}")));
    }
    Ok(arguments)
}

const FIRST: &str = "first argument must be stream body handle";

/// The stream of a builtin that has no other argument.
fn single<'v>(vm: &'v mut Vm, name: &str, given: &[Value]) -> Checked<(Value, &'v StreamObject)> {
    let [stream] = arguments(vm, name, given, "1 argument", "argument must be stream body handle")?;
    Ok((*stream, object_of(vm, *stream)))
}

/// `(stream/write stream text)`: the number of bytes taken.
fn write(vm: &mut Vm, given: &[Value]) -> Outcome {
    let run = |vm: &mut Vm| -> Checked<Outcome> {
        let [stream, data] =
            arguments(vm, "stream/write", given, "2 arguments (body data)", FIRST)?;
        let Some(bytes) = data.as_bytes(&vm.heap) else {
            return Err(fail(vm, "stream/write: second argument must be a string"));
        };
        let written = object_of(vm, *stream).stream.write(Bytes::copy_from_slice(bytes));
        Ok(match written {
            Ok(bytes) => Value::fixnum(bytes as i64).into(),
            Err(WriteError::Full) => fail(vm, "stream/write: queue full (backpressure)"),
            Err(WriteError::Closed) => fail(vm, "stream/write: failed with code -1"),
        })
    };
    outcome(run(vm))
}

/// `(stream/writable? stream)`: 1 when a write would be taken; 0 for anything else.
fn is_writable(vm: &mut Vm, given: &[Value]) -> Outcome {
    let [stream] = given else {
        let text = format!("stream/writable?: expected 1 argument, got {}", given.len());
        return fail(vm, &text);
    };
    let object = stream.host::<StreamObject>(&vm.heap);
    truth(object.is_some_and(|object| object.stream.is_writable()))
}

/// `(stream/close stream)`: ends it behind what was written; the closed handle.
fn close(vm: &mut Vm, given: &[Value]) -> Outcome {
    outcome(single(vm, "stream/close", given).map(|(_, object)| {
        object.stream.close();
        object.values().closed.into()
    }))
}

/// `(stream/closed stream)`: the handle that completes with `:closed`.
fn closed(vm: &mut Vm, given: &[Value]) -> Outcome {
    outcome(single(vm, "stream/closed", given).map(|(_, object)| object.values().closed.into()))
}

/// `(stream/cancel stream)`: resets it at once; the closed handle.
fn cancel(vm: &mut Vm, given: &[Value]) -> Outcome {
    outcome(single(vm, "stream/cancel", given).map(|(_, object)| {
        object.stream.cancel();
        object.values().closed.into()
    }))
}

/// `(stream/id stream)`: its number in the process.
fn id(vm: &mut Vm, given: &[Value]) -> Outcome {
    outcome(
        single(vm, "stream/id", given).map(|(_, object)| Value::fixnum(object.id as i64).into()),
    )
}

/// Registers a function in place of the one before; the stream.
fn register(
    vm: &mut Vm,
    name: &str,
    given: &[Value],
    put: fn(&mut Values, Callback),
) -> Checked<Outcome> {
    let [stream, function] = arguments(vm, name, given, "2 arguments", FIRST)?;
    if !Vm::is_function(*function) {
        return Err(fail(vm, &format!("{name}: second argument must be a function")));
    }
    let callback = Callback {
        function: *function,
        context: vm.context,
        forbids_definitions: vm.definitions_forbidden,
    };
    vm.heap.touch_host(*stream);
    put(&mut object_of(vm, *stream).values(), callback);
    Ok((*stream).into())
}

/// `(stream/on-drain stream f)`: `f` is called when there is room again.
fn on_drain(vm: &mut Vm, given: &[Value]) -> Outcome {
    let put = |values: &mut Values, callback| values.on_drain = Some(callback);
    outcome(register(vm, "stream/on-drain", given, put))
}

/// `(stream/on-close stream f)`: `f` is called when it has ended. One that has ended calls it at
/// once.
fn on_close(vm: &mut Vm, given: &[Value]) -> Outcome {
    let put = |values: &mut Values, callback| values.on_close = Some(callback);
    let registered = register(vm, "stream/on-close", given, put);
    if registered.is_ok() && object_of(vm, given[0]).values().is_over {
        call_late(vm, given[0]);
    }
    outcome(registered)
}

/// Calls the on-close function of a stream that has ended already.
fn call_late(vm: &mut Vm, stream: Value) {
    let Some(shared) = shared_vm(vm) else { return };
    let object = vm.heap.root(stream);
    spawn_task(vm, async move {
        call(&shared, &object, |values| values.on_close);
        shared.borrow_mut().heap.release(object);
    });
}

/// Sets a time limit in milliseconds, 0 for none; the stream.
fn limit(
    vm: &mut Vm,
    name: &str,
    given: &[Value],
    set: fn(&ResponseStream, Option<Duration>),
) -> Checked<Outcome> {
    let [stream, time] = arguments(vm, name, given, "2 arguments", FIRST)?;
    let Some(milliseconds) = time.as_integer() else {
        return Err(fail(vm, &format!("{name}: second argument must be a number (milliseconds)")));
    };
    let time = u64::try_from(milliseconds).unwrap_or(0);
    set(&object_of(vm, *stream).stream, Some(Duration::from_millis(time)).filter(|t| !t.is_zero()));
    Ok((*stream).into())
}

/// `(stream/set-timeout stream ms)`: resets it after so long without a write.
fn set_timeout(vm: &mut Vm, given: &[Value]) -> Outcome {
    outcome(limit(vm, "stream/set-timeout", given, ResponseStream::set_idle_limit))
}

/// `(stream/set-max-session stream ms)`: resets it so long after its opening.
fn set_max_session(vm: &mut Vm, given: &[Value]) -> Outcome {
    outcome(limit(vm, "stream/set-max-session", given, ResponseStream::set_session_limit))
}
