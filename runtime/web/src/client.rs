//! The client as programs see it: the `http2/client-…`, `http2/request…`, `http2/response-…` and
//! `http2/connect` builtins.
//!
//! 1. Sending gives a handle at once. It completes with a response, whatever its status, or fails
//!    with an error that says what to do. Cancelling it resets the stream.
//! 2. A system has one client on each executor that sends for it, with connections of its own; all
//!    end with the system.
//! 3. A request that is sent in a context takes its trace and its deadline along.
//!
//! Does not know frames or sockets.

mod arguments;
mod connect;
mod options;
mod outgoing;
mod request;
mod response;
mod send;
mod sink;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use valk_aio::{System, shared_vm};
use valk_http2::{Client, ClientLimits, TokioNetwork};
use valk_lang::SharedVm;
use valk_lang::builtins::register_table;
use valk_vm::Vm;

pub use options::CLIENT;

/// Registers the builtins.
pub(super) fn register(vm: &mut Vm) {
    for table in [send::TABLE, connect::TABLE, request::TABLE, response::TABLE] {
        register_table(vm, table);
    }
}

/// The clients of one executor, by the numbers of their systems.
#[derive(Default)]
struct Clients(HashMap<u32, Rc<Client>>);

/// The client of a system on this executor, and the VM for the tasks that use it (rule 2).
fn client_of(vm: &mut Vm, system: &System) -> Result<(Rc<Client>, SharedVm), &'static str> {
    let shared = shared_vm(vm).ok_or("this program runs without an event loop")?;
    let id = system.id();
    if let Some(client) = vm.extension::<Clients>().0.get(&id) {
        return Ok((Rc::clone(client), shared));
    }
    let client = Rc::new(Client::new(Arc::new(TokioNetwork), ClientLimits::default()));
    vm.extension::<Clients>().0.insert(id, Rc::clone(&client));
    let (ending, stopped, owner) = (Rc::clone(&client), system.clone(), SharedVm::clone(&shared));
    system.spawn(vm, async move {
        stopped.stop_requested().await;
        ending.close().await;
        owner.borrow_mut().extension::<Clients>().0.remove(&id);
    });
    Ok((client, shared))
}
