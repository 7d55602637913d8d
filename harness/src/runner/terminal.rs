//! Where the run prints: standard output, or a pipe that a thread copies to it.
//!
//! 1. Standard output that does not block is written by the thread, which waits where a plain write
//!    would fail and lose results.
//! 2. For JSON, tests in the runner's process print to standard error instead, so that the stream holds
//!    nothing else; so does the summary.

use std::io::{self, IsTerminal, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::thread::JoinHandle;

use libtest_mimic::{Arguments, ColorSetting, FormatSetting};

use crate::ffi::{self, descriptors};

/// Standard output of the run.
pub struct Terminal {
    is_json: bool,
    /// Writing end of the pipe, and the thread that empties it.
    pump: Option<(io::PipeWriter, JoinHandle<()>)>,
}

impl Terminal {
    /// Decides where progress goes, and tells libtest-mimic by its arguments.
    pub fn new(arguments: &mut Arguments, has_tests_in_process: bool) -> Self {
        let is_json = arguments.format == Some(FormatSetting::Json) && !arguments.quiet;
        let stdout = io::stdout();
        let is_needed = descriptors::is_nonblocking(stdout.as_fd())
            || (is_json && has_tests_in_process && arguments.logfile.is_none());
        let pump = if is_needed { start_pump(is_json).ok() } else { None };
        if let Some((writer, _)) = &pump
            && arguments.logfile.is_none()
        {
            if arguments.color.unwrap_or(ColorSetting::Auto) == ColorSetting::Auto
                && stdout.is_terminal()
            {
                arguments.color = Some(ColorSetting::Always);
            }
            arguments.logfile = Some(format!("/proc/self/fd/{}", writer.as_raw_fd()));
        }
        Self { is_json, pump }
    }

    /// Prints text of ours, in one write.
    ///
    /// # Errors
    /// The reader is gone.
    pub fn print(&self, text: &str) -> io::Result<()> {
        let _ = io::stdout().flush();
        match &self.pump {
            _ if self.is_json => io::stderr().write_all(text.as_bytes()),
            Some((writer, _)) => {
                let mut writer = writer;
                writer.write_all(text.as_bytes())
            }
            None => {
                let mut stdout = io::stdout().lock();
                stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush())
            }
        }
    }

    /// Waits until everything has been written.
    pub fn finish(&mut self) {
        if let Some((writer, thread)) = self.pump.take() {
            drop(writer);
            let _ = thread.join();
        }
    }
}

fn start_pump(is_json: bool) -> io::Result<(io::PipeWriter, JoinHandle<()>)> {
    let (reader, writer) = io::pipe()?;
    let to = io::stdout().as_fd().try_clone_to_owned()?;
    if is_json {
        ffi::redirect(io::stderr().as_fd(), 1)?;
    }
    let (mut reader, mut to) = (reader, Patient(to));
    // The copy ends with the pipe, or when the reader of the output is gone.
    let copy = move || drop(io::copy(&mut reader, &mut to));
    let thread = std::thread::Builder::new().name("output".into()).spawn(copy)?;
    Ok((writer, thread))
}

/// An output that is waited for, also where it does not block.
struct Patient(OwnedFd);

impl Write for Patient {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            match descriptors::write_some(self.0.as_raw_fd(), bytes) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    descriptors::poll_writable(self.0.as_fd());
                }
                ended => return ended,
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
