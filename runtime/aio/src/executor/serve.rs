//! The event loop of an executor, and the life of the threads of executors 1 and up.
//!
//! 1. A turn processes at most [`EVENTS_PER_TURN`] events and timers and a few jobs, then the
//!    reactor and the tasks of the host have theirs. It ends early when a fiber has used its slice,
//!    and leaves to the next what comes meanwhile: those who wait wait for a slice, not for a turn
//!    full of them.
//! 2. Jobs have their turn however many fibers compute: after turns that ended before the jobs, one
//!    begins with them. Of the functions that compute, one begins for each slice of those that
//!    have begun, and for more slices the more there are of them ([`JOBS_BEGUN_PER_SLICE`]): so one
//!    that is short does not wait for all those before it to end, and what has begun stays few.
//! 3. While the thread waits in its reactor its VM is in a blocked state (rule 5 of [`super`]).

use super::{ExecutorState, Pool, idle, run};
use crate::system;
use std::cell::RefCell;
use std::io;
use std::rc::{Rc, Weak};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use tokio::runtime::{Builder, Runtime};
use tokio::task::LocalSet;
use valk_lang::{Language, SharedVm};
use valk_sync::executor::Worker;
use valk_sync::shim::lock;
use valk_vm::{ParkedVm, Vm, VmTemplate};

/// Events, and timers, that are processed in one turn.
pub(crate) const EVENTS_PER_TURN: usize = 256;

/// Jobs that are taken in one turn.
const JOBS_PER_TURN: usize = 8;

/// Functions that have begun and compute, for each of which a new one waits for one slice more.
const JOBS_BEGUN_PER_SLICE: usize = 16;

/// What a thread knows of its executor.
#[derive(Default)]
struct Thread {
    vm: Weak<RefCell<Vm>>,
    state: Option<Arc<ExecutorState>>,
    /// While the thread waits.
    blocked: Option<ParkedVm>,
}

thread_local! {
    static THREAD: RefCell<Thread> = RefCell::default();
    /// The right to run jobs of the pool.
    pub(super) static WORKER: RefCell<Option<Worker>> = const { RefCell::new(None) };
}

/// Has the calling thread drive this worker of the pool.
pub(super) fn set_worker(worker: Worker) {
    WORKER.set(Some(worker));
}

/// Ends that the calling thread drives a worker.
pub(super) fn clear_worker() {
    WORKER.set(None);
}

/// A reactor whose thread is in a blocked state while it waits. A `paused` clock moves only when
/// there is nothing else to do, to the next timer.
pub(super) fn reactor(paused: bool) -> io::Result<Runtime> {
    Builder::new_current_thread()
        .enable_all()
        .start_paused(paused)
        .on_thread_park(|| {
            THREAD.with_borrow_mut(|thread| {
                thread.blocked = thread.vm.upgrade().and_then(|vm| ParkedVm::new(&vm));
            });
        })
        .on_thread_unpark(|| THREAD.with_borrow_mut(|thread| thread.blocked = None))
        .build()
}

/// While it exists the calling thread's event loop is that of one VM.
pub(super) struct Entered {
    before: Thread,
}

impl Entered {
    pub fn new(vm: &SharedVm, state: &Arc<ExecutorState>) -> Entered {
        let thread =
            Thread { vm: Rc::downgrade(vm), state: Some(Arc::clone(state)), blocked: None };
        Entered { before: THREAD.replace(thread) }
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        THREAD.set(std::mem::take(&mut self.before));
    }
}

/// Calls `call` with the VM of the calling thread, if it is an executor's.
pub(crate) fn with_thread_vm(call: impl FnOnce(&SharedVm, &Arc<ExecutorState>)) {
    let known = THREAD.with_borrow(|thread| thread.vm.upgrade().zip(thread.state.clone()));
    if let Some((vm, state)) = known {
        call(&vm, &state);
    }
}

/// Calls `wait`, which may block for any time and touches no value.
pub(crate) fn blocked_while<R>(vm: &SharedVm, wait: impl FnOnce() -> R) -> R {
    vm.borrow_mut().outside(wait)
}

/// The event loop, until the VM is gone or the pool has shut down.
pub(super) async fn serve(vm: Weak<RefCell<Vm>>, state: Arc<ExecutorState>) {
    loop {
        // The VM owns this task, so the task does not own the VM while it waits.
        let Some(shared) = vm.upgrade() else { return };
        let worked = turn(&shared, &state);
        if state.pool.is_ending() && state.index > 0 {
            return;
        }
        if worked {
            drop(shared);
            if state.index == 0 && (state.pool.is_stopping() || state.pool.signal().is_some()) {
                // Fibers that never wait must not keep the program's wait from ending.
                state.pool.program_is_idle();
            }
            tokio::task::yield_now().await;
            continue;
        }
        let next_us = state.local().timers.next_us();
        drop(shared);
        // What callbacks have printed is not to wait for the next print.
        state.pool.output.flush();
        if state.index == 0 {
            state.pool.program_is_idle();
        }
        if !idle::wait(&state, next_us).await {
            return;
        }
    }
}

/// Does what there is to do now, within limits. Returns false if there was nothing.
fn turn(vm: &SharedVm, state: &Arc<ExecutorState>) -> bool {
    state.begin_turn();
    let mut worked = fire_timers(vm, state);
    let without_jobs = state.local().turns_without_jobs;
    if without_jobs > state.begun_jobs() / JOBS_BEGUN_PER_SLICE {
        match run_jobs(state) {
            Jobs::None => {}
            Jobs::Some => worked = true,
            Jobs::UsedSlice => return true,
        }
    }
    // What comes meanwhile waits for the next turn, and a fiber that has used its slice ends this one:
    // the reactor is not to wait for more than that.
    let slices = state.slices_used.load(Ordering::Relaxed);
    for _ in 0..state.inbox.len().min(EVENTS_PER_TURN) {
        let Some(event) = state.take() else { break };
        run::process(vm, state, event);
        worked = true;
        if state.slices_used.load(Ordering::Relaxed) != slices {
            state.local().turns_without_jobs += 1;
            return true;
        }
    }
    match run_jobs(state) {
        Jobs::None => {}
        Jobs::Some => worked = true,
        Jobs::UsedSlice => return true,
    }
    // What a task of the host has caused meanwhile.
    run::settle_urgent(vm, state);
    if state.pool.signal().is_some() {
        system::stop_all(&mut vm.borrow_mut());
    }
    worked
}

/// What came of looking for jobs.
enum Jobs {
    /// There were none.
    None,
    /// Some have run.
    Some,
    /// The last one has used its slice: the turn is over.
    UsedSlice,
}

/// Runs a few jobs, up to one that uses its slice.
fn run_jobs(state: &ExecutorState) -> Jobs {
    state.local().turns_without_jobs = 0;
    let slices = state.slices_used.load(Ordering::Relaxed);
    for taken in 0..JOBS_PER_TURN {
        let ran = WORKER.with_borrow(|worker| {
            worker.as_ref().is_some_and(|worker| worker.sees_work() && worker.run_next())
        });
        if !ran {
            return if taken == 0 { Jobs::None } else { Jobs::Some };
        }
        if state.slices_used.load(Ordering::Relaxed) != slices {
            return Jobs::UsedSlice;
        }
    }
    Jobs::Some
}

/// Fires the timers that are due.
fn fire_timers(vm: &SharedVm, state: &Arc<ExecutorState>) -> bool {
    let now_us = state.now_us();
    let mut fired = false;
    for _ in 0..EVENTS_PER_TURN {
        let due = {
            let vm = &mut *vm.borrow_mut();
            state.local().timers.due(vm, now_us)
        };
        let Some((id, handle)) = due else { break };
        // What it causes is alive before the timer is not.
        state.pool.add_live();
        state.events.fetch_add(1, Ordering::Relaxed);
        run::guarded(vm, state, || {
            crate::combinators::timer_fired(&mut vm.borrow_mut(), handle, id);
        });
        run::settle_urgent(vm, state);
        state.pool.end_live();
        fired = true;
    }
    fired
}

/// What a new thread makes its VM from.
#[derive(Clone)]
pub(super) struct ThreadStart {
    template: VmTemplate,
    language: Arc<Mutex<Language>>,
    pool: std::sync::Weak<Pool>,
}

impl ThreadStart {
    pub fn new(vm: &mut Vm, pool: &Arc<Pool>) -> ThreadStart {
        let language = vm.extension::<Language>().of_same_program();
        ThreadStart {
            template: vm.template(),
            language: Arc::new(Mutex::new(language)),
            pool: Arc::downgrade(pool),
        }
    }

    /// The life of a thread of the pool.
    pub fn serve(self, worker: Worker) {
        let Some(pool) = self.pool.upgrade() else { return };
        let index = worker.index() as u16;
        let mut vm =
            self.template.instantiate().expect("a pool has no more executors than mutators");
        *vm.extension::<Language>() = lock(&self.language).of_same_program();
        let state = Arc::new(ExecutorState::new(index, Arc::clone(&pool)));
        state.install(&mut vm);
        let vm: SharedVm = Rc::new(RefCell::new(vm));
        let runtime = match reactor(false) {
            Ok(runtime) => runtime,
            Err(error) => {
                tracing::error!(target: crate::LOG_TARGET, "executor {index} has no reactor: {error}");
                return;
            }
        };
        let tasks = Rc::new(LocalSet::new());
        system::install_reactor(&vm, &tasks, &runtime);
        let entered = Entered::new(&vm, &state);
        set_worker(worker);
        for call in pool.add(&state) {
            call(&vm);
        }
        drop(pool);
        tasks.block_on(&runtime, serve(Rc::downgrade(&vm), Arc::clone(&state)));
        // Tasks hold the VM, and are dropped before it, while it is no blocked mutator.
        system::remove_reactor(&vm);
        drop(tasks);
        drop(runtime);
        WORKER.set(None);
        drop(entered);
    }
}
