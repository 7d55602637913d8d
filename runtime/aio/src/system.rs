//! Async systems: what a program starts, listens with, and stops.
//!
//! 1. Stopping is asynchronous and happens once. The stop is seen by every service of the system;
//!    what else it has pending on any executor is cancelled. When the last service has ended, the
//!    system's `stopped` handle completes.
//! 2. A system that has stopped starts nothing: new operations of it are cancelled from the start.
//!
//! Does not know what its services do.

use crate::combinators::Node;
use crate::config::SystemConfig;
use crate::event::Event;
use crate::executor::{self, pool};
use crate::handle::{self, Waiter, completed, settle, with_node};
use crate::pools::{Pools, Waiting};
use crate::signals;
use crate::system_metrics::{self, Counted, SystemMetrics};
use std::cell::RefCell;
use std::rc::{Rc, Weak};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio::task::{JoinHandle, LocalSet};
use valk_heap::{HostObject, Root, Tracer, Value};
use valk_lang::{Language, SharedVm};
use valk_metrics::Registry;
use valk_sync::cell::End;
use valk_sync::shim::lock;
use valk_vm::Vm;

/// What tasks and builtins of one thread share with its event loop.
#[derive(Default)]
pub(crate) struct Reactor {
    vm: Weak<RefCell<Vm>>,
    tasks: Option<Rc<LocalSet>>,
    pub(crate) handle: Option<tokio::runtime::Handle>,
    pub(crate) started: Option<std::time::Instant>,
}

/// Tells the builtins of a VM how to reach its event loop.
pub(crate) fn install_reactor(vm: &SharedVm, tasks: &Rc<LocalSet>, runtime: &Runtime) {
    let mut machine = vm.borrow_mut();
    let reactor = machine.extension::<Reactor>();
    reactor.vm = Rc::downgrade(vm);
    reactor.tasks = Some(Rc::clone(tasks));
    reactor.handle = Some(runtime.handle().clone());
    reactor.started = Some(std::time::Instant::now());
}

/// The event loop of a VM ends.
pub(crate) fn remove_reactor(vm: &SharedVm) {
    vm.borrow_mut().extension::<Reactor>().tasks = None;
}

/// The shared VM, for tasks that builtins spawn. `None` while no event loop runs for it.
pub fn shared_vm(vm: &mut Vm) -> Option<SharedVm> {
    let reactor = vm.extension::<Reactor>();
    reactor.tasks.as_ref()?;
    reactor.vm.upgrade()
}

/// Spawns a task on the event loop of this thread. Returns false if there is none.
pub fn spawn_task(vm: &mut Vm, task: impl Future<Output = ()> + 'static) -> bool {
    let tasks = vm.extension::<Reactor>().tasks.clone();
    tasks.map(|tasks| tasks.spawn_local(task)).is_some()
}

/// Parts of a system shared with its tasks, on all executors.
struct Shared {
    id: u32,
    stop: watch::Sender<bool>,
    services: Mutex<Vec<JoinHandle<()>>>,
    is_stopped: AtomicBool,
    stopped: Mutex<Option<Root>>,
    pools: Pools,
    /// Tell how many connections of each server wait.
    waiting: Mutex<Vec<Waiting>>,
    /// Executors that serve, at most.
    executors_max: usize,
    /// `None` when the registry had no room.
    metrics: Option<Arc<SystemMetrics>>,
}

/// A running or stopped async system.
#[derive(Clone)]
pub struct System {
    shared: Arc<Shared>,
}

impl std::fmt::Debug for System {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("System").field("id", &self.id()).finish_non_exhaustive()
    }
}

impl HostObject for System {
    fn trace(&mut self, _: &mut Tracer<'_>) {}
    fn type_name(&self) -> &'static str {
        "aio_system"
    }
}

/// The systems of a runtime.
#[derive(Default)]
pub(crate) struct SystemList {
    list: Vec<System>,
    next_id: u32,
    is_watching_signals: bool,
    /// SIGINT is the business of a prompt.
    pub ignore_interrupts: bool,
}

impl SystemList {
    /// Has no signal watched: a simulated program is ended by its host.
    pub fn ignore_signals(&mut self) {
        self.is_watching_signals = true;
    }

    /// Whether a system has not stopped yet.
    pub fn any_running(&self) -> bool {
        self.list.iter().any(|system| !system.has_stopped())
    }
}

impl System {
    /// Starts a system as the property list `list` configures it.
    ///
    /// # Errors
    /// A line that says why not: no event loop, a number out of range, no address space, signals
    /// that cannot be watched (a system that nothing can stop is worse than none).
    pub(crate) fn start(vm: &mut Vm, list: Value) -> Result<Value, String> {
        let Some(shared_vm) = shared_vm(vm) else {
            return Err("this program runs without an event loop".to_string());
        };
        let config = SystemConfig::read(vm, list)?;
        let pools = Pools::new(&config)?;
        let pool = pool(vm);
        let registry = vm.extension::<Language>().metrics.clone();
        let stopped = with_node(vm, Node::end_of_system(vm));
        let stopped = Mutex::new(Some(vm.heap.root(stopped)));
        let system = {
            let mut systems = lock(&pool.systems);
            if !systems.is_watching_signals {
                signals::watch(&pool, systems.ignore_interrupts)
                    .map_err(|error| format!("signals cannot be watched: {error}"))?;
                systems.is_watching_signals = true;
            }
            systems.list.retain(|system| !system.has_stopped());
            let shared = Shared {
                id: systems.next_id,
                stop: watch::Sender::new(false),
                services: Mutex::default(),
                is_stopped: AtomicBool::new(false),
                stopped,
                pools,
                waiting: Mutex::default(),
                executors_max: config.executors_max,
                metrics: system_metrics::register(&registry, systems.next_id),
            };
            systems.next_id += 1;
            let system = System { shared: Arc::new(shared) };
            system.be_counted(&registry);
            systems.list.push(system.clone());
            system
        };
        pool.add_live();
        pool.monitor.start(&pool);
        let output = &mut vm.extension::<Language>().output;
        output.begin_service();
        output.share();
        spawn_task(vm, system.clone().end_when_stopped(shared_vm));
        Ok(vm.heap.host(Box::new(system)))
    }

    /// The number of the system in its runtime.
    pub fn id(&self) -> u32 {
        self.shared.id
    }

    /// Has the registry ask the system before it is read, as long as there is the system.
    fn be_counted(&self, registry: &Registry) {
        let shared = Arc::downgrade(&self.shared);
        registry.add_source(move || {
            let Some(shared) = shared.upgrade() else { return false };
            let Some(metrics) = shared.metrics.clone() else { return false };
            metrics.refresh(&System { shared });
            true
        });
    }

    /// The series of the system; `None` when the registry of the runtime had no room for them.
    pub fn metrics(&self) -> Option<&Arc<SystemMetrics>> {
        self.shared.metrics.as_ref()
    }

    /// Counts a server of this system under these labels, until `counted` gives its last numbers.
    pub fn count_server(
        &self,
        vm: &mut Vm,
        labels: &[(&str, &str)],
        counted: impl Fn() -> Counted + Send + Sync + 'static,
    ) {
        let registry = vm.extension::<Language>().metrics.clone();
        if let Some(metrics) = &self.shared.metrics {
            metrics.add_server(&registry, labels, Box::new(counted));
        }
    }

    /// Memory that the services of the system share.
    pub fn pools(&self) -> &Pools {
        &self.shared.pools
    }

    pub(crate) fn servers_that_wait(&self) -> MutexGuard<'_, Vec<Waiting>> {
        lock(&self.shared.waiting)
    }

    /// The executors that serve for this system, which are started if they are not: the calling
    /// thread's first.
    ///
    /// # Errors
    /// What to tell the program when the system has no further thread.
    pub fn executors(&self, vm: &mut Vm) -> Result<Vec<usize>, String> {
        let here = executor::current_executor(vm);
        if self.shared.executors_max.min(vm.heap.mutators_max()) == 1 {
            return Ok(vec![here]);
        }
        let others = (0..executor::executors(vm)?).filter(|index| *index != here);
        Ok(std::iter::once(here).chain(others).take(self.shared.executors_max).collect())
    }

    /// Whether the last service has ended.
    pub fn has_stopped(&self) -> bool {
        self.shared.is_stopped.load(Ordering::Relaxed)
    }

    /// Whether the system was asked to stop.
    pub fn is_stopping(&self) -> bool {
        *self.shared.stop.borrow()
    }

    /// Asks the system to stop (rule 1).
    pub fn stop(&self, vm: &mut Vm) {
        if self.shared.stop.send_replace(true) {
            return;
        }
        if pool(vm).signal().is_some() && self.is_awaited_by_program(vm) {
            pool(vm).set_graceful();
        }
        for state in pool(vm).all() {
            executor::post(vm, state.index, Event::StopSystem(self.id()));
        }
    }

    /// Whether the program's own fiber waits for the end of this system.
    fn is_awaited_by_program(&self, vm: &Vm) -> bool {
        let stopped = lock(&self.shared.stopped);
        let value = stopped.as_ref().map(|root| vm.heap.resolve(root));
        value.and_then(|value| handle::handle_of(&vm.heap, value)).is_some_and(|handle| {
            handle.cell.with_waiters(|waiters| waiters.iter().any(Waiter::is_program))
        })
    }

    /// Completes when the system was asked to stop.
    pub async fn stop_requested(&self) {
        let mut receiver = self.shared.stop.subscribe();
        // Fails only when the sender is gone, which `self` holds.
        let _ = receiver.wait_for(|stop| *stop).await;
    }

    /// Runs a service of the system on the event loop of this thread; stopping waits for it.
    ///
    /// # Panics
    /// When this thread has no event loop.
    pub fn spawn(&self, vm: &mut Vm, service: impl Future<Output = ()> + 'static) {
        let tasks = vm.extension::<Reactor>().tasks.clone().expect("a system has an event loop");
        let task = tasks.spawn_local(service);
        let mut services = lock(&self.shared.services);
        services.retain(|service| !service.is_finished());
        services.push(task);
    }

    /// The handle that completes when the system has stopped.
    pub(crate) fn stopped_handle(&self, vm: &mut Vm) -> Value {
        let stopped = lock(&self.shared.stopped);
        match &*stopped {
            Some(root) => vm.heap.resolve(root),
            None => completed(vm, Value::NIL),
        }
    }

    async fn end_when_stopped(self, vm: SharedVm) {
        self.stop_requested().await;
        loop {
            let service = lock(&self.shared.services).pop();
            match service {
                // A service that panicked is over, which is all that matters here.
                Some(service) => drop(service.await),
                None => break,
            }
        }
        self.shared.is_stopped.store(true, Ordering::Relaxed);
        let root = lock(&self.shared.stopped).take().expect("a system stops once");
        let vm = &mut *vm.borrow_mut();
        // The event that says so may still lie behind others.
        executor::stop_system(vm, self.id());
        let handle = vm.heap.release(root);
        settle(vm, handle, End::Completed(Value::NIL));
        vm.extension::<Language>().output.end_service();
        let pool = pool(vm);
        pool.end_live();
        pool.program_idle.notify_one();
    }
}

/// Asks every system of the runtime to stop.
pub fn stop_all(vm: &mut Vm) {
    let systems = lock(&pool(vm).systems).list.clone();
    for system in systems {
        system.stop(vm);
    }
}

/// Whether no system of the runtime runs any more.
#[cfg(test)]
pub(crate) fn all_have_stopped(vm: &mut Vm) -> bool {
    !lock(&pool(vm).systems).any_running()
}

/// The system a value refers to.
pub fn system_of(vm: &Vm, value: Value) -> Option<System> {
    value.host::<System>(&vm.heap).cloned()
}
