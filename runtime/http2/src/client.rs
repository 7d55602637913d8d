//! The HTTP/2 client: pooled connections, requests, responses, what may be sent again.
//!
//! ```text
//! Client ─▶ pool ─▶ connection ─▶ exchange
//!             trust ────┘
//! ```
//!
//! 1. A client lives on one thread and sends through any [`Network`]. Requests to one server share
//!    its connections.
//! 2. A request is sent again only when it is proved that the server has processed nothing of it:
//!    it was never sent, lies behind the last stream of a GOAWAY, or was refused with
//!    `REFUSED_STREAM` (RFC 9113 section 8.7). Refusals have a budget.
//! 3. Every wait has a time limit, and dropping [`Client::send`] resets the stream.
//!
//! Knows HTTP. Does not know the language.

mod connection;
mod error;
mod exchange;
mod limits;
mod message;
mod pool;
pub(crate) mod redirect;
mod trust;

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use valk_net::Network;

use self::connection::Opener;
use self::exchange::{Evidence, Failure, exchange};
use self::pool::{Lease, Origin, Pool};
use crate::token_bucket::TokenBucket;

pub use error::{ClientError, Step};
pub use limits::ClientLimits;
pub use message::{BodySink, ClientRequest, ClientResponse, RequestOptions, Taken};
pub use trust::Trust;

/// Sends requests; see the module's documentation. Its connections end when it is dropped.
pub struct Client {
    pool: Rc<Pool>,
    drivers: Rc<RefCell<JoinSet<()>>>,
    refused: RefCell<TokenBucket>,
}

impl Client {
    /// A client without connections. Requests must be sent inside a [`tokio::task::LocalSet`] with
    /// time, and with I/O when the network has sockets.
    pub fn new(network: Arc<dyn Network>, limits: ClientLimits) -> Self {
        let refused = TokenBucket::full(
            limits.refused_retries,
            limits.refused_retries_per_second,
            Instant::now(),
        );
        let drivers = Rc::new(RefCell::new(JoinSet::new()));
        let opener =
            Rc::new(Opener { network, configurations: RefCell::default(), limits: limits.clone() });
        let tasks = Rc::downgrade(&drivers);
        let open = move |server| {
            let Some(tasks) = tasks.upgrade() else { return };
            let mut tasks = tasks.borrow_mut();
            while tasks.try_join_next().is_some() {}
            tasks.spawn_local(Rc::clone(&opener).open_and_drive(server));
        };
        let pool = Pool::new(limits, Box::new(open));
        Self { pool, drivers, refused: RefCell::new(refused) }
    }

    /// Sends `request` and gives the whole response, whatever its status. Dropping the future
    /// cancels the request.
    ///
    /// # Errors
    /// Each [`ClientError`] says why there is no response and what to do.
    pub async fn send(&self, request: ClientRequest) -> Result<ClientResponse, ClientError> {
        self.send_to(request, None).await
    }

    /// As [`Client::send`], with the body of the response given to `sink` part by part, if there is
    /// one, whatever its size: the response has none then.
    ///
    /// # Errors
    /// As [`Client::send`], and [`ClientError::Sink`].
    pub async fn send_to(
        &self,
        request: ClientRequest,
        sink: Option<&dyn BodySink>,
    ) -> Result<ClientResponse, ClientError> {
        let limit = request.options.total_timeout;
        let sending = self.send_following(request, sink);
        let Some(limit) = limit else { return sending.await };
        let late = Err(ClientError::Timeout { step: Step::Total, limit });
        timeout(limit, sending).await.unwrap_or(late)
    }

    /// Opens a connection to the server of `request`, unless there is one.
    ///
    /// # Errors
    /// As [`Client::send`].
    pub async fn connect(&self, request: &ClientRequest) -> Result<(), ClientError> {
        self.lease(request).await.map(drop)
    }

    /// Connections open or being opened.
    pub fn connections(&self) -> usize {
        self.pool.connections()
    }

    /// Says goodbye on all connections. Requests that wait for one fail, those that were sent go
    /// on for a moment.
    pub async fn close(&self) {
        self.pool.close();
        let mut drivers = self.drivers.take();
        let ended = async { while drivers.join_next().await.is_some() {} };
        // Those that are left are aborted.
        let _ = timeout(self.pool.limits.close_timeout, ended).await;
    }

    async fn send_following(
        &self,
        request: ClientRequest,
        sink: Option<&dyn BodySink>,
    ) -> Result<ClientResponse, ClientError> {
        let most = request.options.redirects;
        let mut request = request;
        for _ in 0..most {
            let response = self.send_until_processed(&request, sink).await?;
            match redirect::follow(&request, &response)? {
                Some(next) => request = next,
                None => return Ok(response),
            }
        }
        let response = self.send_until_processed(&request, sink).await?;
        if most > 0 && redirect::follow(&request, &response)?.is_some() {
            let reason = format!("the {most} that :redirects allows were not enough");
            return Err(ClientError::Redirect { reason });
        }
        Ok(response)
    }

    /// Sends one request, again if need be (rule 2).
    async fn send_until_processed(
        &self,
        request: &ClientRequest,
        sink: Option<&dyn BodySink>,
    ) -> Result<ClientResponse, ClientError> {
        let limits = &self.pool.limits;
        let head = request.head()?;
        let mut pause = limits.retry_pause;
        let mut attempt = 1;
        loop {
            let lease = self.lease(request).await?;
            let sent = exchange(&lease, request, head.clone(), sink).await;
            let Failure { error, evidence } = match sent {
                Ok(response) => return Ok(response),
                Err(failure) => failure,
            };
            let may_retry = match evidence {
                Evidence::None => false,
                Evidence::Unprocessed => {
                    lease.retire();
                    true
                }
                Evidence::Refused => self.refused.borrow_mut().take(Instant::now()),
            };
            if !may_retry || attempt >= limits.attempts {
                return Err(error);
            }
            drop(lease);
            // The first time another connection is most likely all it takes.
            if attempt > 1 || evidence == Evidence::Refused {
                sleep(pause).await;
                pause *= 2;
            }
            attempt += 1;
        }
    }

    async fn lease(&self, request: &ClientRequest) -> Result<Lease, ClientError> {
        let limit = request.options.connect_timeout;
        let origin = Origin {
            is_tls: request.is_tls,
            host: request.host.to_ascii_lowercase(),
            port: request.port,
            trust: if request.is_tls { request.options.trust.clone() } else { Trust::Anyone },
        };
        let late = Err(ClientError::Timeout { step: Step::Connect, limit });
        timeout(limit, self.pool.acquire(&origin)).await.unwrap_or(late)
    }
}
