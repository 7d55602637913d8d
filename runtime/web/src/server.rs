//! `http2/server-listen`, `http2/server-port`, `http2/server-handle`, `http2/server-stop`.
//!
//! 1. `server-listen` takes [options](super::options). Clear text means HTTP/2 with prior knowledge. Without
//!    files the process makes a certificate.
//! 2. The executor that listens accepts, and deals connections to the executors that serve for the
//!    system. Each has a worker, a handler and counters of its own, all in a service of the system,
//!    so stopping the system waits for them.

use super::LOG_TARGET;
use super::counts::{self, AllCounters, total};
use super::handler::{FunctionHandler, Terms, ask_for_refusal};
use super::options::{Settings, settings};
use super::receive::PooledBuffers;
use super::replaceable::Replaceable;
use std::net::SocketAddr;
use std::pin::pin;
use std::rc::Rc;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use valk_aio::{
    End, System, completed, end, failed, is_handle, new_handle, settle, shared_vm, spawn_on,
    system_of,
};
use valk_heap::{HostObject, Root, Tracer, Value};
use valk_http2::{Handler, Server, Snapshot, StopSignal, TokioNetwork, bind};
use valk_lang::SharedVm;
use valk_lang::builtins::{fail, wrong_type};
use valk_vm::{Arity, NativeFn, Outcome, Vm, type_name};

/// A listening server in the heap.
struct ServerObject {
    port: u16,
    stop: StopSignal,
    replaceable: Arc<Replaceable>,
    closed: Arc<Closed>,
}

/// When nothing listens on the port any more, and the handles that wait for it.
#[derive(Default)]
struct Closed(Mutex<Waiting>);

#[derive(Default)]
struct Waiting {
    is_closed: bool,
    handles: Vec<Root>,
}

impl Closed {
    fn waiting(&self) -> std::sync::MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A handle that completes when the port is closed.
    fn handle(&self, vm: &mut Vm) -> Value {
        let mut waiting = self.waiting();
        if waiting.is_closed {
            return completed(vm, Value::NIL);
        }
        let handle = new_handle(vm);
        waiting.handles.push(vm.heap.root(handle));
        handle
    }

    fn close(&self, vm: &mut Vm) {
        let handles = {
            let mut waiting = self.waiting();
            waiting.is_closed = true;
            std::mem::take(&mut waiting.handles)
        };
        for root in handles {
            let handle = vm.heap.release(root);
            settle(vm, handle, End::Completed(Value::NIL));
        }
    }
}

impl HostObject for ServerObject {
    fn trace(&mut self, _: &mut Tracer<'_>) {}
    fn type_name(&self) -> &'static str {
        "http_server"
    }
}

pub(super) const TABLE: &[(&str, Arity, NativeFn)] = &[
    ("http2/server-listen", Arity::Any, listen),
    ("http2/server-port", Arity::Exactly(1), port),
    ("http2/server-handle", Arity::Exactly(2), replace_handler),
    ("http2/server-stop", Arity::Exactly(1), stop),
];

fn listen(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let given = arguments.len();
    if !(3..=4).contains(&given) {
        return fail(vm, &format!("http2/server-listen expects 3 or 4 arguments, got {given}"));
    }
    let Some(system) = system_of(vm, arguments[0]) else {
        return wrong_type(vm, arguments[0], "Reference");
    };
    let Some(port) = arguments[1].as_integer() else {
        return wrong_type(vm, arguments[1], "Number");
    };
    if !Vm::is_function(arguments[2]) {
        return wrong_type(vm, arguments[2], "Function");
    }
    let Ok(port) = u16::try_from(port) else {
        return failed(vm, "Error on Bind: a port is a number from 0 to 65535").into();
    };
    let list = arguments.get(3).copied().unwrap_or(Value::NIL);
    let mut settings = match settings(vm, list, system.pools().backpressure()) {
        Ok(settings) => settings,
        Err(problem) => return failed(vm, &format!("http2/server-listen: {problem}")).into(),
    };
    if system.is_stopping() {
        return failed(vm, "http2/server-listen: the system has been stopped").into();
    }
    let buffers = PooledBuffers::new(system.pools().receive_buffers().clone());
    settings.server.places = system.pools().requests().cloned();
    settings.server.receive_buffers = Some(Arc::new(buffers));
    let address = SocketAddr::new(settings.host, port);
    let bound = match bind(&TokioNetwork, address, &settings.server) {
        Ok(bound) => bound,
        Err(error) => return failed(vm, &format!("Error on Bind: {error}")).into(),
    };
    match serve(vm, &system, bound, arguments[2], &settings) {
        Ok(server) => {
            let server = vm.heap.host(Box::new(server));
            completed(vm, server).into()
        }
        Err(problem) => failed(vm, &format!("http2/server-listen: {problem}")).into(),
    }
}

/// Starts a server on the executors of its system (rule 2), with a function as its handler.
fn serve(
    vm: &mut Vm,
    system: &System,
    bound: Server,
    function: Value,
    settings: &Settings,
) -> Result<ServerObject, String> {
    let error_handler = settings.error_handler.map(|function| vm.heap.root(function));
    let shared = shared_vm(vm).ok_or("this program runs without an event loop")?;
    let executors = system.executors(vm)?;
    let address = bound.local_addr();
    let port = address.port();
    let stop = StopSignal::new();
    let (acceptor, workers) = bound.split(executors.len(), stop.clone());
    let counters: AllCounters = executors.iter().map(|_| Arc::default()).collect();
    counts::count_server(vm, system, (address, settings.server.tls.is_some()), &counters);
    let replaceable = Replaceable::new(vm, function, port);
    let refusal = Arc::<OnceLock<_>>::default();
    let terms = Terms {
        time_limit: settings.time_limit,
        refusal: Arc::clone(&refusal),
        metrics: system.metrics().cloned(),
        classes: Arc::new(settings.classes.clone()),
    };
    let closed = Arc::<Closed>::default();
    let mut services: Vec<_> = executors.into_iter().zip(workers).enumerate().collect();
    for (number, (executor, worker)) in services.drain(1..) {
        let (stop, system, counters) = (stop.clone(), system.clone(), Arc::clone(&counters));
        let (replaceable, terms) = (Arc::clone(&replaceable), terms.clone());
        let start = move |vm: &SharedVm| {
            let handler = FunctionHandler::new(SharedVm::clone(vm), &replaceable, terms);
            let (handler, own) = (Rc::new(handler), Arc::clone(&counters[number]));
            let stopping = until_stopped(system.clone(), stop);
            system.spawn(&mut vm.borrow_mut(), async move {
                let (_, ()) = tokio::join!(worker.serve(handler, own), stopping);
                drop(counters);
            });
        };
        spawn_on(vm, executor, Box::new(start));
    }
    let (_, (_, worker)) = services.pop().expect("a system has an executor");
    let handler = Rc::new(FunctionHandler::new(Rc::clone(&shared), &replaceable, terms));
    let (stopping, ending) = (until_stopped(system.clone(), stop.clone()), stop.clone());
    let server = ServerObject {
        port,
        stop,
        replaceable: Arc::clone(&replaceable),
        closed: Arc::clone(&closed),
    };
    system.spawn(vm, async move {
        let own = &counters[0];
        let accepting = async {
            if let Some(function) = error_handler {
                ask_for_refusal(Rc::clone(&shared), function, &refusal).await;
            }
            let told = Rc::clone(&handler) as Rc<dyn Handler>;
            let accepted = acceptor.accept(told, Arc::clone(own)).await;
            closed.close(&mut shared.borrow_mut());
            // Without an acceptor the workers have nothing to do.
            ending.stop();
            accepted
        };
        let serving = worker.serve(Rc::clone(&handler) as Rc<dyn Handler>, Arc::clone(own));
        let (accepted, _, ()) = tokio::join!(accepting, serving, stopping);
        replaceable.clear(&mut shared.borrow_mut());
        match accepted {
            Ok(()) => {
                let Snapshot { connections, requests, .. } = total(&counters);
                tracing::info!(target: LOG_TARGET, port, connections, requests, "a server has ended");
            }
            Err(error) => tracing::error!(target: LOG_TARGET, port, "the server has ended: {error}"),
        }
    });
    Ok(server)
}

/// Stops a server with its system; completes when one of them was stopped.
async fn until_stopped(system: System, stop: StopSignal) {
    let mut stopped = pin!(stop.stopped());
    tokio::select! {
        () = &mut stopped => {}
        () = system.stop_requested() => stop.stop(),
    }
}

/// The server that a reference or a listen handle stands for.
fn server_of<'h>(vm: &'h mut Vm, name: &str, value: Value) -> Result<&'h ServerObject, Outcome> {
    let target = match end(vm, value) {
        Some(End::Completed(server)) => server,
        Some(End::Failed(error)) => return Err(error.into()),
        Some(End::Cancelled) => return Err(Outcome::Suspend(value)),
        None if is_handle(vm, value) => return Err(Outcome::Suspend(value)),
        None => value,
    };
    if target.host::<ServerObject>(&vm.heap).is_some() {
        return Ok(target.host::<ServerObject>(&vm.heap).expect("checked above"));
    }
    let text = if is_handle(vm, value) {
        format!("{name}: handle result is not a server ref")
    } else {
        format!("{name}: expected Handle or Reference, got {}", type_name(value))
    };
    Err(if value.is_error() { value.into() } else { fail(vm, &text) })
}

fn port(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    match server_of(vm, "http2/server-port", arguments[0]) {
        Ok(server) if server.stop.is_stopped() => fail(vm, "http2/server-port: server is stopped"),
        Ok(server) => Value::fixnum(i64::from(server.port)).into(),
        Err(outcome) => outcome,
    }
}

fn replace_handler(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let function = arguments[1];
    let replaceable = match server_of(vm, "http2/server-handle", arguments[0]) {
        Ok(server) if server.stop.is_stopped() => {
            return fail(vm, "http2/server-handle: server is stopped");
        }
        Ok(server) => Arc::clone(&server.replaceable),
        Err(outcome) => return outcome,
    };
    if !Vm::is_function(function) {
        return wrong_type(vm, function, "Function");
    }
    if !replaceable.replace(vm, function) {
        return fail(vm, "http2/server-handle: server is stopped");
    }
    arguments[0].into()
}

fn stop(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    match server_of(vm, "http2/server-stop", arguments[0]) {
        Ok(server) => {
            server.stop.stop();
            let closed = Arc::clone(&server.closed);
            closed.handle(vm).into()
        }
        Err(outcome) => outcome,
    }
}
