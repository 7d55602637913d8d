//! Where a program's output goes.

use std::io::Write;

/// A program's standard output: buffered, or collected for the embedder.
#[derive(Debug)]
pub enum Output {
    /// The process's standard output.
    Standard(std::io::BufWriter<std::io::Stdout>),
    /// Kept in memory.
    Memory(Vec<u8>),
}

impl Default for Output {
    fn default() -> Output {
        Output::Standard(std::io::BufWriter::new(std::io::stdout()))
    }
}

impl Output {
    /// Writes. What cannot be written is dropped, but for a pipe that nobody reads any more: that
    /// ends the process quietly, since the program could go on for ever for nobody.
    pub fn write(&mut self, bytes: &[u8]) {
        match self {
            Output::Standard(out) => {
                end_without_reader(out.write_all(bytes));
            }
            Output::Memory(out) => out.extend_from_slice(bytes),
        }
    }

    /// Passes on what is buffered.
    pub fn flush(&mut self) {
        if let Output::Standard(out) = self {
            end_without_reader(out.flush());
        }
    }

    /// Takes what was collected in memory.
    pub fn take(&mut self) -> Vec<u8> {
        match self {
            Output::Standard(_) => Vec::new(),
            Output::Memory(out) => std::mem::take(out),
        }
    }
}

/// Ends the process when nobody reads its output any more.
fn end_without_reader(written: std::io::Result<()>) {
    if written.is_err_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe) {
        std::process::exit(0);
    }
}
