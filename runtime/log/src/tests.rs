//! The subscriber over targets in memory, the queue over targets that fail.

mod lines;
mod process;
mod queueing;

use crate::{LogQueue, LogSubscriber, Threshold};
use std::io::{Error, ErrorKind, Write};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;
use tracing::Dispatch;

/// Far longer than any test takes.
const LONG: Duration = Duration::from_mins(1);

/// A target in memory that can refuse, stop taking bytes, or take only a few.
#[derive(Clone, Default)]
struct Target(Arc<(Mutex<TargetState>, Condvar)>);

#[derive(Default)]
struct TargetState {
    written: Vec<u8>,
    /// Every write fails.
    refuses: bool,
    /// Bytes taken before every write fails.
    room: Option<usize>,
    /// Writes wait.
    is_stuck: bool,
    /// A write waits.
    waits: bool,
    /// The next write is interrupted.
    interrupt: bool,
}

impl Target {
    fn change(&self, change: impl FnOnce(&mut TargetState)) {
        change(&mut self.0.0.lock().expect("no test panics with it"));
        self.0.1.notify_all();
    }

    /// Waits until a write waits.
    fn wait_until_stuck(&self) {
        let state = self.0.0.lock().expect("no test panics with it");
        let waited = self.0.1.wait_timeout_while(state, LONG, |state| !state.waits);
        assert!(!waited.expect("no test panics with it").1.timed_out(), "a write comes");
    }

    fn text(&self) -> String {
        let state = self.0.0.lock().expect("no test panics with it");
        String::from_utf8(state.written.clone()).expect("lines are text")
    }
}

impl Write for Target {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let mut state = self.0.0.lock().expect("no test panics with it");
        while state.is_stuck {
            state.waits = true;
            self.0.1.notify_all();
            state = self.0.1.wait(state).expect("no test panics with it");
        }
        state.waits = false;
        if std::mem::take(&mut state.interrupt) {
            return Err(Error::from(ErrorKind::Interrupted));
        }
        let room = state.room.unwrap_or(usize::MAX);
        if state.refuses || room == 0 {
            return Err(Error::from(ErrorKind::StorageFull));
        }
        let taken = bytes.len().min(room).min(1000);
        state.written.extend_from_slice(&bytes[..taken]);
        state.room = state.room.map(|room| room - taken);
        Ok(taken)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// A queue to a target in memory.
fn queue() -> (LogQueue, Target) {
    let target = Target::default();
    (LogQueue::new(Box::new(target.clone())), target)
}

/// The lines that `log` logs with this threshold.
fn logged(threshold: &Threshold, log: impl FnOnce()) -> String {
    let (queue, target) = queue();
    let subscriber = LogSubscriber::new(threshold.clone(), queue.clone());
    tracing::dispatcher::with_default(&Dispatch::new(subscriber), log);
    assert!(queue.flush(LONG), "everything is written");
    target.text()
}
