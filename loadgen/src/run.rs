//! Executes a scenario: probes the target, starts the workers, shows progress, collects counts.
//!
//! 1. Nothing starts before the target has proved to speak HTTP/2 (`browse` proves it by counting
//!    response versions instead).
//! 2. The measured engine has a thread and a reactor of its own; slow readers and other load share
//!    a second one, so that they disturb the victim only through the server.
//! 3. All workers connect first; then one origin starts all schedules.
//! 4. An interrupt asks the workers to stop; the counts so far are reported.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use crate::connections::dialer::{DialError, Dialer};
use crate::connections::persistent::PersistentConnection;
use crate::engines::goose_users;
use crate::engines::open_loop::{Engine, EngineSpec};
use crate::engines::slow_readers::{self, SlowSpec};
use crate::error::LoadError;
use crate::options::Options;
use crate::quantity::whole_ns;
use crate::recording::clock::Clock;
use crate::recording::cpu_time::cpu_time;
use crate::recording::recorder::{GroupResult, Recorder};
use crate::reports::progress::Progress;
use crate::scenarios::catalog::Kind;
use crate::scenarios::plan::{Plan, plan};

/// Time between the last connection and the first arrival.
const START_DELAY: Duration = Duration::from_millis(20);
/// Interval of the progress lines.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(1);
/// Threads of goose's runtime.
const GOOSE_THREADS: usize = 2;

/// What ends a run early.
#[derive(Clone, Debug)]
pub enum Interrupt {
    /// Ctrl-C of this process.
    CtrlC,
    /// A flag, for programs that embed the generator.
    Flag(watch::Receiver<bool>),
}

impl Interrupt {
    async fn wait(self) {
        let never = match self {
            Interrupt::CtrlC => tokio::signal::ctrl_c().await.is_err(),
            Interrupt::Flag(mut flag) => flag.wait_for(|stop| *stop).await.is_err(),
        };
        if never {
            std::future::pending::<()>().await;
        }
    }
}

/// What a run left behind.
#[derive(Debug)]
pub struct RunResult {
    /// Groups in the order of the scenario.
    pub groups: Vec<GroupResult>,
    /// Set if the target does not speak HTTP/2 at all; then nothing was sent.
    pub not_http2: Option<String>,
    /// Whether the run ended early.
    pub interrupted: bool,
    /// From the origin to the end, including the wait for the last answers.
    pub elapsed: Duration,
    /// CPU time of the whole process during the run, where the system has that number.
    pub cpu: Option<Duration>,
}

impl RunResult {
    /// How long a stretch of the plan really lasted, in seconds: an interrupt cuts it short.
    pub fn seconds_between(&self, start_ns: u64, end_ns: u64) -> f64 {
        let end_ns = end_ns.min(whole_ns(self.elapsed));
        end_ns.saturating_sub(start_ns).max(1) as f64 / 1e9
    }
}

/// Runs the scenario of the options.
///
/// # Errors
/// If the target cannot be reached or the run cannot be set up.
pub fn execute(
    options: &Arc<Options>,
    interrupt: Interrupt,
    progress: &mut Progress<'_>,
) -> Result<RunResult, LoadError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(conduct(options, interrupt, progress))
}

async fn conduct(
    options: &Arc<Options>,
    interrupt: Interrupt,
    progress: &mut Progress<'_>,
) -> Result<RunResult, LoadError> {
    let timeline = options.scenario.timeline(options.duration);
    let groups = options.scenario.groups.iter();
    let recorders: Vec<Arc<Recorder>> =
        groups.map(|name| Arc::new(Recorder::new(name, timeline.clone()))).collect();
    let collect = |recorders: &[Arc<Recorder>]| recorders.iter().map(|r| r.result()).collect();
    let dialer = Dialer::new(&options.target, options.trust.as_ref())?;
    match dialer.probe().await {
        Err(DialError::NotHttp2(why)) if options.scenario.kind != Kind::Browse => {
            return Ok(RunResult {
                groups: collect(&recorders),
                not_http2: Some(why),
                interrupted: false,
                elapsed: Duration::ZERO,
                cpu: None,
            });
        }
        Ok(()) | Err(DialError::NotHttp2(_)) => {}
        Err(unreachable) => return Err(explain_dial(options, unreachable)),
    }

    let mut workers = Workers::start(options, &dialer, &recorders)?;
    workers.ready().await?;
    let cpu_before = cpu_time();
    let origin = Instant::now() + START_DELAY;
    let clock = Clock::new(origin);
    workers.begin(clock);

    let mut interrupted = false;
    let mut interrupt = std::pin::pin!(interrupt.wait());
    let mut seconds =
        tokio::time::interval_at((origin + PROGRESS_INTERVAL).into(), PROGRESS_INTERVAL);
    loop {
        tokio::select! {
            finished = workers.finished() => {
                finished?;
                break;
            }
            () = &mut interrupt, if !interrupted => {
                interrupted = true;
                workers.stop(options.scenario.kind);
            }
            _ = seconds.tick() => progress.line(&timeline, clock.now_ns(), &recorders),
        }
    }
    interrupted |= options.scenario.kind == Kind::Browse && goose_users::was_interrupted();
    Ok(RunResult {
        groups: collect(&recorders),
        not_http2: None,
        interrupted,
        elapsed: origin.elapsed(),
        cpu: cpu_time().zip(cpu_before).map(|(after, before)| after.saturating_sub(before)),
    })
}

fn explain_dial(options: &Options, error: DialError) -> LoadError {
    let target = options.target.base.clone();
    match error {
        DialError::Unreachable { cause, hint } => LoadError::Unreachable { target, cause, hint },
        DialError::NotHttp2(cause) => LoadError::Unreachable {
            target,
            cause,
            hint: "the server spoke HTTP/2 a moment ago; is it restarting?".to_string(),
        },
    }
}

type Report = Result<(), LoadError>;

/// The worker threads and the channels to them.
struct Workers {
    count: usize,
    /// Each worker reports twice: connected, finished.
    reports: mpsc::UnboundedReceiver<Report>,
    origin: watch::Sender<Option<Clock>>,
    stop: watch::Sender<bool>,
}

/// What every worker thread gets.
#[derive(Clone)]
struct WorkerSide {
    reports: mpsc::UnboundedSender<Report>,
    origin: watch::Receiver<Option<Clock>>,
    stop: watch::Receiver<bool>,
}

impl WorkerSide {
    /// Reports success so far and waits for the origin; nothing if the run is called off.
    async fn wait_for_origin(&mut self) -> Option<Clock> {
        let _ = self.reports.send(Ok(()));
        self.origin.wait_for(Option::is_some).await.ok().and_then(|clock| *clock)
    }
}

impl Workers {
    fn start(
        options: &Arc<Options>,
        dialer: &Dialer,
        recorders: &[Arc<Recorder>],
    ) -> Result<Workers, LoadError> {
        let (report, reports) = mpsc::unbounded_channel();
        let (origin, origin_side) = watch::channel(None);
        let (stop, stop_side) = watch::channel(false);
        let side = WorkerSide { reports: report, origin: origin_side, stop: stop_side };
        let mut count = 1;
        if options.scenario.kind == Kind::Browse {
            let (options, recorder) = (Arc::clone(options), Arc::clone(&recorders[0]));
            let mut builder = tokio::runtime::Builder::new_multi_thread();
            builder.worker_threads(GOOSE_THREADS);
            spawn("goose", side, builder, move |mut side| async move {
                let Some(clock) = side.wait_for_origin().await else { return Ok(()) };
                goose_users::run(&options, recorder, clock).await
            })?;
        } else {
            let Plan { mut engines, slow } = plan(options.scenario, options)?;
            let others = engines.split_off(1);
            let recorder_of = |group: &str| {
                let index = options.scenario.groups.iter().position(|name| *name == group);
                Arc::clone(&recorders[index.expect("plans use the scenario's groups")])
            };
            let engines = with_recorders(engines, recorder_of);
            let others = with_recorders(others, recorder_of);
            let slow = slow.map(|spec| (recorder_of(spec.group), spec));
            let busy = !others.is_empty() || slow.is_some();
            let builder = tokio::runtime::Builder::new_current_thread;
            for (name, engines, slow, needed) in
                [("measured", engines, None, true), ("background", others, slow, busy)]
            {
                if needed {
                    let (options, dialer) = (Arc::clone(options), dialer.clone());
                    spawn(name, side.clone(), builder(), move |side| {
                        run_engines(options, dialer, engines, slow, side)
                    })?;
                }
            }
            count = 1 + usize::from(busy);
        }
        Ok(Workers { count, reports, origin, stop })
    }

    async fn ready(&mut self) -> Report {
        for _ in 0..self.count {
            self.next_report().await?;
        }
        Ok(())
    }

    fn begin(&self, clock: Clock) {
        self.origin.send_replace(Some(clock));
    }

    fn stop(&self, kind: Kind) {
        self.stop.send_replace(true);
        if kind == Kind::Browse {
            goose_users::interrupt();
        }
    }

    /// Waits for the next worker until all have finished. Cancel safe.
    async fn finished(&mut self) -> Report {
        while self.count > 0 {
            self.next_report().await?;
            self.count -= 1;
        }
        Ok(())
    }

    async fn next_report(&mut self) -> Report {
        self.reports.recv().await.unwrap_or_else(|| {
            Err(LoadError::System(std::io::Error::other("a worker thread ended without a report")))
        })
    }
}

type Recorded<S> = (Arc<Recorder>, S);

fn with_recorders(
    specs: Vec<EngineSpec>,
    recorder_of: impl Fn(&str) -> Arc<Recorder>,
) -> Vec<Recorded<EngineSpec>> {
    specs.into_iter().map(|spec| (recorder_of(spec.group), spec)).collect()
}

/// Starts a thread with a runtime that does `work` and reports its end.
fn spawn<F, W>(
    name: &str,
    side: WorkerSide,
    mut builder: tokio::runtime::Builder,
    work: F,
) -> Result<(), LoadError>
where
    F: FnOnce(WorkerSide) -> W + Send + 'static,
    W: Future<Output = Report>,
{
    let runtime = builder.enable_all().build()?;
    std::thread::Builder::new().name(name.to_string()).spawn(move || {
        let reports = side.reports.clone();
        let report = runtime.block_on(work(side));
        // The receiver is closed if another worker has failed first.
        let _ = reports.send(report);
    })?;
    Ok(())
}

async fn run_engines(
    options: Arc<Options>,
    dialer: Dialer,
    engines: Vec<Recorded<EngineSpec>>,
    slow: Option<Recorded<SlowSpec>>,
    mut side: WorkerSide,
) -> Report {
    let (end, ended) = watch::channel(false);
    let mut ready = Vec::new();
    for (recorder, spec) in engines {
        let mut connections = Vec::new();
        for _ in 0..spec.schedule.connections {
            let opened =
                PersistentConnection::open(dialer.clone(), Arc::clone(&recorder), ended.clone())
                    .await;
            connections.push(opened.map_err(|e| explain_dial(&options, e))?);
        }
        ready.push(Engine::new(spec, recorder, connections));
    }
    let Some(clock) = side.wait_for_origin().await else { return Ok(()) };
    let mut tasks = JoinSet::new();
    for engine in ready {
        tasks.spawn(engine.run(clock, side.stop.clone()));
    }
    if let Some((recorder, spec)) = slow {
        let stop = side.stop.clone();
        tasks.spawn(async move {
            slow_readers::run(spec, dialer, recorder, clock, stop).await;
            Ok(())
        });
    }
    while let Some(task) = tasks.join_next().await {
        task.map_err(std::io::Error::other)??;
    }
    end.send_replace(true);
    Ok(())
}
