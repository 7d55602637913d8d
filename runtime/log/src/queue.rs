//! The queue between those who log and the thread that writes.
//!
//! 1. Pushing takes a lock for the time of one insertion and never waits for the writer. A line
//!    that does not fit is dropped and counted.
//! 2. The writing thread starts with the first line. It holds no lock while it writes.
//! 3. A line is on the target whole, or counted as dropped. When a part of a line was written, the
//!    next line begins with a line feed, so that no line continues another.
//! 4. Once everything is written, the number of lines dropped since the last report is a line too.

use crate::line;
use std::collections::VecDeque;
use std::io::{ErrorKind, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Lines that may wait to be written.
pub const QUEUE_LINES_MAX: usize = 4096;

/// Bytes that may wait to be written.
pub const QUEUE_BYTES_MAX: usize = 1 << 20;

/// Lines on their way to a target; clones are handles of the same queue.
#[derive(Clone)]
pub struct LogQueue {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    /// Signalled when a line was pushed.
    pushed: Condvar,
    /// Signalled when everything is written.
    drained: Condvar,
    dropped: AtomicU64,
}

struct State {
    lines: VecDeque<String>,
    bytes: usize,
    /// The thread is writing a line that is no longer in the queue.
    is_writing: bool,
    thread: WriterThread,
}

/// Whether the writing thread runs.
enum WriterThread {
    /// Not before there is a line; lines will go to this target.
    Wanted(Box<dyn Write + Send>),
    Running,
    /// The system gave no thread: every line is dropped.
    Refused,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn drop_lines(&self, lines: usize) {
        self.dropped.fetch_add(lines as u64, Ordering::Relaxed);
    }
}

impl LogQueue {
    /// A queue whose lines go to `target`.
    pub fn new(target: Box<dyn Write + Send>) -> LogQueue {
        let state = State {
            lines: VecDeque::new(),
            bytes: 0,
            is_writing: false,
            thread: WriterThread::Wanted(target),
        };
        let shared = Shared {
            state: Mutex::new(state),
            pushed: Condvar::new(),
            drained: Condvar::new(),
            dropped: AtomicU64::new(0),
        };
        LogQueue { shared: Arc::new(shared) }
    }

    /// Queues a line, or drops it when the queue is full.
    pub fn push(&self, line: String) {
        let mut state = self.shared.lock();
        let is_full =
            state.lines.len() >= QUEUE_LINES_MAX || state.bytes + line.len() > QUEUE_BYTES_MAX;
        if is_full || !self.start(&mut state) {
            self.shared.drop_lines(1);
            return;
        }
        state.bytes += line.len();
        state.lines.push_back(line);
        drop(state);
        self.shared.pushed.notify_one();
    }

    /// Starts the writing thread if it does not run; false when the system gives none.
    fn start(&self, state: &mut State) -> bool {
        state.thread = match std::mem::replace(&mut state.thread, WriterThread::Refused) {
            WriterThread::Wanted(target) => {
                let writer = Writer::new(Arc::clone(&self.shared), target);
                let builder = std::thread::Builder::new().name("log".to_string());
                let started = builder.spawn(move || writer.run());
                started.map_or(WriterThread::Refused, |_| WriterThread::Running)
            }
            known => known,
        };
        matches!(state.thread, WriterThread::Running)
    }

    /// Waits until everything is written, for at most `time`. Returns whether it is.
    pub fn flush(&self, time: Duration) -> bool {
        let state = self.shared.lock();
        let is_pending = |state: &mut State| state.is_writing || !state.lines.is_empty();
        let waited = self.shared.drained.wait_timeout_while(state, time, is_pending);
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }

    /// Lines dropped so far.
    pub fn dropped(&self) -> u64 {
        self.shared.dropped.load(Ordering::Relaxed)
    }
}

/// What the writing thread owns.
struct Writer {
    shared: Arc<Shared>,
    target: Box<dyn Write + Send>,
    /// The target ends with a part of a line.
    is_torn: bool,
    /// Dropped lines that a line has reported.
    reported: u64,
}

impl Writer {
    fn new(shared: Arc<Shared>, target: Box<dyn Write + Send>) -> Writer {
        Writer { shared, target, is_torn: false, reported: 0 }
    }

    fn run(mut self) {
        loop {
            let line = self.next();
            let is_written = self.write(&line);
            if !is_written {
                self.shared.drop_lines(1);
            }
            let dropped = self.shared.dropped.load(Ordering::Relaxed);
            if is_written && dropped > self.reported && self.is_last() {
                // A report that cannot be written is made again after the next line.
                if self.write(&line::of_drops(dropped - self.reported)) {
                    self.reported = dropped;
                }
            }
        }
    }

    /// The next line.
    fn next(&mut self) -> String {
        let mut state = self.shared.lock();
        loop {
            if let Some(line) = state.lines.pop_front() {
                state.bytes -= line.len();
                state.is_writing = true;
                return line;
            }
            state.is_writing = false;
            self.shared.drained.notify_all();
            state = self.shared.pushed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Whether no line waits.
    fn is_last(&self) -> bool {
        self.shared.lock().lines.is_empty()
    }

    /// Writes a line; false when a part of it is missing.
    fn write(&mut self, line: &str) -> bool {
        let line = if self.is_torn { format!("\n{line}") } else { line.to_string() };
        let mut rest = line.as_bytes();
        while !rest.is_empty() {
            match self.target.write(rest) {
                Ok(0) => break,
                Ok(bytes) => {
                    rest = &rest[bytes..];
                    self.is_torn = !rest.is_empty();
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
        rest.is_empty() && self.target.flush().is_ok()
    }
}
