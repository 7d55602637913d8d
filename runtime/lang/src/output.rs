//! Where a program's output goes.
//!
//! 1. A capture receives what is written from its start until it is released. Of several captures
//!    the latest one receives it. Reports of the runtime itself bypass captures.
//! 2. All VMs of a program share its output. What one call writes stays in one piece.
//! 3. Output that cannot be written is lost, and an error is logged, once. When the reason is that
//!    the reader of a pipe has gone, a program that runs no service ends at once and quietly, as if
//!    by SIGPIPE; a program that does goes on, and what it prints is discarded.
//! 4. Before a program has a second fiber it writes in place. From then on a thread does it, and who
//!    prints while too much waits is told to wait: a reader that reads nothing keeps fibers waiting,
//!    and no thread that runs them.

mod queue;

use queue::{Added, Queue};
use std::io::{BufWriter, ErrorKind, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long an error report waits for what was printed before it, so that both come in their order.
const ORDER_PATIENCE: Duration = Duration::from_millis(100);

/// The exit status of a program whose reader has gone, as shells number it: 128 + SIGPIPE.
const EXIT_WITHOUT_READER: i32 = 141;

/// A program's standard output and standard error; clones are handles of the same.
#[derive(Clone, Default)]
pub struct Output {
    streams: Arc<Mutex<Streams>>,
}

#[derive(Default)]
struct Streams {
    target: Target,
    captures: Vec<(CaptureId, Captured)>,
    captures_made: u64,
    /// Services that run.
    services: usize,
    /// An error was logged.
    has_logged: bool,
    /// Some output could not be written for another reason than that its reader has gone.
    has_lost_output: bool,
    /// A report has waited in vain for what was printed: the reader of that is not reading.
    is_stalled: bool,
}

/// What is written when nothing is captured.
enum Target {
    /// The process's standard output, buffered.
    Standard(BufWriter<Box<dyn Write + Send>>),
    /// The process's standard output, written by a thread.
    Queued(Arc<Queue>),
    /// Kept in memory; standard error with it.
    Memory(Vec<u8>),
    /// Nobody reads standard output any more.
    Discarded,
}

impl Default for Target {
    fn default() -> Target {
        Target::Standard(BufWriter::new(Box::new(std::io::stdout())))
    }
}

/// A capture of one output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CaptureId(u64);

/// What was written while a capture was the youngest.
#[derive(Debug, Default)]
pub struct Captured {
    /// Standard output.
    pub standard: Vec<u8>,
    /// Standard error.
    pub error: Vec<u8>,
}

impl Output {
    /// Output that is kept in memory.
    pub fn memory() -> Output {
        let streams = Streams { target: Target::Memory(Vec::new()), ..Streams::default() };
        Output { streams: Arc::new(Mutex::new(streams)) }
    }

    fn streams(&self) -> MutexGuard<'_, Streams> {
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes to standard output, or the youngest capture.
    pub fn write(&self, bytes: &[u8]) {
        self.streams().write(bytes);
    }

    /// Writes as [`Output::write`] does, and passes it on if that is wanted. Returns whether who has
    /// printed is to wait until there is room (rule 4).
    pub fn print(&self, bytes: &[u8], flush: bool) -> bool {
        let mut streams = self.streams();
        streams.write(bytes);
        if flush {
            streams.flush();
        }
        match &streams.target {
            Target::Queued(queue) => streams.captures.is_empty() && queue.is_full(),
            _ => false,
        }
    }

    /// Writes to standard error, or the youngest capture.
    pub fn write_error(&self, bytes: &[u8]) {
        if self.streams().captures.is_empty() {
            self.put_in_order();
        }
        self.streams().write_error(bytes);
    }

    /// From now on a thread writes (rule 4). Nothing when one does, or the output is kept in memory.
    pub fn share(&self) {
        let mut streams = self.streams();
        if !matches!(streams.target, Target::Standard(_)) {
            return;
        }
        let Target::Standard(out) = std::mem::replace(&mut streams.target, Target::Discarded)
        else {
            return;
        };
        let (sink, buffered) = out.into_parts();
        let own = Arc::downgrade(&self.streams);
        let failed = move |error| {
            let Some(streams) = own.upgrade() else { return false };
            let mut streams = streams.lock().unwrap_or_else(PoisonError::into_inner);
            streams.note(Err(error));
            matches!(streams.target, Target::Queued(_))
        };
        streams.target = match Queue::start(buffered.unwrap_or_default(), sink, failed) {
            Ok(queue) => Target::Queued(queue),
            Err(sink) => Target::Standard(BufWriter::new(sink)),
        };
    }

    fn queue(&self) -> Option<Arc<Queue>> {
        match &self.streams().target {
            Target::Queued(queue) => Some(Arc::clone(queue)),
            _ => None,
        }
    }

    /// Has `waiter` called once there is room, on any thread. Returns false, and calls nothing, when
    /// there is.
    pub fn when_room(&self, waiter: impl FnOnce() + Send + 'static) -> bool {
        self.queue().is_some_and(|queue| queue.when_room(Box::new(waiter)))
    }

    /// The program is to end: who waits for room is told, and nobody waits from now on. What is
    /// printed meanwhile and is too much is lost.
    pub fn end_waits(&self) {
        if let Some(queue) = self.queue() {
            queue.end_waits();
        }
    }

    /// Passes on what is buffered, and waits until it is written, but no longer than that. Returns
    /// whether it is.
    pub fn wait(&self, patience: Duration) -> bool {
        self.flush();
        self.queue().is_none_or(|queue| queue.wait(patience) == 0)
    }

    /// What is not written by now is lost.
    pub fn give_up(&self) {
        let left = self.queue().map_or(0, |queue| queue.wait(Duration::ZERO));
        if left > 0 {
            self.streams().has_lost_output = true;
            let text = "bytes of standard output are lost: its reader did not read them";
            tracing::error!(target: crate::LOG_TARGET, bytes = left, "{text}");
        }
    }

    /// Passes on what is buffered before something is written elsewhere.
    pub fn put_in_order(&self) {
        let patience = if self.streams().is_stalled { Duration::ZERO } else { ORDER_PATIENCE };
        let is_written = self.wait(patience);
        self.streams().is_stalled = !is_written;
    }

    /// Writes to standard output whatever is captured.
    pub fn report(&self, bytes: &[u8]) {
        self.streams().report(bytes);
    }

    /// Passes on what is buffered.
    pub fn flush(&self) {
        self.streams().flush();
    }

    /// A service begins: until it ends, the program works for others than the reader of its output.
    pub fn begin_service(&self) {
        self.streams().services += 1;
    }

    /// A service that began has ended.
    pub fn end_service(&self) {
        let mut streams = self.streams();
        streams.services = streams.services.saturating_sub(1);
    }

    /// Some output could not be written for another reason than that its reader has gone.
    pub fn has_lost_output(&self) -> bool {
        self.streams().has_lost_output
    }

    /// Output that goes to `target` instead of standard output.
    pub fn to(target: Box<dyn Write + Send>) -> Output {
        let target = Target::Standard(BufWriter::new(target));
        let streams = Streams { target, ..Streams::default() };
        Output { streams: Arc::new(Mutex::new(streams)) }
    }

    /// Begins a capture.
    pub fn capture(&self) -> CaptureId {
        let mut streams = self.streams();
        streams.captures_made += 1;
        let id = CaptureId(streams.captures_made);
        streams.captures.push((id, Captured::default()));
        id
    }

    /// Ends a capture; nothing when it was ended before.
    pub fn release(&self, id: CaptureId) -> Captured {
        let mut streams = self.streams();
        let found = streams.captures.iter().position(|(known, _)| *known == id);
        found.map(|at| streams.captures.remove(at).1).unwrap_or_default()
    }

    /// Takes what was collected in memory.
    pub fn take(&self) -> Vec<u8> {
        match &mut self.streams().target {
            Target::Standard(_) | Target::Queued(_) | Target::Discarded => Vec::new(),
            Target::Memory(out) => std::mem::take(out),
        }
    }
}

impl Streams {
    fn write(&mut self, bytes: &[u8]) {
        match self.captures.last_mut() {
            Some((_, captured)) => captured.standard.extend_from_slice(bytes),
            None => self.report(bytes),
        }
    }

    fn write_error(&mut self, bytes: &[u8]) {
        if let Some((_, captured)) = self.captures.last_mut() {
            captured.error.extend_from_slice(bytes);
            return;
        }
        match &mut self.target {
            Target::Standard(_) | Target::Queued(_) | Target::Discarded => {
                valk_log::write_error(bytes);
            }
            Target::Memory(out) => out.extend_from_slice(bytes),
        }
    }

    fn report(&mut self, bytes: &[u8]) {
        match &mut self.target {
            Target::Standard(out) => {
                let written = out.write_all(bytes);
                self.note(written);
            }
            Target::Queued(queue) => {
                if queue.add(bytes) == Added::Lost {
                    self.has_lost_output = true;
                }
            }
            Target::Memory(out) => out.extend_from_slice(bytes),
            Target::Discarded => {}
        }
    }

    fn flush(&mut self) {
        match &mut self.target {
            Target::Standard(out) => {
                let written = out.flush();
                self.note(written);
            }
            Target::Queued(queue) => queue.flush(),
            Target::Memory(_) | Target::Discarded => {}
        }
    }

    /// Does what a failed write to standard output asks for.
    fn note(&mut self, written: std::io::Result<()>) {
        let Err(error) = written else { return };
        if error.kind() == ErrorKind::BrokenPipe {
            if self.services == 0 {
                valk_log::exit(EXIT_WITHOUT_READER);
            }
            self.discard();
        } else {
            self.has_lost_output = true;
        }
        if !std::mem::replace(&mut self.has_logged, true) {
            tracing::error!(target: crate::LOG_TARGET, "standard output cannot be written: {error}");
        }
    }

    /// Gives up standard output.
    fn discard(&mut self) {
        let target = std::mem::replace(&mut self.target, Target::Discarded);
        if let Target::Standard(out) = target {
            // Dropped without a further attempt to write.
            drop(out.into_parts());
        }
    }
}
