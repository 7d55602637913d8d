//! Where a program's output goes.
//!
//! A capture takes what is written from its start on, until it is released; of several the
//! youngest does. What the runtime itself reports passes captures by.

use std::io::Write;

/// A program's standard output and standard error.
#[derive(Debug, Default)]
pub struct Output {
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
        Output { target: Target::Memory(Vec::new()), ..Output::default() }
    }

    /// Writes to standard output, or the youngest capture.
    pub fn write(&mut self, bytes: &[u8]) {
        match self.captures.last_mut() {
            Some((_, captured)) => captured.standard.extend_from_slice(bytes),
            None => self.report(bytes),
        }
    }

    /// Writes to standard error, or the youngest capture.
    pub fn write_error(&mut self, bytes: &[u8]) {
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

    /// Writes to standard output whatever is captured. What cannot be written is dropped, but for a
    /// pipe that nobody reads any more: that ends the process quietly, since the program could go
    /// on for ever for nobody.
    pub fn report(&mut self, bytes: &[u8]) {
        match &mut self.target {
            Target::Standard(out) => {
                end_without_reader(out.write_all(bytes));
            }
            Target::Memory(out) => out.extend_from_slice(bytes),
        }
    }

    /// Passes on what is buffered.
    pub fn flush(&mut self) {
        if let Target::Standard(out) = &mut self.target {
            end_without_reader(out.flush());
        }
    }

    /// Begins a capture.
    pub fn capture(&mut self) -> CaptureId {
        self.captures_made += 1;
        let id = CaptureId(self.captures_made);
        self.captures.push((id, Captured::default()));
        id
    }

    /// Ends a capture; nothing when it was ended before.
    pub fn release(&mut self, id: CaptureId) -> Captured {
        let found = self.captures.iter().position(|(known, _)| *known == id);
        found.map(|at| self.captures.remove(at).1).unwrap_or_default()
    }

    /// Takes what was collected in memory.
    pub fn take(&mut self) -> Vec<u8> {
        match &mut self.target {
            Target::Standard(_) => Vec::new(),
            Target::Memory(out) => std::mem::take(out),
        }
    }
}

/// Ends the process when nobody reads its output any more.
fn end_without_reader(written: std::io::Result<()>) {
    if written.is_err_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe) {
        std::process::exit(0);
    }
}
