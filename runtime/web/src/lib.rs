//! The server as programs see it: the `http2/server-…` and `req/…` builtins, requests as
//! references, handler results as responses. The client and streams of responses have modules of
//! their own: `client`, `stream`.
//!
//! 1. A handler is called on a fiber of its own when its request is complete. One that does not
//!    wait is answered in the same turn of its connection; one that waits suspends its fiber only.
//! 2. Whatever a handler does, its stream gets exactly one response, within the handler's time.
//! 3. A server has a worker on every executor that serves; a handler runs on the executor of its
//!    connection, in the request's context.
//!
//! Knows the language and the server's public interface. Does not know frames or sockets.

#![forbid(unsafe_code)]

mod answer;
mod classes;
mod client;
mod context;
mod counts;
mod files;
mod handler;
mod options;
mod receive;
mod replaceable;
mod request;
mod response;
mod router;
mod server;
mod stream;
mod url;

use valk_lang::SharedVm;
use valk_lang::builtins::register_table;

/// The target of this crate's log lines.
const LOG_TARGET: &str = "valk::web";

pub use client::CLIENT;
pub use options::{HANDLER_TIMEOUT_MS, key_of_limit};

/// Registers the builtins in a VM that has the `aio/` builtins.
pub fn register(vm: &SharedVm) {
    let mut vm = vm.borrow_mut();
    register_table(&mut vm, server::TABLE);
    register_table(&mut vm, request::TABLE);
    register_table(&mut vm, stream::TABLE);
    client::register(&mut vm);
    register_table(&mut vm, response::TABLE);
    register_table(&mut vm, router::TABLE);
    register_table(&mut vm, files::TABLE);
}

#[cfg(test)]
mod tests;

#[cfg(test)]
fn main() -> std::process::ExitCode {
    valk_harness::main()
}
