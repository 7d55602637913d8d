//! SIGINT at a prompt: ends the running evaluation, not the process.
//!
//! 1. The signal is watched on a thread of its own, so that it arrives while a program computes.
//! 2. While an evaluation runs, the first signal requests its end; a second one before it has ended
//!    ends the process. While none runs, a prompt at a terminal goes on, another ends.
//! 3. Whatever code of the program's thread sees the request first ends. If that was not the program's own
//!    fiber, which waits, the wait ends too.

use crate::executor::Executor;
use crate::signals::{self, SIGINT};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Notify;
use valk_heap::Interrupt;
use valk_lang::SharedVm;
use valk_sync::shim::lock;

const IDLE: u8 = 0;
const RUNNING: u8 = 1;
const ENDING: u8 = 2;

/// What the watching thread and the prompt share.
#[derive(Clone)]
pub struct Interrupts {
    state: Arc<AtomicU8>,
    request: Interrupt,
    /// The evaluation is to end, whoever has seen the request.
    is_ending: Arc<AtomicBool>,
    /// Wakes an evaluation that waits for events.
    pub(crate) wake: Arc<Notify>,
}

impl Interrupts {
    /// An evaluation begins.
    pub fn begin(&self) {
        self.take();
        self.state.store(RUNNING, Ordering::SeqCst);
    }

    /// The evaluation has ended.
    pub fn end(&self) {
        self.state.store(IDLE, Ordering::SeqCst);
        self.take();
    }

    /// Takes a request that the program's own fiber has not seen.
    pub(crate) fn take(&self) -> bool {
        let is_ending = self.is_ending.swap(false, Ordering::SeqCst);
        self.request.take() || is_ending
    }

    /// One signal; `patient` is a prompt that goes on when nothing runs.
    pub(crate) fn signalled(&self, patient: bool) {
        match self.state.load(Ordering::SeqCst) {
            RUNNING => {
                self.state.store(ENDING, Ordering::SeqCst);
                self.is_ending.store(true, Ordering::SeqCst);
                self.request.request();
                self.wake.notify_one();
            }
            IDLE if patient => {}
            _ => signals::exit(SIGINT),
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
        lock(&self.pool().systems).ignore_interrupts = true;
        let interrupts = Interrupts {
            state: Arc::default(),
            request: vm.borrow().heap.interrupt().clone(),
            is_ending: Arc::default(),
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
