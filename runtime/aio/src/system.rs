//! Async systems: what a program starts, listens with, and stops.
//!
//! 1. Stopping is asynchronous and happens once: the stop flag is seen by every service of the
//!    system; when the last service has ended, the system's `stopped` handle completes.
//! 2. SIGINT and SIGTERM stop every system; a second one ends the process at once, even while a
//!    program never waits: signals are watched on a thread of their own.

use crate::config::SystemConfig;
use crate::executor::Reactor;
use crate::handle::{HandleState, complete, new_handle};
use crate::pools::Pools;
use std::cell::RefCell;
use std::io;
use std::rc::{Rc, Weak};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use valk_heap::{HostObject, Root, Tracer, Value};
use valk_lang::{Language, SharedVm};
use valk_sync::shim::lock;
use valk_vm::Vm;

/// Exit status after a second interrupt, as shells number it: 128 + SIGINT.
pub(crate) const EXIT_INTERRUPTED: i32 = 130;

/// Parts of a system shared with its tasks.
struct Shared {
    stop: watch::Sender<bool>,
    services: Mutex<Vec<JoinHandle<()>>>,
    stopped: AtomicBool,
    handle: Mutex<Option<Root>>,
    pools: Pools,
}

/// A running (or stopped) async system.
#[derive(Clone)]
pub struct System {
    shared: Arc<Shared>,
}

impl HostObject for System {
    fn trace(&mut self, _: &mut Tracer<'_>) {}
    fn type_name(&self) -> &'static str {
        "aio_system"
    }
}

/// The systems a machine has started.
#[derive(Default)]
pub(crate) struct Systems {
    list: Vec<System>,
    machine: Option<Weak<RefCell<Vm>>>,
    watching_signals: bool,
    /// SIGINT is the business of a prompt.
    pub(crate) ignore_interrupts: bool,
}

impl Systems {
    /// A system is not stopped yet.
    pub(crate) fn any_running(&self) -> bool {
        self.list.iter().any(|system| !system.has_stopped())
    }

    /// Tells builtins how to reach the machine from tasks.
    pub(crate) fn set_machine(&mut self, vm: &SharedVm) {
        self.machine = Some(Rc::downgrade(vm));
    }
}

/// The shared machine, for tasks that builtins spawn.
pub fn machine(vm: &mut Vm) -> Option<SharedVm> {
    vm.extension::<Systems>().machine.as_ref()?.upgrade()
}

impl System {
    /// Starts a system as `list` configures it; otherwise a line that says why not: there is no executor, a
    /// number is out of range, the address space does not suffice, or signals cannot be watched, and
    /// a system that nothing can stop is worse than none.
    pub(crate) fn start(vm: &mut Vm, list: Value) -> Result<Value, String> {
        let tasks = vm.extension::<Reactor>().tasks.clone();
        let (Some(shared_vm), Some(tasks)) = (machine(vm), tasks) else {
            return Err("no executor is running".to_string());
        };
        let pools = Pools::new(&SystemConfig::read(vm, list)?)?;
        let handle = new_handle(vm);
        let shared = Shared {
            stop: watch::Sender::new(false),
            services: Mutex::default(),
            stopped: AtomicBool::new(false),
            handle: Mutex::new(Some(vm.heap.root(handle))),
            pools,
        };
        let system = System { shared: Arc::new(shared) };
        let systems = vm.extension::<Systems>();
        systems.list.retain(|system| !system.has_stopped());
        systems.list.push(system.clone());
        if !std::mem::replace(&mut systems.watching_signals, true) {
            let stop =
                watch_signals(systems.ignore_interrupts).map_err(|error| error.to_string())?;
            tasks.spawn_local(stop_on_signal(Rc::clone(&shared_vm), stop));
        }
        vm.extension::<Language>().output.begin_service();
        tasks.spawn_local(system.clone().end_when_stopped(shared_vm));
        Ok(vm.heap.host(Box::new(system)))
    }

    /// Memory that the services of the system share.
    pub fn pools(&self) -> &Pools {
        &self.shared.pools
    }

    /// Whether both are the same system.
    pub(crate) fn is(&self, other: &System) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }

    fn has_stopped(&self) -> bool {
        self.shared.stopped.load(Ordering::Relaxed)
    }

    /// Asks the system to stop.
    pub fn stop(&self) {
        self.shared.stop.send_replace(true);
    }

    /// Completes when the system was asked to stop.
    pub async fn stop_requested(&self) {
        let mut receiver = self.shared.stop.subscribe();
        // Fails only when the sender is gone, which `self` holds.
        let _ = receiver.wait_for(|stop| *stop).await;
    }

    /// Runs a service of the system; stopping waits for it.
    ///
    /// # Panics
    /// When no executor exists any more.
    pub fn spawn(&self, vm: &mut Vm, service: impl Future<Output = ()> + 'static) {
        let tasks = vm.extension::<Reactor>().tasks.clone().expect("a system has an executor");
        let task = tasks.spawn_local(service);
        let mut services = lock(&self.shared.services);
        services.retain(|service| !service.is_finished());
        services.push(task);
    }

    /// The handle that completes when the system has stopped.
    pub(crate) fn stopped_handle(&self, vm: &mut Vm) -> Value {
        match &*lock(&self.shared.handle) {
            Some(root) => vm.heap.resolve(root),
            None => crate::handle::completed(vm, Value::NIL),
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
        self.shared.stopped.store(true, Ordering::Relaxed);
        let root = lock(&self.shared.handle).take().expect("a system stops once");
        let handle = vm.borrow_mut().heap.release(root);
        complete(&vm, handle, HandleState::Completed(Value::NIL));
        vm.borrow_mut().extension::<Language>().output.end_service();
        vm.borrow_mut().extension::<Reactor>().wake.notify_one();
    }
}

/// Stops every system of the machine.
pub fn stop_all(vm: &SharedVm) {
    for system in &vm.borrow_mut().extension::<Systems>().list {
        system.stop();
    }
}

/// Stops every system when the watched value becomes true.
async fn stop_on_signal(vm: SharedVm, mut stop: watch::Receiver<bool>) {
    // Fails only when the watching thread is gone, and then no signal can come.
    let _ = stop.wait_for(|stop| *stop).await;
    stop_all(&vm);
}

/// Watches SIGTERM, and SIGINT unless somebody else does, from now on. The value becomes true at the
/// first of them.
fn watch_signals(terminations_only: bool) -> io::Result<watch::Receiver<bool>> {
    let (stop, stopping) = watch::channel(false);
    let reactor = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let (mut interrupt, mut terminate) = {
        // Installed now and not on the thread: a signal may come before it runs.
        let _context = reactor.enter();
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?)
    };
    let watching = async move {
        loop {
            tokio::select! {
                _ = interrupt.recv(), if !terminations_only => {}
                _ = terminate.recv() => {}
            }
            if stop.send_replace(true) {
                valk_log::exit(EXIT_INTERRUPTED);
            }
        }
    };
    std::thread::Builder::new()
        .name("signals".to_string())
        .spawn(move || reactor.block_on(watching))?;
    Ok(stopping)
}
