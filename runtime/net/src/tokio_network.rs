//! The network of the system, through tokio's sockets.
//!
//! Names are resolved by the system's resolver on tokio's blocking threads; literal addresses never
//! leave the calling thread.

use std::io::{self, IoSlice};
use std::net::{IpAddr, SocketAddr, TcpListener as StdListener};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream, lookup_host};
use tokio::runtime::{Handle, Id};

use crate::network::{
    BoundSocket, ConnectError, Connecting, Listener, Network, Stream, without_brackets,
};

/// TCP over the interfaces of this machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct TokioNetwork;

impl Network for TokioNetwork {
    fn bind(&self, address: SocketAddr) -> io::Result<Box<dyn BoundSocket>> {
        let socket = StdListener::bind(address)?;
        socket.set_nonblocking(true)?;
        let address = socket.local_addr()?;
        Ok(Box::new(Bound { socket, address }))
    }

    fn connect(&self, host: &str, port: u16) -> Connecting {
        let host = host.to_owned();
        Box::pin(async move {
            let addresses = match resolve(&host, port).await {
                Ok(addresses) => addresses,
                Err(error) => return Err(ConnectError::Unresolvable { host, error }),
            };
            match connect_to_any(addresses).await {
                Ok(stream) => Ok(Box::new(stream) as Box<dyn Stream>),
                Err(error) => Err(ConnectError::Unreachable { host, port, error }),
            }
        })
    }
}

async fn resolve(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    let host = without_brackets(host);
    if let Ok(address) = host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(address, port)]);
    }
    Ok(lookup_host((host, port)).await?.collect())
}

async fn connect_to_any(addresses: Vec<SocketAddr>) -> io::Result<TcpConnection> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in addresses {
        match TcpStream::connect(address).await {
            Ok(io) => return Ok(TcpConnection::new(io)),
            Err(error) => last = error,
        }
    }
    Err(last)
}

#[derive(Debug)]
struct Bound {
    socket: StdListener,
    address: SocketAddr,
}

impl BoundSocket for Bound {
    fn local_addr(&self) -> SocketAddr {
        self.address
    }

    fn try_clone(&self) -> io::Result<Box<dyn BoundSocket>> {
        let socket = self.socket.try_clone()?;
        Ok(Box::new(Self { socket, address: self.address }))
    }

    fn listen(self: Box<Self>) -> io::Result<Box<dyn Listener>> {
        let socket = TcpListener::from_std(self.socket)?;
        Ok(Box::new(Accepting { socket, address: self.address }))
    }
}

struct Accepting {
    socket: TcpListener,
    address: SocketAddr,
}

impl Listener for Accepting {
    fn local_addr(&self) -> SocketAddr {
        self.address
    }

    fn poll_accept(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<(Box<dyn Stream>, SocketAddr)>> {
        self.socket.poll_accept(cx).map_ok(|(io, peer)| {
            let stream: Box<dyn Stream> = Box::new(TcpConnection::new(io));
            (stream, peer)
        })
    }
}

#[derive(Debug)]
struct TcpConnection {
    io: TcpStream,
    /// The runtime whose reactor watches the socket.
    runtime: Id,
}

impl TcpConnection {
    fn new(io: TcpStream) -> Self {
        Self { io, runtime: Handle::current().id() }
    }
}

impl Stream for TcpConnection {
    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.io.local_addr()
    }

    fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.io.peer_addr()
    }

    fn nodelay(&self) -> io::Result<bool> {
        self.io.nodelay()
    }

    fn set_nodelay(&self, nodelay: bool) -> io::Result<()> {
        self.io.set_nodelay(nodelay)
    }

    fn move_to_current_reactor(self: Box<Self>) -> io::Result<Box<dyn Stream>> {
        if self.runtime == Handle::current().id() {
            return Ok(self);
        }
        let io = TcpStream::from_std(self.io.into_std()?)?;
        Ok(Box::new(Self::new(io)))
    }
}

impl AsyncRead for TcpConnection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl AsyncWrite for TcpConnection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
