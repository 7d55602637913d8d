//! SIGINT at a prompt: ends the running evaluation, not the process.
//!
//! 1. The signal is watched on a thread of its own, so that it arrives while a program computes.
//! 2. While an evaluation runs, the first signal requests its end; a second one before it has ended
//!    ends the process. While none runs, a prompt at a terminal goes on, another ends.

use crate::executor::{Executor, Waiting};
use crate::system::{EXIT_INTERRUPTED, Systems};
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Notify;
use valk_heap::{Interrupt, Value};
use valk_lang::SharedVm;
use valk_vm::FiberId;

const IDLE: u8 = 0;
const RUNNING: u8 = 1;
const ENDING: u8 = 2;

/// What the watching thread and the prompt share.
#[derive(Clone)]
pub struct Interrupts {
    state: Arc<AtomicU8>,
    request: Interrupt,
    /// Wakes an evaluation that waits for events.
    pub(crate) wake: Arc<Notify>,
}

impl Interrupts {
    /// An evaluation begins.
    pub fn begin(&self) {
        self.request.take();
        self.state.store(RUNNING, Ordering::SeqCst);
    }

    /// The evaluation has ended.
    pub fn end(&self) {
        self.state.store(IDLE, Ordering::SeqCst);
        self.request.take();
    }

    /// Takes a request that no running code has seen.
    pub(crate) fn take(&self) -> bool {
        self.request.take()
    }

    /// One signal; `patient` is a prompt that goes on when nothing runs.
    pub(crate) fn signalled(&self, patient: bool) {
        match self.state.load(Ordering::SeqCst) {
            RUNNING => {
                self.state.store(ENDING, Ordering::SeqCst);
                self.request.request();
                self.wake.notify_one();
            }
            IDLE if patient => {}
            _ => valk_log::exit(EXIT_INTERRUPTED),
        }
    }
}

impl Executor {
    /// Makes SIGINT end evaluations from now on, see the module. Systems started later are stopped
    /// by SIGTERM only.
    ///
    /// # Errors
    /// When the signal cannot be watched.
    pub fn interruptible(&mut self, vm: &SharedVm, patient: bool) -> io::Result<Interrupts> {
        let reactor = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
        let mut signals = {
            let _context = reactor.enter();
            signal(SignalKind::interrupt())?
        };
        let mut machine = vm.borrow_mut();
        machine.extension::<Systems>().ignore_interrupts = true;
        let interrupts = Interrupts {
            state: Arc::default(),
            request: machine.heap.interrupt().clone(),
            wake: Arc::default(),
        };
        let watching = interrupts.clone();
        std::thread::Builder::new().name("interrupts".to_string()).spawn(move || {
            reactor.block_on(async move {
                while signals.recv().await.is_some() {
                    watching.signalled(patient);
                }
            });
        })?;
        self.interrupts = Some(interrupts.clone());
        Ok(interrupts)
    }
}

/// Ends a fiber that waits for a handle; the error that stands for its value.
pub(crate) fn give_up(vm: &SharedVm, fiber: FiberId) -> Value {
    let mut machine = vm.borrow_mut();
    let handles = &mut machine.extension::<Waiting>().handles;
    for (waiters, _) in handles.values_mut() {
        waiters.retain(|waiter| waiter.fiber != fiber);
    }
    let abandoned: Vec<usize> = handles
        .iter()
        .filter(|(_, (waiters, _))| waiters.is_empty())
        .map(|(address, _)| *address)
        .collect();
    let roots: Vec<_> = abandoned
        .iter()
        .filter_map(|address| handles.remove(address))
        .map(|(_, root)| root)
        .collect();
    for root in roots {
        machine.heap.release(root);
    }
    machine.interrupt(fiber)
}

/// Waits for a result, or for an interruption where somebody watches for them.
pub(crate) async fn either(result: &Rc<Notify>, interrupts: Option<&Interrupts>) {
    let Some(interrupts) = interrupts else { return result.notified().await };
    tokio::select! {
        () = result.notified() => {}
        () = interrupts.wake.notified() => {}
    }
}
