//! The worker threads of a run, their recorders, and the channels to them.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use crate::connections::dialer::Dialer;
use crate::engines::event_loop::{Engine, EngineSpec, Stop};
use crate::engines::goose_users;
use crate::engines::slow_readers::{self, SlowSpec};
use crate::error::LoadError;
use crate::limits::INTERRUPT_DRAIN;
use crate::options::Options;
use crate::recording::clock::Clock;
use crate::recording::recorder::Recorder;
use crate::scenarios::catalog::Kind;
use crate::scenarios::plan::{Plan, plan};
use crate::schedule::timeline::Timeline;

/// Threads of goose's runtime.
const GOOSE_THREADS: usize = 2;
/// What an aborted worker gets to tell its last counts.
const ABORT_PATIENCE: Duration = Duration::from_millis(200);

type Report = Result<(), LoadError>;
type Recorded<S> = (Arc<Recorder>, S);
/// An engine with its recorder and those of its steps.
type RecordedEngine = (Arc<Recorder>, Vec<Arc<Recorder>>, EngineSpec);
/// Name of a thread, its engines and slow readers.
type ThreadPlan = (String, Vec<RecordedEngine>, Option<Recorded<SlowSpec>>);

/// The worker threads and the channels to them.
pub struct Workers {
    count: usize,
    /// Each worker reports twice: connected, finished.
    reports: mpsc::UnboundedReceiver<Report>,
    origin: watch::Sender<Option<Clock>>,
    stop: watch::Sender<Stop>,
    recorders: Vec<Arc<Recorder>>,
    with_goose: bool,
}

/// What every worker thread gets.
#[derive(Clone)]
struct WorkerSide {
    reports: mpsc::UnboundedSender<Report>,
    origin: watch::Receiver<Option<Clock>>,
    stop: watch::Receiver<Stop>,
}

impl WorkerSide {
    /// Reports success so far and waits for the origin; nothing if the run is called off.
    async fn wait_for_origin(&mut self) -> Option<Clock> {
        let _ = self.reports.send(Ok(()));
        self.origin.wait_for(Option::is_some).await.ok().and_then(|clock| *clock)
    }
}

impl Workers {
    /// Starts all threads; they connect and then wait.
    ///
    /// # Errors
    /// If the system refuses a thread, or a path is not one.
    pub fn start(
        options: &Arc<Options>,
        dialer: &Dialer,
        timeline: &Timeline,
    ) -> Result<Workers, LoadError> {
        let (report, reports) = mpsc::unbounded_channel();
        let (origin, origin_side) = watch::channel(None);
        let (stop, stop_side) = watch::channel(Stop::No);
        let side = WorkerSide { reports: report, origin: origin_side, stop: stop_side };
        let mut workers = Workers {
            count: 0,
            reports,
            origin,
            stop,
            recorders: Vec::new(),
            with_goose: options.scenario.kind == Kind::Browse,
        };
        if workers.with_goose {
            let recorder = workers.recorder(options.scenario.groups[0], timeline);
            workers.start_goose(options, dialer, recorder, side)?;
        } else {
            workers.start_engines(options, dialer, timeline, &side)?;
        }
        Ok(workers)
    }

    fn recorder(&mut self, group: &'static str, timeline: &Timeline) -> Arc<Recorder> {
        let recorder = Arc::new(Recorder::new(group, timeline.clone()));
        self.recorders.push(Arc::clone(&recorder));
        recorder
    }

    fn start_goose(
        &mut self,
        options: &Arc<Options>,
        dialer: &Dialer,
        recorder: Arc<Recorder>,
        side: WorkerSide,
    ) -> Report {
        let (options, dialer) = (Arc::clone(options), dialer.clone());
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        builder.worker_threads(GOOSE_THREADS);
        self.count += 1;
        spawn("goose", side, builder, move |mut side| async move {
            let Some(clock) = side.wait_for_origin().await else { return Ok(()) };
            let journey = goose_users::run(&options, dialer, Arc::clone(&recorder), clock);
            let interrupted = async {
                Stop::asked(&mut side.stop).await;
                recorder.cut(clock.now_ns());
                goose_users::interrupt();
                tokio::select! {
                    () = tokio::time::sleep(INTERRUPT_DRAIN) => {}
                    _ = side.stop.wait_for(|stop| *stop == Stop::Abort) => {}
                }
            };
            tokio::select! {
                done = journey => done,
                () = interrupted => Ok(()),
            }
        })
    }

    fn start_engines(
        &mut self,
        options: &Arc<Options>,
        dialer: &Dialer,
        timeline: &Timeline,
        side: &WorkerSide,
    ) -> Report {
        let Plan { measured, others, slow } = plan(options.scenario, options)?;
        let mut threads: Vec<ThreadPlan> = Vec::new();
        for (number, spec) in measured.into_iter().enumerate() {
            let recorder = self.recorder(spec.group, timeline);
            let steps = self.step_recorders(options, timeline);
            threads.push((format!("measured-{number}"), vec![(recorder, steps, spec)], None));
        }
        if !others.is_empty() || slow.is_some() {
            let others = others
                .into_iter()
                .map(|spec| (self.recorder(spec.group, timeline), Vec::new(), spec))
                .collect();
            let slow = slow.map(|spec| (self.recorder(spec.group, timeline), spec));
            threads.push(("background".to_string(), others, slow));
        }
        for (name, engines, slow) in threads {
            let (options, dialer) = (Arc::clone(options), dialer.clone());
            let builder = tokio::runtime::Builder::new_current_thread();
            self.count += 1;
            spawn(&name, side.clone(), builder, move |side| {
                run_engines(options, dialer, engines, slow, side)
            })?;
        }
        Ok(())
    }

    /// A recorder for each step of the journeys of one thread; steps of one name share it.
    fn step_recorders(&mut self, options: &Options, timeline: &Timeline) -> Vec<Arc<Recorder>> {
        let Some(journeys) = &options.journeys else { return Vec::new() };
        let groups = &options.scenario.groups[1..];
        let recorders: Vec<_> = groups.iter().map(|name| self.recorder(name, timeline)).collect();
        let of =
            |name: &str| groups.iter().position(|group| *group == name).expect("it has a group");
        journeys.steps.iter().map(|step| Arc::clone(&recorders[of(&step.name)])).collect()
    }

    /// The recorders of all threads.
    pub fn recorders(&self) -> &[Arc<Recorder>] {
        &self.recorders
    }

    /// Waits until all are connected.
    ///
    /// # Errors
    /// The first failure of a worker.
    pub async fn ready(&mut self) -> Report {
        for _ in 0..self.count {
            self.next_report().await?;
        }
        Ok(())
    }

    /// Starts all schedules.
    pub fn begin(&self, clock: Clock) {
        self.origin.send_replace(Some(clock));
    }

    /// Asks all to stop.
    pub fn stop(&self, how: Stop) {
        self.stop.send_replace(how);
    }

    /// Waits for the next worker until all have finished. Cancel safe.
    ///
    /// # Errors
    /// The first failure of a worker.
    pub async fn finished(&mut self) -> Report {
        while self.count > 0 {
            self.next_report().await?;
            self.count -= 1;
        }
        Ok(())
    }

    /// After an abort: gives the workers a moment, and the counts so far are the result anyway.
    pub async fn finished_soon(&mut self) {
        let _ = tokio::time::timeout(ABORT_PATIENCE, self.finished()).await;
    }

    async fn next_report(&mut self) -> Report {
        self.reports.recv().await.unwrap_or_else(|| {
            Err(LoadError::System(std::io::Error::other("a worker thread ended without a report")))
        })
    }
}

/// Starts a thread with a runtime that does `work` and reports its end.
fn spawn<F, W>(
    name: &str,
    side: WorkerSide,
    mut builder: tokio::runtime::Builder,
    work: F,
) -> Report
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
        // Tasks that goose left behind are not waited for.
        runtime.shutdown_background();
    })?;
    Ok(())
}

async fn run_engines(
    options: Arc<Options>,
    dialer: Dialer,
    engines: Vec<RecordedEngine>,
    slow: Option<Recorded<SlowSpec>>,
    mut side: WorkerSide,
) -> Report {
    let mut ready = Vec::new();
    for (recorder, steps, spec) in engines {
        let connected = Engine::connect(spec, recorder, steps, dialer.clone()).await;
        ready.push(connected.map_err(|error| error.into_load_error(&options.target.base))?);
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
    Ok(())
}
