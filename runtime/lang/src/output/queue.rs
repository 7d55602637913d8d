//! Standard output of a program with several fibers: a thread of its own writes it.
//!
//! 1. What is printed waits here, in its order, until the thread has written it. Nobody who prints
//!    waits for the reader of a pipe with a lock.
//! 2. From [`FULL_BYTES`] on the queue is full: who has printed then is to wait until it has room
//!    again, and is told once. So what waits is bounded by that and one text of each fiber.
//! 3. When the program is to end nobody waits, and what then exceeds [`ENDING_BYTES`] is lost.
//!
//! Knows bytes. Does not know what becomes of an error: the thread tells who started it.

use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// Bytes that wait, from which on who prints is to wait.
pub(super) const FULL_BYTES: usize = 256 << 10;

/// Bytes that may wait when the program is to end.
const ENDING_BYTES: usize = 16 << 20;

/// Bytes that are written although nobody has asked for that.
const DUE_BYTES: usize = 8 << 10;

/// Told when there is room.
pub(super) type Waiter = Box<dyn FnOnce() + Send>;

/// What waits for the thread.
#[derive(Default)]
pub(super) struct Queue {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    bytes: Vec<u8>,
    /// Bytes that the thread is writing.
    being_written: usize,
    /// `bytes` are to be written now.
    is_due: bool,
    /// The thread waits for that.
    is_idle: bool,
    waiters: Vec<Waiter>,
    /// Rule 3.
    is_ending: bool,
    /// Nothing is written any more.
    is_closed: bool,
}

impl State {
    fn waiting(&self) -> usize {
        self.bytes.len() + self.being_written
    }
}

/// What came of adding a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Added {
    Kept,
    /// It is lost by rule 3.
    Lost,
}

/// Tells that there is room.
fn tell(waiters: Vec<Waiter>) {
    for waiter in waiters {
        waiter();
    }
}

impl Queue {
    /// A queue with these bytes, whose thread writes to `sink`; `failed` is told of an error, and
    /// says whether the thread goes on.
    ///
    /// # Errors
    /// `sink` when the system has no further thread.
    pub fn start<W: Write + Send + 'static>(
        bytes: Vec<u8>,
        sink: W,
        failed: impl Fn(io::Error) -> bool + Send + 'static,
    ) -> Result<Arc<Queue>, W> {
        let is_due = !bytes.is_empty();
        let state = State { bytes, is_due, ..State::default() };
        let queue = Arc::new(Queue { state: Mutex::new(state), changed: Condvar::new() });
        let own = Arc::clone(&queue);
        // Shared with the thread, which does not give it back when it cannot be started.
        let sink = Arc::new(Mutex::new(Some(sink)));
        let kept = Arc::clone(&sink);
        let take =
            |sink: &Mutex<Option<W>>| sink.lock().unwrap_or_else(PoisonError::into_inner).take();
        let run = move || {
            if let Some(sink) = take(&sink) {
                own.write_all(sink, &failed);
            }
        };
        match thread::Builder::new().name("valk-output".to_owned()).spawn(run) {
            Ok(_) => Ok(queue),
            Err(_) => Err(take(&kept).expect("no thread has taken it")),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a text.
    pub fn add(&self, bytes: &[u8]) -> Added {
        let mut state = self.state();
        if state.is_ending && state.waiting() + bytes.len() > ENDING_BYTES {
            return Added::Lost;
        }
        state.bytes.extend_from_slice(bytes);
        if state.bytes.len() >= DUE_BYTES {
            self.make_due(state);
        }
        Added::Kept
    }

    /// Has what waits written.
    pub fn flush(&self) {
        let state = self.state();
        if !state.bytes.is_empty() {
            self.make_due(state);
        }
    }

    fn make_due(&self, mut state: MutexGuard<'_, State>) {
        state.is_due = true;
        let is_idle = std::mem::take(&mut state.is_idle);
        drop(state);
        if is_idle {
            self.changed.notify_all();
        }
    }

    /// Whether who prints is to wait.
    pub fn is_full(&self) -> bool {
        let state = self.state();
        state.waiting() > FULL_BYTES && !state.is_ending && !state.is_closed
    }

    /// Has `waiter` called once there is room. Returns false, and calls nothing, when there is.
    pub fn when_room(&self, waiter: Waiter) -> bool {
        let mut state = self.state();
        let is_full = state.waiting() > FULL_BYTES && !state.is_ending && !state.is_closed;
        if is_full {
            state.waiters.push(waiter);
        }
        is_full
    }

    /// Ends all waits by rule 3.
    pub fn end_waits(&self) {
        let mut state = self.state();
        state.is_ending = true;
        let waiters = std::mem::take(&mut state.waiters);
        drop(state);
        tell(waiters);
    }

    /// Waits until everything is written, but no longer than that. Returns the bytes that are left.
    pub fn wait(&self, patience: Duration) -> usize {
        self.flush();
        let deadline = Instant::now() + patience;
        let mut state = self.state();
        while state.waiting() > 0 && !state.is_closed {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return state.waiting();
            }
            let waited = self.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        0
    }

    /// The thread's life.
    fn write_all(&self, mut sink: impl Write, failed: &impl Fn(io::Error) -> bool) {
        let mut own = Vec::new();
        loop {
            {
                let mut state = self.state();
                while !state.is_due {
                    state.is_idle = true;
                    state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                }
                state.is_due = false;
                std::mem::swap(&mut own, &mut state.bytes);
                state.being_written = own.len();
            }
            let written = sink.write_all(&own).and_then(|()| sink.flush());
            let goes_on = written.err().is_none_or(failed);
            own.clear();
            own.shrink_to(2 * FULL_BYTES);
            let mut state = self.state();
            state.being_written = 0;
            state.is_closed = !goes_on;
            let has_room = state.waiting() <= FULL_BYTES || state.is_closed;
            let waiters = if has_room { std::mem::take(&mut state.waiters) } else { Vec::new() };
            drop(state);
            self.changed.notify_all();
            tell(waiters);
            if !goes_on {
                return;
            }
        }
    }
}
