//! User journeys driven by goose, recorded by our own clocks.
//!
//! 1. goose never sees our command line, opens no control port and prints nothing: it gets a
//!    finished configuration, and its log goes to a logger that discards.
//! 2. goose decides who does what when. The requests themselves go over our own HTTP/2 connections,
//!    one for each user: a path leaves byte for byte as it was given, where a URL library would
//!    rewrite it, or follow `//host/` to another host.
//! 3. A request's clock runs to the last byte of its body; goose's own clock stops at the head.
//! 4. Ctrl-C is not goose's: the program has taken the handler before (see `main`).

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use goose::GooseAttack;
use goose::config::GooseConfiguration;
use goose::goose::{GooseUser, Scenario, Transaction, TransactionFunction, TransactionResult};
use http::Method;
use tokio::sync::Mutex;

use crate::connections::dialer::Dialer;
use crate::connections::session::Session;
use crate::error::LoadError;
use crate::options::Options;
use crate::quantity::whole_seconds;
use crate::recording::clock::Clock;
use crate::recording::recorder::Recorder;
use crate::requests::template::Template;

/// Ends a running journey early.
pub fn interrupt() {
    goose::trigger_killswitch("interrupted");
}

/// Runs the journey to its end.
///
/// # Errors
/// If goose refuses its configuration.
pub async fn run(
    options: &Options,
    dialer: Dialer,
    recorder: Arc<Recorder>,
    clock: Clock,
) -> Result<(), LoadError> {
    silence();
    clock.started().await;
    let broken = |e: goose::GooseError| LoadError::Goose(e.to_string());
    let attack = GooseAttack::initialize_with_config(configuration(options))
        .map_err(broken)?
        .register_scenario(journey(options, &dialer, &recorder, clock)?.map_err(broken)?);
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
    // Only for goose's own client, which nobody uses; it would demand system certificates.
    config.accept_invalid_certs = true;
    config
}

/// A user's connection, kept in goose's session data.
#[derive(Clone)]
struct UserSession(Arc<Mutex<Session>>);

/// One step: what to ask for.
#[derive(Clone)]
struct Step {
    template: Arc<Template>,
    path: usize,
    timeout: Duration,
    recorder: Arc<Recorder>,
    clock: Clock,
}

type Journey = Result<Scenario, goose::GooseError>;

fn journey(
    options: &Options,
    dialer: &Dialer,
    recorder: &Arc<Recorder>,
    clock: Clock,
) -> Result<Journey, LoadError> {
    let pages = Arc::new(options.template()?);
    let step = |template: &Arc<Template>, path| Step {
        template: Arc::clone(template),
        path,
        timeout: options.timeout,
        recorder: Arc::clone(recorder),
        clock,
    };
    let post = match &options.post {
        None => None,
        Some((path, bytes)) => {
            let uri = options.target.uri(path, options.authority.as_deref())?;
            let body = Bytes::from(vec![b'v'; *bytes]);
            let template = Template { uris: vec![uri], ..(*pages).clone() };
            Some(step(&Arc::new(template.with_body(Method::POST, body)), 0))
        }
    };
    let dialer = dialer.clone();
    let start: TransactionFunction = Arc::new(move |user| {
        let session = Arc::new(Mutex::new(Session::new(dialer.clone())));
        user.set_session_data(UserSession(session));
        Box::pin(async move { Ok(()) })
    });
    let paths: Vec<(String, u32)> = options.paths.clone();
    let think = options.think;
    let build = move || {
        let mut scenario = Scenario::new("browse")
            .set_wait_time(think, think)?
            .register_transaction(Transaction::new(start).set_name("start").set_on_start())
            .register_transaction(transaction(step(&pages, 0)).set_name("landing").set_sequence(1));
        for (index, (path, weight)) in paths.iter().enumerate() {
            scenario = scenario.register_transaction(
                transaction(step(&pages, index))
                    .set_name(path)
                    .set_sequence(2)
                    .set_weight(*weight as usize)?,
            );
        }
        if let Some(post) = post {
            scenario =
                scenario.register_transaction(transaction(post).set_name("post").set_sequence(3));
        }
        Ok(scenario)
    };
    Ok(build())
}

fn transaction(step: Step) -> Transaction {
    Transaction::new(Arc::new(move |user| {
        let step = step.clone();
        Box::pin(async move { step.run(user).await })
    }))
}

impl Step {
    async fn run(&self, user: &mut GooseUser) -> TransactionResult {
        let UserSession(session) = user.get_session_data_unchecked::<UserSession>().clone();
        let mut session = session.lock().await;
        let pause = session.pause();
        if !pause.is_zero() {
            tokio::time::sleep(pause).await;
        }
        let due_ns = self.clock.now_ns();
        self.recorder.offered(due_ns);
        let answer = session
            .request(&self.template, self.path, self.timeout, self.clock, &self.recorder)
            .await;
        match answer {
            Ok(answer) => {
                self.recorder.answered(due_ns, answer.stamps, answer.body_bytes);
                if (300..400).contains(&answer.status) {
                    self.recorder.redirected();
                }
            }
            Err((kind, responded)) => {
                self.recorder.failed(due_ns, self.clock.now_ns(), kind, responded);
            }
        }
        Ok(())
    }
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
