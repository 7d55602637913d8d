//! The HTTP/2 server: sockets, TLS, connections, streams, limits; over h2, tokio and rustls. The client:
//! [`Client`].
//!
//! ```text
//! server ─▶ acceptor ─▶ worker ─▶ connection ─▶ exchange ─▶ Handler   (a program, by `message`)
//! ```
//!
//! 1. [`bind`] finds every fault of address and certificate; [`Server::serve`] runs a server on one
//!    thread inside a `LocalSet`, [`Server::split`] one on several threads. A connection lives on
//!    one thread. Threads share the TLS configuration, the [`StopSignal`] and queues of connections.
//! 2. Every bound is a field of [`Limits`]; what clients make the server hold is counted per
//!    connection.
//! 3. No handler can unwind the server, and no client can make it wait without a timer running.
//!
//! Knows HTTP. Does not know the language: values, handles and collections live above. Memory for
//! large bodies comes from the embedding, through [`ReceiveBuffers`].

#![forbid(unsafe_code)]

mod acceptor;
mod account;
mod body;
mod client;
mod connection;
mod counters;
mod date;
mod encode;
mod error;
mod exchange;
mod give_way;
mod limits;
mod local_authority;
mod message;
mod metered;
mod overload;
mod pem_file;
mod phase;
mod presence;
mod receive_buffers;
mod server;
mod stop;
mod streaming;
mod tls;
mod token_bucket;
mod validate;
mod worker;

pub use acceptor::Acceptor;
pub use client::{
    BodySink, Client, ClientError, ClientLimits, ClientRequest, ClientResponse, RequestOptions,
    Step, Taken, Trust,
};
pub use counters::{Counters, Snapshot};
pub use error::ServerError;
pub use http::Method;
pub use limits::{LimitRow, Limits};
pub use local_authority::local_authority_pem;
pub use message::{Event, Handler, PendingReply, Reply, Request, RequestLine, Response, Scheme};
pub use overload::{Class, Shed};
pub use phase::{Phase, PhaseEvent, phase_table};
pub use receive_buffers::{ReceiveBuffer, ReceiveBuffers};
pub use server::{ServeReport, Server, ServerConfig, bind};
pub use stop::StopSignal;
pub use streaming::{
    OpenError, ResponseStream, STREAM_QUEUE_BYTES_MAX, STREAM_QUEUE_PIECES_MAX, StreamEvent,
    WriteError,
};
pub use tls::Certificate;
pub use valk_net::{Network, Places, TokioNetwork};
pub use worker::Worker;

#[cfg(test)]
mod tests;

#[cfg(test)]
fn main() -> std::process::ExitCode {
    valk_harness::main()
}
