//! The load of one measurement: as much as the server takes, then a fixed rate.
//!
//! 1. At full load every stream sends its next request when the answer to the last has come: the
//!    number of requests per second is the server's, unless the load itself uses up its thread.
//! 2. At the fixed rate requests leave by a schedule, whatever the server does, so that latency
//!    counts from the time at which a request should have left.
//! 3. A request that is not answered well makes the measurement fail.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::task::{JoinSet, LocalSet};
use valk_load::command_line::{Command, parse};
use valk_load::connections::dialer::Dialer;
use valk_load::connections::exchange::exchange;
use valk_load::connections::target::Target;
use valk_load::interrupt::Interrupt;
use valk_load::limits::OWN_STREAM_WINDOW;
use valk_load::options::Options;
use valk_load::recording::clock::Clock;
use valk_load::recording::cpu_time;
use valk_load::reports::progress::Progress;
use valk_load::requests::template::Template;
use valk_load::run::execute;

use crate::server::Server;

/// Load before the clock starts: connections are made, code is warm.
const WARM_UP: Duration = Duration::from_millis(300);

/// Size of the load.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// Connections.
    pub connections: u32,
    /// Streams on each of them.
    pub streams: u32,
    /// Length of either half.
    pub duration: Duration,
    /// Requests per second of the second half.
    pub rate: u32,
}

/// What a server did at full load.
#[derive(Clone, Copy, Debug)]
pub struct FullLoad {
    /// CPU time of the server for each request.
    pub cpu_us: f64,
    /// Requests answered per second.
    pub requests_per_s: f64,
    /// CPU time of the server as a share of the time that went by.
    pub server_busy: f64,
    /// The same of the load program, which has one thread.
    pub load_busy: f64,
}

/// What a server did at the fixed rate.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::struct_field_names, reason = "all are times, and the unit belongs to the name")]
pub struct FixedRate {
    /// CPU time of the server for each request.
    pub cpu_us: f64,
    /// Half of the requests were answered within this time.
    pub p50_us: f64,
    /// 99 of 100 were.
    pub p99_us: f64,
}

/// Puts the server under as much load as it takes.
///
/// # Errors
/// If the server cannot be reached or a request fails.
pub fn full(server: &Server, load: Load) -> Result<FullLoad, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|cause| format!("no reactor: {cause}"))?;
    LocalSet::new().block_on(&runtime, full_load(server, load))
}

async fn full_load(server: &Server, load: Load) -> Result<FullLoad, String> {
    let target = Target::parse(&server.target, &[]).map_err(|error| error.to_string())?;
    let dialer = Dialer::new(&target, None).map_err(|error| error.to_string())?;
    let uri = target.uri("/", None).map_err(|error| error.to_string())?;
    let template = Rc::new(Template::get(vec![uri]));
    let clock = Clock::new(Instant::now());
    let answered = Rc::new(Cell::new(0_u64));
    let mut tasks = JoinSet::new();
    for _ in 0..load.connections {
        let opened = dialer.open(OWN_STREAM_WINDOW).await;
        let opened = opened.map_err(|error| format!("{error:?}"))?;
        let (sender, connection) = (opened.sender, opened.connection);
        tasks.spawn_local(async move { Err(format!("connection ended: {:?}", connection.await)) });
        for _ in 0..load.streams {
            let (mut sender, template) = (sender.clone(), Rc::clone(&template));
            let answered = Rc::clone(&answered);
            tasks.spawn_local(async move {
                loop {
                    if let Err((kind, _)) = exchange(&mut sender, &template, 0, 0, clock).await {
                        return Err::<(), String>(format!("a request failed: {kind}"));
                    }
                    answered.set(answered.get() + 1);
                }
            });
        }
    }
    let measured = async {
        tokio::time::sleep(WARM_UP).await;
        let before = Reading::take(server, answered.get())?;
        tokio::time::sleep(load.duration).await;
        Ok(before.until(&Reading::take(server, answered.get())?))
    };
    tokio::select! {
        ended = tasks.join_next() => Err(match ended {
            Some(Ok(Err(reason))) => reason,
            other => format!("a task of the load ended: {other:?}"),
        }),
        measured = measured => measured,
    }
}

/// What had been used at a moment.
struct Reading {
    at: Instant,
    server: Duration,
    load: Duration,
    answered: u64,
}

impl Reading {
    fn take(server: &Server, answered: u64) -> Result<Reading, String> {
        let load = cpu_time::cpu_time().ok_or("no /proc/self/stat")?;
        Ok(Reading { at: Instant::now(), server: server.cpu_time()?, load, answered })
    }

    fn until(&self, later: &Reading) -> FullLoad {
        let seconds = (later.at - self.at).as_secs_f64();
        let server = later.server.saturating_sub(self.server).as_secs_f64();
        let load = later.load.saturating_sub(self.load).as_secs_f64();
        let requests = (later.answered - self.answered).max(1) as f64;
        FullLoad {
            cpu_us: server * 1e6 / requests,
            requests_per_s: requests / seconds,
            server_busy: server / seconds,
            load_busy: load / seconds,
        }
    }
}

/// Sends requests at the fixed rate: the scenario `steady` of the load generator.
///
/// # Errors
/// If the server cannot be reached or a request fails.
pub fn fixed_rate(server: &Server, load: Load) -> Result<FixedRate, String> {
    let words = [
        "valk-load".to_owned(),
        "run".to_owned(),
        "steady".to_owned(),
        format!("--target={}", server.target),
        format!("--rate={}", load.rate),
        format!("--duration={}ms", load.duration.as_millis()),
        format!("--connections={}", load.connections),
        format!("--streams={}", load.streams),
    ];
    let parsed = parse(words).map_err(|error| error.to_string())?;
    let Command::Run(arguments) = parsed.command else {
        return Err("the command is `run`".to_owned());
    };
    let options = Options::check(&arguments).map_err(|error| error.to_string())?;
    let (_count, never) = watch::channel(0);
    let before = server.cpu_time()?;
    let result = execute(&Arc::new(options), Interrupt::counted(never), &mut Progress::new(None))
        .map_err(|error| error.to_string())?;
    let cpu = server.cpu_time()?.saturating_sub(before);
    let counts = result.groups[0].total();
    if counts.ok == 0 || counts.ok != counts.offered {
        return Err(format!(
            "{} of {} requests answered: {:?}",
            counts.ok, counts.offered, counts.errors
        ));
    }
    let at = |percentile| counts.latencies.total.value_at_percentile(percentile) as f64;
    Ok(FixedRate {
        cpu_us: cpu.as_secs_f64() * 1e6 / counts.ok as f64,
        p50_us: at(50.0),
        p99_us: at(99.0),
    })
}
