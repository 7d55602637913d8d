//! Connections to servers, and who uses them.
//!
//! 1. A [`Lease`] is the right to one stream of one connection; dropping it gives the stream to the
//!    request that has waited longest.
//! 2. A connection is opened when requests wait for a server and none is being opened already: one
//!    connection carries many requests, and only the server's settings tell how many.
//! 3. Opening belongs to the server's place in the pool, not to the request that asked first. When
//!    no request waits for it any more, it is given up. When it fails and no connection is left,
//!    all waiting requests get its error.
//! 4. A connection that takes no further requests is retired: it leaves the pool at once, and ends
//!    with its last stream.
//!
//! One thread owns a pool. Knows counts. Does not know TLS or requests.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::rc::{Rc, Weak};

use bytes::Bytes;
use h2::client::SendRequest;
use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;

use super::error::ClientError;
use super::limits::ClientLimits;
use super::trust::Trust;

/// What a connection is good for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Origin {
    pub is_tls: bool,
    /// In lower case.
    pub host: String,
    pub port: u16,
    /// Of [`Trust::Anyone`] when there is nothing to verify.
    pub trust: Trust,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

/// An open connection.
pub(super) struct Connection {
    /// `None` once it is retired.
    sender: RefCell<Option<SendRequest<Bytes>>>,
    active: Cell<usize>,
    last_used: Cell<Instant>,
    /// Bytes read from the socket so far.
    pub received: Rc<Cell<u64>>,
}

impl Connection {
    pub fn new(sender: SendRequest<Bytes>, received: Rc<Cell<u64>>) -> Rc<Self> {
        Rc::new(Self {
            sender: RefCell::new(Some(sender)),
            active: Cell::new(0),
            last_used: Cell::new(Instant::now()),
            received,
        })
    }

    pub fn is_retired(&self) -> bool {
        self.sender.borrow().is_none()
    }

    /// Since when it has no request; `None` while it has one.
    pub fn idle_since(&self) -> Option<Instant> {
        (self.active.get() == 0).then_some(self.last_used.get())
    }

    fn has_room(&self, limits: &ClientLimits) -> bool {
        let sender = self.sender.borrow();
        let allowed = sender.as_ref().map_or(0, SendRequest::current_max_send_streams);
        self.active.get() < allowed.min(limits.streams_per_connection)
    }

    fn retire(&self) {
        // The framing layer says goodbye when the last handle on the connection is gone.
        drop(self.sender.borrow_mut().take());
    }
}

type Granted = Result<Lease, ClientError>;

/// The place of one server in the pool.
pub(super) struct Server {
    pub origin: Origin,
    pool: Weak<Pool>,
    connections: RefCell<Vec<Rc<Connection>>>,
    waiting: RefCell<VecDeque<oneshot::Sender<Granted>>>,
    pub is_opening: Cell<bool>,
    /// Notified when no request waits any more.
    pub unwanted: Notify,
}

/// All connections of a client.
pub(super) struct Pool {
    pub limits: ClientLimits,
    servers: RefCell<HashMap<Origin, Rc<Server>>>,
    /// Opens a connection in a task of its own.
    open: Box<dyn Fn(Rc<Server>)>,
    is_closed: Cell<bool>,
}

impl Pool {
    pub fn new(limits: ClientLimits, open: Box<dyn Fn(Rc<Server>)>) -> Rc<Self> {
        Rc::new(Self { limits, servers: RefCell::default(), open, is_closed: Cell::new(false) })
    }

    /// A stream to `origin`. Dropping the future gives up the wait.
    pub async fn acquire(self: &Rc<Self>, origin: &Origin) -> Granted {
        if self.is_closed.get() {
            return Err(ClientError::Closed);
        }
        let server = self.server(origin);
        if server.waiting.borrow().is_empty()
            && let Some(lease) = server.lease()
        {
            return Ok(lease);
        }
        let most = self.limits.waiting_requests;
        if server.waiting.borrow().len() >= most {
            let reason = format!("{most} requests wait for {origin} already; send fewer at once");
            return Err(ClientError::Busy { reason });
        }
        let (sender, granted) = oneshot::channel();
        server.waiting.borrow_mut().push_back(sender);
        let wait = Wait { server, granted };
        wait.server.dispatch();
        wait.granted().await
    }

    fn server(self: &Rc<Self>, origin: &Origin) -> Rc<Server> {
        let mut servers = self.servers.borrow_mut();
        if let Some(server) = servers.get(origin) {
            return Rc::clone(server);
        }
        let server = Rc::new(Server {
            origin: origin.clone(),
            pool: Rc::downgrade(self),
            connections: RefCell::default(),
            waiting: RefCell::default(),
            is_opening: Cell::new(false),
            unwanted: Notify::new(),
        });
        servers.insert(origin.clone(), Rc::clone(&server));
        server
    }

    /// Connections open or being opened.
    pub fn connections(&self) -> usize {
        let servers = self.servers.borrow();
        servers.values().map(|server| server.connection_count()).sum()
    }

    /// Makes room for one more connection. False when there is none.
    fn make_room(&self) -> bool {
        if self.connections() < self.limits.connections {
            return true;
        }
        let servers: Vec<_> = self.servers.borrow().values().cloned().collect();
        let idle = servers.into_iter().flat_map(|server| {
            let connections: Vec<_> = server.connections.borrow().clone();
            connections.into_iter().filter_map(move |connection| {
                Some((connection.idle_since()?, Rc::clone(&server), connection))
            })
        });
        let Some((_, server, connection)) = idle.min_by_key(|(since, ..)| *since) else {
            return false;
        };
        server.retire(&connection);
        true
    }

    fn forget(&self, server: &Server) {
        let is_empty = server.connection_count() == 0 && server.waiting.borrow().is_empty();
        let mut servers = self.servers.borrow_mut();
        // Another place for the same server may have been made since.
        let is_known = servers
            .get(&server.origin)
            .is_some_and(|known| std::ptr::eq(Rc::as_ptr(known), server));
        if is_empty && is_known {
            servers.remove(&server.origin);
        }
    }

    /// Retires every connection and ends every wait.
    pub fn close(&self) {
        self.is_closed.set(true);
        let servers: Vec<_> = self.servers.borrow_mut().drain().collect();
        for (_, server) in servers {
            for connection in server.connections.take() {
                connection.retire();
            }
            server.fail_waiting(&ClientError::Closed);
            server.unwanted.notify_one();
        }
    }
}

impl Server {
    fn connection_count(&self) -> usize {
        self.connections.borrow().len() + usize::from(self.is_opening.get())
    }

    fn lease(self: &Rc<Self>) -> Option<Lease> {
        let pool = self.pool.upgrade()?;
        let connections = self.connections.borrow();
        let connection = connections.iter().find(|each| each.has_room(&pool.limits))?;
        Some(Lease::new(self, connection))
    }

    /// Hands streams to waiting requests, and opens a connection if some are left (rule 2).
    pub fn dispatch(self: &Rc<Self>) {
        loop {
            self.drop_abandoned();
            if self.waiting.borrow().is_empty() {
                return;
            }
            let Some(lease) = self.lease() else { break };
            let next = self.waiting.borrow_mut().pop_front();
            // Cannot fail: abandoned waits were dropped, on this thread.
            let _ = next.map(|waiting| waiting.send(Ok(lease)));
        }
        let Some(pool) = self.pool.upgrade() else { return };
        let is_full = self.connections.borrow().len() >= pool.limits.connections_per_server;
        if self.is_opening.get() || is_full {
            return;
        }
        if pool.make_room() {
            self.is_opening.set(true);
            (pool.open)(Rc::clone(self));
        } else if self.connections.borrow().is_empty() {
            let most = pool.limits.connections;
            let reason =
                format!("all {most} connections are in use; send to fewer servers at once");
            self.fail_waiting(&ClientError::Busy { reason });
        }
    }

    fn drop_abandoned(&self) {
        let mut waiting = self.waiting.borrow_mut();
        while waiting.front().is_some_and(oneshot::Sender::is_closed) {
            waiting.pop_front();
        }
    }

    fn fail_waiting(&self, error: &ClientError) {
        let waiting = self.waiting.take();
        for waiting in waiting {
            let _ = waiting.send(Err(error.clone()));
        }
    }

    /// A connection has been opened.
    pub fn opened(self: &Rc<Self>, connection: &Rc<Connection>) {
        self.is_opening.set(false);
        self.connections.borrow_mut().push(Rc::clone(connection));
        self.dispatch();
    }

    /// Opening a connection has failed (rule 3), or was given up.
    pub fn not_opened(self: &Rc<Self>, error: &ClientError) {
        self.is_opening.set(false);
        if self.connections.borrow().is_empty() {
            self.fail_waiting(error);
        }
        self.forget();
    }

    /// Whether a request waits.
    pub fn is_wanted(&self) -> bool {
        self.waiting.borrow().iter().any(|waiting| !waiting.is_closed())
    }

    /// Gives a connection no further requests (rule 4).
    pub fn retire(self: &Rc<Self>, connection: &Rc<Connection>) {
        connection.retire();
        self.connections.borrow_mut().retain(|each| !Rc::ptr_eq(each, connection));
        self.dispatch();
        self.forget();
    }

    fn forget(&self) {
        if let Some(pool) = self.pool.upgrade() {
            pool.forget(self);
        }
    }
}

/// A request that waits for a stream.
struct Wait {
    server: Rc<Server>,
    granted: oneshot::Receiver<Granted>,
}

impl Wait {
    async fn granted(mut self) -> Granted {
        (&mut self.granted).await.unwrap_or(Err(ClientError::Closed))
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        // A lease that was on its way goes to the next.
        self.granted.close();
        drop(self.granted.try_recv());
        if !self.server.is_wanted() {
            self.server.unwanted.notify_one();
        }
    }
}

/// The right to one stream.
pub(super) struct Lease {
    server: Rc<Server>,
    connection: Rc<Connection>,
    /// What had been read from the socket when it was given.
    received: u64,
}

impl Lease {
    fn new(server: &Rc<Server>, connection: &Rc<Connection>) -> Self {
        connection.active.set(connection.active.get() + 1);
        let received = connection.received.get();
        Self { server: Rc::clone(server), connection: Rc::clone(connection), received }
    }

    /// A handle for sending a request; `None` when the connection was retired meanwhile.
    pub fn sender(&self) -> Option<SendRequest<Bytes>> {
        self.connection.sender.borrow().clone()
    }

    /// The connection takes no further requests.
    pub fn retire(&self) {
        self.server.retire(&self.connection);
    }

    /// A request has waited in vain. If nothing at all came meanwhile, the connection is no good.
    pub fn retire_if_silent(&self) {
        if self.connection.received.get() == self.received {
            self.retire();
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.connection.active.set(self.connection.active.get() - 1);
        self.connection.last_used.set(Instant::now());
        self.server.dispatch();
    }
}
