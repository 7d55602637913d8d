//! Where a program's output goes.
//!
//! 1. A capture takes what is written from its start on, until it is released; of several the
//!    youngest does. What the runtime itself reports passes captures by.
//! 2. All VMs of a program share its output. What one call writes is not torn apart.

use std::io::Write;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A program's standard output and standard error; clones are handles of the same.
#[derive(Clone, Debug, Default)]
pub struct Output {
    streams: Arc<Mutex<Streams>>,
}

#[derive(Debug, Default)]
struct Streams {
    target: Target,
    captures: Vec<(CaptureId, Captured)>,
    captures_made: u64,
}

/// What is written when nothing is captured.
#[derive(Debug)]
enum Target {
    /// The process's standard output, buffered.
    Standard(std::io::BufWriter<std::io::Stdout>),
    /// Kept in memory; standard error with it.
    Memory(Vec<u8>),
}

impl Default for Target {
    fn default() -> Target {
        Target::Standard(std::io::BufWriter::new(std::io::stdout()))
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

    /// Writes to standard output whatever is captured. What cannot be written is dropped, but for a
    /// pipe without a reader: that ends the process quietly, since the program could go on for ever
    /// without effect.
    pub fn report(&self, bytes: &[u8]) {
        self.streams().report(bytes);
    }

    /// Passes on what is buffered.
    pub fn flush(&self) {
        self.streams().flush();
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
            Target::Standard(_) => Vec::new(),
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
            Target::Standard(_) => {
                let _ = std::io::stderr().write_all(bytes);
            }
            Target::Memory(out) => out.extend_from_slice(bytes),
        }
    }

    fn report(&mut self, bytes: &[u8]) {
        match &mut self.target {
            Target::Standard(out) => {
                end_without_reader(out.write_all(bytes));
            }
            Target::Memory(out) => out.extend_from_slice(bytes),
        }
    }

    fn flush(&mut self) {
        if let Target::Standard(out) = &mut self.target {
            end_without_reader(out.flush());
        }
    }
}

/// Ends the process when its output has no reader any more.
fn end_without_reader(written: std::io::Result<()>) {
    if written.is_err_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe) {
        std::process::exit(0);
    }
}
