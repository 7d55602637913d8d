//! User journeys driven by goose, recorded by our own clocks.
//!
//! 1. goose never sees our command line, opens no control port and prints nothing: it gets a
//!    finished configuration, and its log goes to a logger that discards.
//! 2. Each user has its own HTTP client, and so its own connection; HTTP/2 comes from the `http2`
//!    feature of reqwest (ALPN on TLS, prior knowledge on plain text).
//! 3. Every response's protocol version is counted. What the count must be is judged by `report`.
//! 4. A request's clock runs to the last byte of its body; goose's own clock stops at the head.

use std::sync::Arc;
use std::time::Duration;

use goose::GooseAttack;
use goose::config::GooseConfiguration;
use goose::goose::{GooseUser, Scenario, Transaction, TransactionFunction, TransactionResult};
use http::Version;
use reqwest::ClientBuilder;

use crate::connections::tls::{Trust, read_authority};
use crate::error::LoadError;
use crate::limits::{CONNECT_TIMEOUT, OWN_CONNECTION_WINDOW, OWN_STREAM_WINDOW};
use crate::options::Options;
use crate::quantity::whole_seconds;
use crate::recording::clock::{Clock, Stamps};
use crate::recording::error_kind::ErrorKind;
use crate::recording::recorder::Recorder;

/// Ends a running journey early.
pub fn interrupt() {
    goose::trigger_killswitch("interrupted");
}

/// Whether the last journey ended early: by [`interrupt`], or by goose's own Ctrl-C handler, which
/// replaces ours while it runs.
pub fn was_interrupted() -> bool {
    goose::is_killswitch_triggered()
}

/// Runs the journey to its end.
///
/// # Errors
/// If goose refuses its configuration or the authority file cannot be used.
pub async fn run(
    options: &Options,
    recorder: Arc<Recorder>,
    clock: Clock,
) -> Result<(), LoadError> {
    silence();
    let client = ClientPlan::new(options)?;
    let broken = |e: goose::GooseError| LoadError::Goose(e.to_string());
    let attack = GooseAttack::initialize_with_config(configuration(options))
        .map_err(broken)?
        .register_scenario(journey(options, &client, &recorder, clock).map_err(broken)?);
    // Boxed: the future is over 20 KB.
    Box::pin(attack.execute()).await.map_err(broken)?;
    Ok(())
}

fn configuration(options: &Options) -> GooseConfiguration {
    // Two fields are private, so the struct cannot be written as a literal.
    let mut config = GooseConfiguration::default();
    config.host = Some(options.target.base.clone());
    config.users = Some(options.users);
    // All users within the first second.
    config.increase_rate = Some(options.users.to_string());
    config.run_time = Some(format!("{}s", whole_seconds(options.duration)));
    config.no_telnet = true;
    config.websocket = false;
    // With --no-reset-metrics goose would print a line whatever else is silenced.
    config.no_reset_metrics = false;
    config.no_print_metrics = true;
    config.no_error_summary = true;
    config.quiet = 1;
    // Only for the client that each user starts with and `start` replaces unused; it would
    // otherwise demand system certificates.
    config.accept_invalid_certs = true;
    config
}

/// What every user's client is built from.
#[derive(Clone)]
struct ClientPlan {
    tls: bool,
    insecure: bool,
    authority: Vec<reqwest::Certificate>,
    timeout: Duration,
}

impl ClientPlan {
    fn new(options: &Options) -> Result<ClientPlan, LoadError> {
        let authority = match &options.trust {
            Some(Trust::Authority(path)) => read_authority(path)?
                .iter()
                .map(|der| reqwest::Certificate::from_der(der))
                .collect::<Result<Vec<_>, _>>()
                .map_err(|e| LoadError::usage(format!("{path} is not usable: {e}")))?,
            _ => Vec::new(),
        };
        Ok(ClientPlan {
            tls: options.target.tls,
            insecure: options.trust == Some(Trust::AnyCertificate),
            authority,
            timeout: options.timeout,
        })
    }

    fn builder(&self) -> ClientBuilder {
        let builder = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(self.timeout)
            .connect_timeout(CONNECT_TIMEOUT)
            .http2_initial_stream_window_size(OWN_STREAM_WINDOW)
            .http2_initial_connection_window_size(OWN_CONNECTION_WINDOW);
        if !self.tls {
            builder.http2_prior_knowledge()
        } else if self.insecure {
            builder.tls_danger_accept_invalid_certs(true)
        } else {
            builder.tls_certs_only(self.authority.clone())
        }
    }
}

/// One step: what to ask for.
#[derive(Clone)]
struct Step {
    path: String,
    post_bytes: Option<usize>,
    recorder: Arc<Recorder>,
    clock: Clock,
}

fn journey(
    options: &Options,
    client: &ClientPlan,
    recorder: &Arc<Recorder>,
    clock: Clock,
) -> Result<Scenario, goose::GooseError> {
    let step = |path: &str, post_bytes| Step {
        path: path.to_string(),
        post_bytes,
        recorder: Arc::clone(recorder),
        clock,
    };
    let client = client.clone();
    let start: TransactionFunction = Arc::new(move |user| {
        let builder = client.builder();
        Box::pin(async move { user.set_client_builder(builder).await.map_err(Box::new) })
    });
    let mut scenario = Scenario::new("browse")
        .set_wait_time(options.think, options.think)?
        .register_transaction(Transaction::new(start).set_name("start").set_on_start())
        .register_transaction(
            transaction(step(&options.paths[0].0, None)).set_name("landing").set_sequence(1),
        );
    for (path, weight) in &options.paths {
        scenario = scenario.register_transaction(
            transaction(step(path, None))
                .set_name(path)
                .set_sequence(2)
                .set_weight(*weight as usize)?,
        );
    }
    if let Some((path, bytes)) = &options.post {
        scenario = scenario.register_transaction(
            transaction(step(path, Some(*bytes))).set_name("post").set_sequence(3),
        );
    }
    Ok(scenario)
}

fn transaction(step: Step) -> Transaction {
    Transaction::new(Arc::new(move |user| {
        let step = step.clone();
        Box::pin(async move { step.run(user).await })
    }))
}

impl Step {
    async fn run(&self, user: &mut GooseUser) -> TransactionResult {
        let intended = self.clock.now_ns();
        self.recorder.offered(intended);
        let answer = match self.post_bytes {
            None => user.get(&self.path).await?,
            Some(bytes) => user.post(&self.path, vec![b'v'; bytes]).await?,
        };
        let first = self.clock.now_ns();
        match answer.response {
            Err(error) => self.recorder.failed(intended, kind_of(&error), None),
            Ok(response) => {
                let protocol = protocol_name(response.version());
                let status = response.status().as_u16();
                let body = response.bytes().await;
                let last = self.clock.now_ns();
                match (body, ErrorKind::of_status(status)) {
                    (Err(error), _) => {
                        self.recorder.failed(intended, kind_of(&error), Some(protocol));
                    }
                    (Ok(_), Some(kind)) => self.recorder.failed(intended, kind, Some(protocol)),
                    (Ok(body), None) => {
                        let stamps = Stamps { intended, sent: intended, first, last };
                        self.recorder.answered(intended, stamps, protocol, body.len() as u64);
                    }
                }
            }
        }
        Ok(())
    }
}

/// Name of a protocol version in the report.
pub fn protocol_name(version: Version) -> &'static str {
    match version {
        Version::HTTP_2 => "HTTP/2",
        Version::HTTP_11 => "HTTP/1.1",
        Version::HTTP_10 => "HTTP/1.0",
        _ => "other",
    }
}

fn kind_of(error: &reqwest::Error) -> ErrorKind {
    if error.is_timeout() {
        return ErrorKind::Timeout;
    }
    if error.is_connect() {
        return ErrorKind::Connect;
    }
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        if let Some(h2) = cause.downcast_ref::<h2::Error>() {
            return ErrorKind::from(h2);
        }
        source = cause.source();
    }
    ErrorKind::Disconnected
}

/// Discards all log records of this process, which are goose's and its dependencies'.
struct Discard;

impl log::Log for Discard {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        false
    }

    fn log(&self, _: &log::Record<'_>) {}

    fn flush(&self) {}
}

fn silence() {
    // A second run in this process, or a host program with its own logger: nothing to do.
    let _ = log::set_logger(&Discard);
}
