//! Executes a scenario: probes the target, starts the workers, shows progress, collects counts.
//!
//! 1. Nothing starts before the target has proved to speak HTTP/2.
//! 2. Each part of the measured engine has a thread and a reactor of its own; slow readers and other
//!    load share another one, so that they disturb the victim only through the server.
//! 3. All workers connect first; then one origin starts all schedules.
//! 4. The first interrupt asks the workers to stop, the second ends the run with the counts so far.

mod workers;

use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use crate::connections::dialer::Dialer;
use crate::engines::event_loop::Stop;
use crate::error::LoadError;
use crate::interrupt::Interrupt;
use crate::options::Options;
use crate::quantity::whole_ns;
use crate::recording::clock::Clock;
use crate::recording::counts::GroupResult;
use crate::recording::cpu_time::cpu_time;
use crate::recording::recorder::Recorder;
use crate::reports::progress::Progress;
use crate::server_metrics::scraper::{Scraped, Scraper};

use workers::Workers;

/// Time between the last connection and the first arrival.
const START_DELAY: Duration = Duration::from_millis(20);
/// Interval of the progress lines.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(1);

/// What a run left behind.
#[derive(Debug)]
pub struct RunResult {
    /// Groups in the order of the scenario.
    pub groups: Vec<GroupResult>,
    /// Whether the run ended early.
    pub interrupted: bool,
    /// When the first request was due.
    pub started: SystemTime,
    /// From the origin to the end, including the wait for the last answers.
    pub elapsed: Duration,
    /// From the origin to the interrupt, or the whole schedule.
    pub scheduled: Duration,
    /// What the server said of itself; without a URL if nobody asked.
    pub scraped: Scraped,
    /// CPU time of the whole process during the run, where the system has that number.
    pub cpu: Option<Duration>,
}

impl RunResult {
    /// How long a stretch of the plan really lasted, in seconds: an interrupt cuts it short.
    pub fn seconds_between(&self, start_ns: u64, end_ns: u64) -> f64 {
        let end_ns = end_ns.min(whole_ns(self.scheduled));
        end_ns.saturating_sub(start_ns) as f64 / 1e9
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
    mut interrupt: Interrupt,
    progress: &mut Progress<'_>,
) -> Result<RunResult, LoadError> {
    let timeline = options.scenario.timeline(options.duration);
    let dialer = Dialer::new(&options.target, options.trust.as_ref())?;
    let failed =
        |error: crate::connections::failure::DialError| error.into_load_error(&options.target.base);
    dialer.probe().await.map_err(failed)?;
    let scraper = match &options.scrape {
        Some(scrape) => Some(Scraper::new(scrape).await?),
        None => None,
    };

    let mut workers = Workers::start(options, &dialer, &timeline)?;
    tokio::select! {
        ready = workers.ready() => ready?,
        () = interrupt.next() => return Err(LoadError::Interrupted),
    }
    let cpu_before = cpu_time();
    let origin = Instant::now() + START_DELAY;
    let started = SystemTime::now() + START_DELAY;
    let clock = Clock::new(origin);
    workers.begin(clock);
    let scraped = scraper.as_ref().map(Scraper::scraped);
    let looks = scraper.map(|scraper| tokio::spawn(scraper.run(clock)));

    let mut interrupted_ns = None;
    let mut seconds =
        tokio::time::interval_at((origin + PROGRESS_INTERVAL).into(), PROGRESS_INTERVAL);
    loop {
        tokio::select! {
            finished = workers.finished() => {
                finished?;
                break;
            }
            () = interrupt.next() => {
                interrupted_ns.get_or_insert(clock.now_ns());
                let stop = if interrupt.count() < 2 { Stop::Drain } else { Stop::Abort };
                workers.stop(stop);
                if stop == Stop::Abort {
                    workers.finished_soon().await;
                    break;
                }
            }
            _ = seconds.tick() => progress.line(&timeline, clock.now_ns(), workers.recorders()),
        }
    }
    if let Some(looks) = looks {
        looks.abort();
    }
    let scheduled = Duration::from_nanos(interrupted_ns.unwrap_or(timeline.end_ns()));
    Ok(RunResult {
        groups: collect(options.scenario.groups, workers.recorders()),
        interrupted: interrupted_ns.is_some(),
        started,
        elapsed: origin.elapsed(),
        scheduled,
        scraped: scraped
            .map(|kept| kept.lock().unwrap_or_else(PoisonError::into_inner).clone())
            .unwrap_or_default(),
        cpu: cpu_time().zip(cpu_before).map(|(after, before)| after.saturating_sub(before)),
    })
}

/// One result for each group: the sum of its recorders.
fn collect(groups: &[&'static str], recorders: &[Arc<Recorder>]) -> Vec<GroupResult> {
    let sum = |name: &&str| {
        let mut results =
            recorders.iter().filter(|r| r.name() == *name).map(|recorder| recorder.result());
        let mut sum = results.next().expect("each group has a recorder");
        results.for_each(|result| sum.add(&result));
        sum
    };
    groups.iter().map(sum).collect()
}
