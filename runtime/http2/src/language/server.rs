//! `http2/server-listen`, `http2/server-port`, `http2/server-stop`.
//!
//! The configuration list of `server-listen` knows `:tls` (0: clear text with prior knowledge,
//! 1: TLS, the default), `:cert` and `:key` (PEM files; without them the process makes a
//! certificate), `:host` (address to listen on), `:max-request-body-size`.

use super::LOG_TARGET;
use super::handler::FunctionHandler;
use crate::counters::Counters;
use crate::limits::Limits;
use crate::server::{ServerConfig, bind};
use crate::stop::StopSignal;
use crate::tls::Certificate;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::rc::Rc;
use valk_aio::{HandleState, completed, config, failed, machine, settled, system_of};
use valk_heap::{HostObject, Tracer, Value};
use valk_lang::builtins::{fail, wrong_type};
use valk_lang::elements;
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

/// Configuration keys of `server-listen`.
const KEYS: &[&str] =
    &[":tls", ":cert", ":key", ":host", ":max-request-body-size", ":error-handler"];

/// What a configuration list says, checked.
fn settings(vm: &mut Vm, list: Value) -> Result<(IpAddr, ServerConfig), String> {
    warn_unknown_keys(vm, list);
    let mut text = |key: &str| -> Result<Option<String>, String> {
        let Some(value) = config(vm, list, key) else { return Ok(None) };
        match value.as_bytes(&vm.heap) {
            Some(bytes) => Ok(Some(String::from_utf8_lossy(bytes).into_owned())),
            None => Err(format!("{key} must be a string, got {}", type_name(value))),
        }
    };
    let host = match text(":host")? {
        None => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        Some(host) => host.parse().map_err(|_| {
            format!(":host must be an IP address such as \"127.0.0.1\", got \"{host}\"")
        })?,
    };
    let files = (text(":cert")?, text(":key")?);
    let certificate = match files {
        (None, None) => Certificate::Local,
        (Some(certificate), Some(key)) => {
            Certificate::Files { certificate: PathBuf::from(certificate), key: PathBuf::from(key) }
        }
        (Some(_), None) => return Err(":cert needs :key beside it".to_string()),
        (None, Some(_)) => return Err(":key needs :cert beside it".to_string()),
    };
    let mut limits = Limits::default();
    if let Some(value) = config(vm, list, ":max-request-body-size") {
        let bytes = value.as_integer().filter(|bytes| (1024..=1 << 30).contains(bytes));
        let bytes = bytes.ok_or("max_request_body_size must be between 1KB and 1GB")?;
        limits.body_bytes = bytes as usize;
    }
    let clear = config(vm, list, ":tls").is_some_and(|value| value == Value::ZERO);
    Ok((host, ServerConfig { tls: (!clear).then_some(certificate), limits, receive_buffers: None }))
}

/// Old programs carry keys that mean nothing here: they are told, and go on.
fn warn_unknown_keys(vm: &Vm, list: Value) {
    for pair in elements(list).chunks(2) {
        let Some(symbol) = pair[0].as_symbol() else { continue };
        let name = String::from_utf8_lossy(vm.heap.symbols().name(symbol)).into_owned();
        if !KEYS.contains(&name.as_str()) {
            let known = KEYS.join(" ");
            tracing::warn!(
                target: LOG_TARGET,
                "http2/server-listen: unknown key {name}; known keys: {known}"
            );
        }
    }
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
    let (host, mut server_config) = match settings(vm, list) {
        Ok(settings) => settings,
        Err(problem) => return failed(vm, &format!("http2/server-listen: {problem}")).into(),
    };
    server_config.receive_buffers = Some(system.pools().receive_buffers().clone());
    let listener = match bind(SocketAddr::new(host, port), &server_config) {
        Ok(listener) => listener,
        Err(error) => return failed(vm, &format!("Error on Bind: {error}")).into(),
    };
    let Some(shared) = machine(vm) else { return fail(vm, "no executor is running") };
    let await_name = vm.intern("aio/await");
    let await_ = vm.global(await_name).unwrap_or(Value::NIL);
    let function = vm.heap.root(arguments[2]);
    let handler = Rc::new(FunctionHandler { vm: shared, function, await_ });
    let stop = StopSignal::new();
    let port = listener.local_addr().port();
    let (signal, stopping) = (stop.clone(), system.clone());
    let counters = Rc::<Counters>::default();
    let counted = Rc::downgrade(&counters);
    let waiting = move || Some(counted.upgrade()?.snapshot().connections_waiting);
    system.ask_waiting(vm, waiting);
    system.spawn(vm, async move {
        let mut serving = std::pin::pin!(listener.serve_counted(handler, signal.clone(), counters));
        let early = tokio::select! {
            report = &mut serving => Some(report),
            () = stopping.stop_requested() => None,
        };
        let report = if let Some(report) = early {
            report
        } else {
            signal.stop();
            serving.await
        };
        if let Err(error) = report {
            tracing::error!(target: LOG_TARGET, port, "the server has ended: {error}");
        }
    });
    let server = vm.heap.host(Box::new(ServerObject { port, stop }));
    completed(vm, server).into()
}

/// The server that a reference or a listen handle stands for.
fn server_of<'h>(vm: &'h mut Vm, name: &str, value: Value) -> Result<&'h ServerObject, Outcome> {
    let target = match settled(vm, value) {
        None => value,
        Some(HandleState::Completed(server)) => server,
        Some(HandleState::Failed(error)) => return Err(error.into()),
        Some(HandleState::Pending) => return Err(Outcome::Suspend(value)),
    };
    if target.host::<ServerObject>(&vm.heap).is_some() {
        return Ok(target.host::<ServerObject>(&vm.heap).expect("checked above"));
    }
    let text = if settled(vm, value).is_some() {
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
