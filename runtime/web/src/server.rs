//! `http2/server-listen`, `http2/server-port`, `http2/server-stop`.
//!
//! `server-listen` takes options: [`LISTEN`]. Clear text means HTTP/2 with prior knowledge. Without
//! files the process makes a certificate.

use super::LOG_TARGET;
use super::handler::FunctionHandler;
use super::receive::PooledBuffers;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use valk_aio::{End, completed, end, failed, is_handle, shared_vm, system_of};
use valk_heap::{HostObject, Tracer, Value};
use valk_http2::{Certificate, Counters, Limits, ServerConfig, StopSignal, TokioNetwork, bind};
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
        OptionKey::new(":error-handler", OptionKind::Ignored, "Has no effect."),
    ],
};

/// What a configuration list says, checked.
fn settings(vm: &Vm, list: Value) -> Result<(IpAddr, ServerConfig), String> {
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
    Ok((host, ServerConfig { tls: is_tls.then_some(certificate), limits, receive_buffers: None }))
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
    let buffers = PooledBuffers::new(system.pools().receive_buffers().clone());
    server_config.receive_buffers = Some(Arc::new(buffers));
    let address = SocketAddr::new(host, port);
    let bound = match bind(&TokioNetwork, address, &server_config) {
        Ok(bound) => bound,
        Err(error) => return failed(vm, &format!("Error on Bind: {error}")).into(),
    };
    let Some(shared) = shared_vm(vm) else {
        return fail(vm, "http2/server-listen: this program runs without an event loop");
    };
    let function = vm.heap.root(arguments[2]);
    let handler = Rc::new(FunctionHandler { vm: shared, function });
    let stop = StopSignal::new();
    let port = bound.local_addr().port();
    let (signal, stopping) = (stop.clone(), system.clone());
    let counters = Rc::<Counters>::default();
    let counted = Rc::downgrade(&counters);
    let waiting = move || Some(counted.upgrade()?.snapshot().connections_waiting);
    system.ask_waiting(vm, waiting);
    system.spawn(vm, async move {
        let mut serving = std::pin::pin!(bound.serve_counted(handler, signal.clone(), counters));
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
