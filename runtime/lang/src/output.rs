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
    /// Writes. A closed pipe is no error of the program: what cannot be written is dropped.
    pub fn write(&mut self, bytes: &[u8]) {
        match self {
            Output::Standard(out) => {
                let _ = out.write_all(bytes);
            }
            Output::Memory(out) => out.extend_from_slice(bytes),
        }
    }

    /// Passes on what is buffered.
    pub fn flush(&mut self) {
        if let Output::Standard(out) = self {
            let _ = out.flush();
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
