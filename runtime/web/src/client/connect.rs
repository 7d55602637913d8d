//! `http2/connect`: a connection before the first request.

use super::arguments::{Checked, count, outcome, port, system, text};
use super::client_of;
use super::options::apply;
use valk_aio::{Started, System, await_handle, spawn_task, start};
use valk_heap::{HostObject, Tracer, Value};
use valk_http2::ClientRequest;
use valk_lang::builtins::{fail, wrong_type};
use valk_vm::{Arity, NativeFn, Outcome, Vm};

/// A server that was connected to. Its connections are the client's: one that has ended meanwhile
/// is opened again when it is needed.
struct ConnectedObject {
    system: System,
    /// Where to and whom to believe.
    base: ClientRequest,
}

impl HostObject for ConnectedObject {
    fn trace(&mut self, _: &mut Tracer<'_>) {}
    fn type_name(&self) -> &'static str {
        "http2_client"
    }
}

pub(super) const TABLE: &[(&str, Arity, NativeFn)] = &[("http2/connect", Arity::Any, connect)];

/// System and place of a connected server, if the value is one.
pub(super) fn connected(vm: &Vm, value: Value) -> Option<(System, ClientRequest)> {
    let object = value.host::<ConnectedObject>(&vm.heap)?;
    Some((object.system.clone(), object.base.clone()))
}

/// `(http2/connect system host port f [options])`: nil; calls `f` with the connection or an error.
fn connect(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let run = |vm: &mut Vm| -> Checked<Outcome> {
        count(vm, arguments, 4, 5)?;
        let system = system(vm, arguments[0])?;
        let host = text(vm, arguments[1])?;
        let port = port(vm, arguments[2])?;
        let function = arguments[3];
        if !Vm::is_function(function) {
            return Err(wrong_type(vm, function, "Function"));
        }
        let options = arguments.get(4).copied().unwrap_or(Value::NIL);
        let (base, _) =
            apply(vm, "http2/connect", options, ClientRequest::get(true, &host, port, "/"))?;
        open(vm, system, base, function)?;
        Ok(Value::NIL.into())
    };
    outcome(run(vm))
}

fn open(vm: &mut Vm, system: System, base: ClientRequest, function: Value) -> Checked<()> {
    let (client, shared) = match client_of(vm, &system) {
        Ok(client) => client,
        Err(problem) => return Err(fail(vm, problem)),
    };
    let (function, context) = (vm.heap.root(function), vm.heap.root(vm.context));
    let forbids_definitions = vm.definitions_forbidden;
    spawn_task(vm, async move {
        let opened = tokio::select! {
            biased;
            () = system.stop_requested() => Err("the system has been stopped".to_owned()),
            opened = client.connect(&base) => opened.map_err(|error| error.to_string()),
        };
        let fiber = {
            let vm = &mut *shared.borrow_mut();
            let argument = match opened {
                Ok(()) => vm.heap.host(Box::new(ConnectedObject { system, base })),
                Err(problem) => vm.error(&problem),
            };
            let function = vm.heap.release(function);
            let fiber = vm.spawn(function, &[argument]);
            let context = vm.heap.release(context);
            vm.set_context(fiber, context);
            if forbids_definitions {
                vm.forbid_definitions(fiber);
            }
            fiber
        };
        if let Started::Waiting(handle) = start(&shared, fiber) {
            await_handle(&shared, handle).await;
        }
    });
    Ok(())
}
