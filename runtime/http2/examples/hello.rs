//! A native hello server: `hello PORT [--tls]`. What the protocol core costs without a language.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use std::rc::Rc;

use valk_http2::{
    Certificate, Handler, Reply, Request, Response, ServerConfig, StopSignal, TokioNetwork, bind,
};

struct Hello;

impl Handler for Hello {
    fn handle(&self, _request: Request) -> Reply {
        Reply::Ready(Response::text(200, &b"Hello, world!\n"[..]))
    }

    fn event(&self, event: &valk_http2::Event) {
        eprintln!("hello: {event}");
    }
}

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let Some(port) = arguments.next().and_then(|port| port.parse().ok()) else {
        eprintln!("usage: hello PORT [--tls]");
        return ExitCode::from(2);
    };
    let tls = arguments.any(|argument| argument == "--tls").then_some(Certificate::Local);
    let config = ServerConfig { tls, ..ServerConfig::default() };
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let server = match bind(&TokioNetwork, address, &config) {
        Ok(server) => server,
        Err(error) => {
            eprintln!("hello: {error}");
            return ExitCode::FAILURE;
        }
    };
    println!("listening on {}", server.local_addr());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a process that could bind a socket can make a reactor");
    let local = tokio::task::LocalSet::new();
    match local.block_on(&runtime, server.serve(Rc::new(Hello), StopSignal::new())) {
        Ok(_) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("hello: {error}");
            ExitCode::FAILURE
        }
    }
}
