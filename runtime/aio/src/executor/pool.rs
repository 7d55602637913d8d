//! All executors of a runtime, the functions that any of them may run, and what is alive.
//!
//! 1. The threads of executors 1 and up are started together, when the first function is handed
//!    over or the first listener asks for them. Each drives a worker of the work-stealing pool of
//!    [`valk_sync::executor`], and so does executor 0.
//! 2. A *job* lies in an object of the heap, so that collections look into it, until an executor
//!    takes it.
//! 3. What may still cause something to happen is counted as *alive*: events, jobs, timers with a
//!    time, operations of the host, running systems. While nothing is alive, no wait can end.

use super::{ANY_EXECUTOR, ExecutorState, here, monitor::Monitor, run, serve};
use crate::event::{Event, HostCall, Job, JobObject};
use crate::lost_failures::LostFailures;
use crate::system::{self, SystemList};
use crate::time::ExecutorClock;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::time::Duration;
use tokio::sync::Notify;
use valk_heap::Root;
use valk_lang::{Language, Output, SharedVm};
use valk_sync::executor as stealing;
use valk_sync::executor::{Options, Reason, Statistics};
use valk_sync::shim::lock;
use valk_vm::Vm;

/// Most executors of a runtime: each is a mutator of its heap.
pub const EXECUTORS_MAX: usize = 63;

/// Functions that wait for an executor, at most: handed over by the program, and by the functions
/// on each executor.
pub const JOBS_WAITING_MAX: usize = 1 << 20;

/// The executors that have been started, by number, and what is for others.
#[derive(Default)]
struct Started {
    list: Vec<Weak<ExecutorState>>,
    /// Calls for executors that are being started.
    waiting: Vec<(u16, HostCall)>,
}

/// What the executors of one runtime share.
pub(crate) struct Pool {
    /// The time of all executors.
    pub clock: ExecutorClock,
    /// What the program prints.
    pub output: Output,
    executors: Mutex<Started>,
    jobs: OnceLock<stealing::Executor>,
    alive: AtomicUsize,
    /// Wake-ups of Rust tasks by handles.
    wakes: AtomicU64,
    /// Functions handed over that have not ended.
    open_jobs: AtomicUsize,
    /// Set by `exit`.
    stopping: Arc<AtomicBool>,
    /// The status that it was called with.
    exit_status: Arc<AtomicU8>,
    /// The program has ended: what it left behind is waited for.
    is_finishing: AtomicBool,
    /// The executors end.
    is_ending: AtomicBool,
    /// The signal that ends the program; 0 for none.
    signal: AtomicI32,
    /// The program waited for a system to stop when the signal came, and ends by itself.
    is_graceful: AtomicBool,
    /// Told whenever the program's thread has nothing to do.
    pub program_idle: Notify,
    pub systems: Mutex<SystemList>,
    pub monitor: Monitor,
    /// Of operations that nobody asks how they ended.
    pub lost_failures: LostFailures,
}

impl Pool {
    /// A pool of executor 0 alone.
    pub fn new(language: &Language, clock: ExecutorClock) -> Pool {
        Pool {
            clock,
            output: language.output.clone(),
            exit_status: Arc::clone(&language.exit_status),
            executors: Mutex::default(),
            jobs: OnceLock::new(),
            alive: AtomicUsize::new(0),
            wakes: AtomicU64::new(0),
            open_jobs: AtomicUsize::new(0),
            stopping: Arc::clone(&language.stopping),
            is_finishing: AtomicBool::new(false),
            is_ending: AtomicBool::new(false),
            signal: AtomicI32::new(0),
            is_graceful: AtomicBool::new(false),
            program_idle: Notify::new(),
            systems: Mutex::default(),
            monitor: Monitor::default(),
            lost_failures: LostFailures::default(),
        }
    }

    /// Makes an executor known by its number. Returns the calls that waited for it.
    pub fn add(&self, state: &Arc<ExecutorState>) -> Vec<HostCall> {
        let mut executors = lock(&self.executors);
        let index = state.index as usize;
        if executors.list.len() <= index {
            executors.list.resize_with(index + 1, Weak::new);
        }
        executors.list[index] = Arc::downgrade(state);
        let waiting = std::mem::take(&mut executors.waiting);
        let (own, others) = waiting.into_iter().partition(|(index, _)| *index == state.index);
        executors.waiting = others;
        Vec::into_iter(own).map(|(_, call)| call).collect()
    }

    /// The executor of this number, if it has been started.
    pub fn executor(&self, index: u16) -> Option<Arc<ExecutorState>> {
        lock(&self.executors).list.get(index as usize)?.upgrade()
    }

    /// The call back, if the executor of this number has been started; otherwise it waits for that.
    fn keep_for(&self, index: u16, call: HostCall) -> Option<HostCall> {
        let mut executors = lock(&self.executors);
        let known = executors.list.get(index as usize);
        if known.is_some_and(|state| state.strong_count() > 0) {
            return Some(call);
        }
        executors.waiting.push((index, call));
        None
    }

    /// The executors that have been started.
    pub fn all(&self) -> Vec<Arc<ExecutorState>> {
        lock(&self.executors).list.iter().filter_map(Weak::upgrade).collect()
    }

    /// Something more may cause something to happen (rule 3).
    pub fn add_live(&self) {
        self.alive.fetch_add(1, Ordering::Relaxed);
    }

    /// It may no more.
    pub fn end_live(&self) {
        if self.alive.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.wake_program();
        }
    }

    /// How much may cause something to happen.
    pub fn alive(&self) -> usize {
        self.alive.load(Ordering::Acquire)
    }

    /// A handle wakes a Rust task.
    pub fn count_wake(&self) {
        self.wakes.fetch_add(1, Ordering::Relaxed);
    }

    /// Wake-ups of Rust tasks by handles so far.
    pub fn wakes(&self) -> u64 {
        self.wakes.load(Ordering::Relaxed)
    }

    /// Has the program's thread look around.
    pub fn wake_program(&self) {
        if let Some(program) = self.executor(0) {
            program.inbox.wake();
        }
    }

    /// A fiber has ended.
    pub fn fiber_ended(&self, home: u16) {
        if home == ANY_EXECUTOR {
            self.open_jobs.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Whether functions that were handed over may still end by themselves.
    pub fn has_open_jobs(&self) -> bool {
        self.open_jobs.load(Ordering::Relaxed) > 0 && self.alive() > 0
    }

    /// Whether `exit` was called.
    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    /// The status of a program that ends now, if it is to end.
    pub fn end_status(&self) -> Option<i32> {
        if let Some(signal) = self.signal() {
            return Some(128 + signal);
        }
        self.is_stopping().then(|| i32::from(self.exit_status.load(Ordering::Relaxed)))
    }

    /// Stops every system if `exit` was called or a signal came.
    pub fn look_for_stop(&self, vm: &mut Vm) {
        if self.is_stopping() || self.signal().is_some() {
            system::stop_all(vm);
            self.wake_program();
        }
    }

    /// Notes that the program has ended.
    pub fn begin_finishing(&self) {
        self.is_finishing.store(true, Ordering::Relaxed);
    }

    /// Whether the program has ended and what it left behind is waited for.
    pub fn is_finishing(&self) -> bool {
        self.is_finishing.load(Ordering::Relaxed)
    }

    /// Whether the executors are to end.
    pub fn is_ending(&self) -> bool {
        self.is_ending.load(Ordering::Relaxed)
    }

    /// Notes that a signal ends the program.
    pub fn set_signal(&self, number: i32) {
        self.signal.store(number, Ordering::Relaxed);
        self.output.end_waits();
        self.preempt_others(ANY_EXECUTOR);
        self.wake_program();
    }

    /// The signal that ends the program.
    pub fn signal(&self) -> Option<i32> {
        Some(self.signal.load(Ordering::Relaxed)).filter(|signal| *signal != 0)
    }

    /// Notes that the program waits for a system that stops because of the signal.
    pub fn set_graceful(&self) {
        self.is_graceful.store(true, Ordering::Relaxed);
    }

    /// Whether the program ends by itself after the signal.
    pub fn is_graceful(&self) -> bool {
        self.is_graceful.load(Ordering::Relaxed)
    }

    /// The signal because of which the program ended, or that came before it did so by itself.
    pub fn ended_by_signal(&self) -> Option<i32> {
        self.signal().filter(|_| !self.is_graceful())
    }

    /// Whether some system has not stopped.
    pub fn any_system_running(&self) -> bool {
        lock(&self.systems).any_running()
    }

    /// Asks the fibers that run on other executors than this one to leave at their next safepoint.
    pub fn preempt_others(&self, index: u16) {
        for state in self.all() {
            if let Some(flag) = state.preempt.get().filter(|_| state.index != index) {
                flag.request();
            }
        }
    }

    /// Functions that wait for an executor.
    pub fn waiting_jobs(&self) -> usize {
        self.jobs.get().map_or(0, stealing::Executor::waiting)
    }

    /// Whether an executor waits for a function to run, at some recent moment.
    pub fn has_idle_executor(&self) -> bool {
        self.jobs.get().is_some_and(stealing::Executor::has_parked)
    }

    /// What the executors have done for functions that were handed over.
    pub fn statistics(&self) -> Option<Statistics> {
        self.jobs.get().map(stealing::Executor::statistics)
    }

    /// Ends the threads. Functions that run are asked to leave, and get that long for it.
    pub fn end(&self, patience: Duration) {
        self.is_ending.store(true, Ordering::Relaxed);
        self.preempt_others(0);
        for state in self.all() {
            state.inbox.wake();
        }
        if let Some(jobs) = self.jobs.get() {
            jobs.shutdown(patience);
        }
        self.monitor.end();
    }
}

/// The pool of a VM's runtime.
pub(crate) fn pool(vm: &Vm) -> Arc<Pool> {
    Arc::clone(&here(vm).pool)
}

/// The work-stealing pool of the runtime, and its threads, started if they are not.
fn jobs<'p>(vm: &mut Vm, pool: &'p Arc<Pool>) -> Result<&'p stealing::Executor, String> {
    if let Some(jobs) = pool.jobs.get() {
        return Ok(jobs);
    }
    let options = Options {
        name: "valk-executor".to_owned(),
        workers: vm.heap.mutators_max().min(EXECUTORS_MAX),
        injected_max: JOBS_WAITING_MAX,
        local_max: JOBS_WAITING_MAX,
        ..Options::default()
    };
    let start = serve::ThreadStart::new(vm, pool);
    let drive = move |worker| start.clone().serve(worker);
    let (jobs, worker) = stealing::Executor::hosted(&options, drive)
        .map_err(|error| format!("cannot start the threads of the executors: {error}"))?;
    serve::set_worker(worker);
    pool.monitor.start(pool);
    pool.output.share();
    Ok(pool.jobs.get_or_init(|| jobs))
}

/// Number of executors, which are started if they are not.
///
/// # Errors
/// What to tell the program when the system has no further thread.
pub fn executors(vm: &mut Vm) -> Result<usize, String> {
    let pool = pool(vm);
    Ok(jobs(vm, &pool)?.workers())
}

/// The number of the calling thread's executor.
pub fn current_executor(vm: &Vm) -> usize {
    here(vm).index as usize
}

/// Has an executor's thread call a function of the host, once it has been started.
pub fn spawn_on(vm: &mut Vm, executor: usize, call: HostCall) {
    let index = executor as u16;
    if let Some(call) = pool(vm).keep_for(index, call) {
        super::post(vm, index, Event::Host(call));
    }
}

/// Hands a job to the pool.
///
/// # Errors
/// What to tell the program when it is refused.
pub(crate) fn submit(vm: &mut Vm, job: Job) -> Result<(), String> {
    let pool = pool(vm);
    jobs(vm, &pool)?;
    let is_new = matches!(job, Job::Call(_));
    let object = vm.heap.host(Box::new(JobObject(Mutex::new(Some(job)))));
    // Shared with the task, which does not give it back when it is refused.
    let root = Arc::new(Mutex::new(Some(vm.heap.root(object))));
    let kept = Arc::clone(&root);
    pool.add_live();
    let task = move || {
        if let Some(root) = lock(&root).take() {
            serve::with_thread_vm(|vm, state| work(vm, state, root));
        }
    };
    match jobs(vm, &pool)?.spawn(task) {
        Ok(_) => {
            // A task of the host may have handed it over while the event loop waits: it looks.
            here(vm).inbox.wake();
            if is_new {
                pool.open_jobs.fetch_add(1, Ordering::Relaxed);
            }
            Ok(())
        }
        Err(refused) => {
            pool.end_live();
            if let Some(root) = lock(&kept).take() {
                vm.heap.release(root);
            }
            Err(match refused.reason {
                Reason::Full => format!(
                    "{JOBS_WAITING_MAX} functions wait for an executor, which is the most there \
                     can be; await some of them first"
                ),
                Reason::ShuttingDown => "the program is ending and starts no function".to_owned(),
            })
        }
    }
}

/// Runs a job on the calling executor.
fn work(vm: &SharedVm, state: &Arc<ExecutorState>, root: Root) {
    let job = {
        let mut vm = vm.borrow_mut();
        let object = vm.heap.release(root);
        object.host::<JobObject>(&vm.heap).and_then(|job| lock(&job.0).take())
    };
    run::guarded(vm, state, || match job {
        Some(Job::Call(call)) => run::call_function(vm, state, &call, ANY_EXECUTOR),
        Some(Job::Resume(parked, answer)) => run::resume(vm, state, *parked, answer),
        None => {}
    });
    run::settle_urgent(vm, state);
    state.pool.end_live();
}
