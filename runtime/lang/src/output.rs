//! Where a program's output goes.
//!
//! 1. A capture receives what is written from its start until it is released. Of several captures
//!    the latest one receives it. Reports of the runtime itself bypass captures.
//! 2. All VMs of a program share its output. What one call writes stays in one piece.
//! 3. Output that cannot be written is lost, and an error is logged, once. When the reason is that
//!    the reader of a pipe has gone, a program that runs no service ends at once and quietly, as if
//!    by SIGPIPE; a program that does goes on, and what it prints is discarded.

use std::io::{BufWriter, ErrorKind, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

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
}

/// What is written when nothing is captured.
enum Target {
    /// The process's standard output, buffered.
    Standard(BufWriter<Box<dyn Write + Send>>),
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

    /// Writes to standard error, or the youngest capture.
    pub fn write_error(&self, bytes: &[u8]) {
        self.streams().write_error(bytes);
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
    #[cfg(test)]
    pub(crate) fn to(target: Box<dyn Write + Send>) -> Output {
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
            Target::Standard(_) | Target::Discarded => Vec::new(),
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
        self.flush();
        match &mut self.target {
            Target::Standard(_) | Target::Discarded => valk_log::write_error(bytes),
            Target::Memory(out) => out.extend_from_slice(bytes),
        }
    }

    fn report(&mut self, bytes: &[u8]) {
        match &mut self.target {
            Target::Standard(out) => {
                let written = out.write_all(bytes);
                self.note(written);
            }
            Target::Memory(out) => out.extend_from_slice(bytes),
            Target::Discarded => {}
        }
    }

    fn flush(&mut self) {
        if let Target::Standard(out) = &mut self.target {
            let written = out.flush();
            self.note(written);
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
