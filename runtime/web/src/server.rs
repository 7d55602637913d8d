//! `http2/server-listen`, `http2/server-port`, `http2/server-stop`.
//!
//! 1. `server-listen` takes options: [`LISTEN`]. Clear text means HTTP/2 with prior knowledge. Without
//!    files the process makes a certificate.
//! 2. The executor that listens accepts, and deals connections to the executors that serve for the
//!    system. Each has a worker, a handler and counters of its own, all in a service of the system,
//!    so stopping the system waits for them.

use super::LOG_TARGET;
use super::handler::FunctionHandler;
use super::receive::PooledBuffers;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use valk_aio::{End, System, completed, end, failed, is_handle, shared_vm, spawn_on, system_of};
use valk_heap::{HostObject, Tracer, Value};
use valk_http2::{
    Certificate, Counters, Handler, Limits, Server, ServerConfig, Snapshot, StopSignal,
    TokioNetwork, bind,
};
use valk_lang::SharedVm;
use valk_lang::builtins::{fail, wrong_type};
use valk_lang::property_list::{OptionKey, OptionKind, OptionTable, WrongKind};
use valk_vm::{Arity, NativeFn, Outcome, Vm, type_name};

/// A listening server in the heap.
struct ServerObject {
    port: u16,
    stop: StopSignal,
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
    ("http2/server-stop", Arity::Exactly(1), stop),
];

/// The time that a handler has for its response unless a server is told otherwise.
pub const HANDLER_TIMEOUT_MS: i64 = 30_000;

/// The options of `http2/server-listen`.
pub(super) static LISTEN: OptionTable = OptionTable {
    builtin: "http2/server-listen",
    wrong_kind: WrongKind::Fails,
    keys: &[
        OptionKey::new(":tls", OptionKind::Boolean, "TLS; otherwise clear text."),
        OptionKey::new(":cert", OptionKind::Text, "PEM file with the certificate."),
        OptionKey::new(":key", OptionKind::Text, "PEM file with its key."),
        OptionKey::new(":host", OptionKind::Text, "Address to listen on; all by default."),
        OptionKey::integer(
            ":max-request-body-size",
            (1 << 10, 1 << 30),
            8 << 20,
            "bytes",
            "The largest request body.",
        )
        .with_error("max_request_body_size must be between 1KB and 1GB"),
        OptionKey::integer(
            ":handler-timeout-ms",
            (0, u32::MAX as i64),
            HANDLER_TIMEOUT_MS,
            "ms",
            "The time that a handler has for its response; 0 for no limit.",
        ),
        OptionKey::new(":error-handler", OptionKind::Ignored, "Has no effect."),
    ],
};

/// What a configuration list says, checked.
struct Settings {
    host: IpAddr,
    server: ServerConfig,
    /// The time that a handler has.
    time_limit: Option<Duration>,
}

fn settings(vm: &Vm, list: Value) -> Result<Settings, String> {
    let options = LISTEN.read(vm, list)?;
    let host = match options.text(":host") {
        None => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        Some(host) => host.parse().map_err(|_| {
            format!(":host must be an IP address such as \"127.0.0.1\", got \"{host}\"")
        })?,
    };
    let certificate = match (options.text(":cert"), options.text(":key")) {
        (None, None) => Certificate::Local,
        (Some(certificate), Some(key)) => {
            Certificate::Files { certificate: PathBuf::from(certificate), key: PathBuf::from(key) }
        }
        (Some(_), None) => return Err(":cert needs :key beside it".to_string()),
        (None, Some(_)) => return Err(":key needs :cert beside it".to_string()),
    };
    let mut limits = Limits::default();
    if options.is_given(":max-request-body-size") {
        limits.body_bytes = options.integer(":max-request-body-size") as usize;
    }
    let is_tls = options.boolean(":tls") != Some(false);
    let server = ServerConfig { tls: is_tls.then_some(certificate), limits, receive_buffers: None };
    let time_limit_ms = options.integer(":handler-timeout-ms") as u64;
    let time_limit = Some(Duration::from_millis(time_limit_ms)).filter(|limit| !limit.is_zero());
    Ok(Settings { host, server, time_limit })
}

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
    let Settings { host, server: mut config, time_limit } = match settings(vm, list) {
        Ok(settings) => settings,
        Err(problem) => return failed(vm, &format!("http2/server-listen: {problem}")).into(),
    };
    if system.is_stopping() {
        return failed(vm, "http2/server-listen: the system has been stopped").into();
    }
    let buffers = PooledBuffers::new(system.pools().receive_buffers().clone());
    config.receive_buffers = Some(Arc::new(buffers));
    let bound = match bind(&TokioNetwork, SocketAddr::new(host, port), &config) {
        Ok(bound) => bound,
        Err(error) => return failed(vm, &format!("Error on Bind: {error}")).into(),
    };
    match serve(vm, &system, bound, arguments[2], time_limit) {
        Ok(server) => {
            let server = vm.heap.host(Box::new(server));
            completed(vm, server).into()
        }
        Err(problem) => failed(vm, &format!("http2/server-listen: {problem}")).into(),
    }
}

/// The counters of a server, one for each of its executors.
type AllCounters = Arc<[Arc<Counters>]>;

fn total(counters: &AllCounters) -> Snapshot {
    counters.iter().map(|counters| counters.snapshot()).sum()
}

/// Starts a server on the executors of its system (rule 2), with a function as its handler.
fn serve(
    vm: &mut Vm,
    system: &System,
    bound: Server,
    function: Value,
    time_limit: Option<Duration>,
) -> Result<ServerObject, String> {
    let shared = shared_vm(vm).ok_or("this program runs without an event loop")?;
    let executors = system.executors(vm)?;
    let port = bound.local_addr().port();
    let stop = StopSignal::new();
    let (acceptor, workers) = bound.split(executors.len(), stop.clone());
    let counters: AllCounters = executors.iter().map(|_| Arc::default()).collect();
    let counted = Arc::downgrade(&counters);
    system.ask_waiting(move || Some(total(&counted.upgrade()?).connections_waiting));
    let mut services: Vec<_> = executors.into_iter().zip(workers).enumerate().collect();
    for (number, (executor, worker)) in services.drain(1..) {
        let function = vm.heap.root(function);
        let (stop, system, counters) = (stop.clone(), system.clone(), Arc::clone(&counters));
        let start = move |vm: &SharedVm| {
            let handler = FunctionHandler::new(SharedVm::clone(vm), function, time_limit);
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
    let function = vm.heap.root(function);
    let handler = Rc::new(FunctionHandler::new(shared, function, time_limit));
    let (stopping, ending) = (until_stopped(system.clone(), stop.clone()), stop.clone());
    system.spawn(vm, async move {
        let own = &counters[0];
        let accepting = async {
            let told = Rc::clone(&handler) as Rc<dyn Handler>;
            let accepted = acceptor.accept(told, Arc::clone(own)).await;
            // Without an acceptor the workers have nothing to do.
            ending.stop();
            accepted
        };
        let serving = worker.serve(Rc::clone(&handler) as Rc<dyn Handler>, Arc::clone(own));
        let (accepted, _, ()) = tokio::join!(accepting, serving, stopping);
        match accepted {
            Ok(()) => {
                let Snapshot { connections, requests, .. } = total(&counters);
                tracing::info!(target: LOG_TARGET, port, connections, requests, "a server has ended");
            }
            Err(error) => tracing::error!(target: LOG_TARGET, port, "the server has ended: {error}"),
        }
    });
    Ok(ServerObject { port, stop })
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

fn stop(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    match server_of(vm, "http2/server-stop", arguments[0]) {
        Ok(server) => {
            server.stop.stop();
            completed(vm, Value::NIL).into()
        }
        Err(outcome) => outcome,
    }
}
