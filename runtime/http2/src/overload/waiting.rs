//! The connections of a thread that are not read from until their clients have read.
//!
//! 1. The newest comes first, none is in the list twice, and there are at most so many.
//! 2. When memory becomes free, the newest that is not closing may go on; those that are closing are
//!    dropped on the way.
//! 3. Whoever has waited longer than the time-out is told to close, so many at a time.

use tokio::time::Instant;

/// What became of adding a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Added {
    /// It waits, or did already.
    Waits,
    /// There are too many.
    Full,
}

#[derive(Debug)]
struct Entry<T> {
    number: u64,
    since: Instant,
    connection: T,
}

/// The list; `T` is what it takes to tell a connection something.
#[derive(Debug)]
pub(crate) struct WaitingList<T> {
    /// The newest last.
    entries: Vec<Entry<T>>,
    most: usize,
}

impl<T> WaitingList<T> {
    pub(crate) fn new(most: usize) -> Self {
        Self { entries: Vec::new(), most }
    }

    /// Adds a connection that waits since then.
    pub(crate) fn add(&mut self, number: u64, since: Instant, connection: T) -> Added {
        if self.entries.iter().any(|entry| entry.number == number) {
            return Added::Waits;
        }
        if self.entries.len() >= self.most {
            return Added::Full;
        }
        self.entries.push(Entry { number, since, connection });
        Added::Waits
    }

    /// Removes a connection, wherever it is; false when it does not wait.
    pub(crate) fn remove(&mut self, number: u64) -> bool {
        let at = self.entries.iter().position(|entry| entry.number == number);
        if let Some(at) = at {
            self.entries.remove(at);
        }
        at.is_some()
    }

    /// Takes the newest connection that is not closing, if so many buffers are free as one needs:
    /// half of `least`, or two when that is 0.
    pub(crate) fn resume(
        &mut self,
        free: usize,
        least: usize,
        is_closing: impl Fn(&T) -> bool,
    ) -> Option<T> {
        let needed = if least == 0 { 2 } else { least / 2 };
        if free < needed {
            return None;
        }
        while let Some(entry) = self.entries.pop() {
            if !is_closing(&entry.connection) {
                return Some(entry.connection);
            }
        }
        None
    }

    /// Takes at most `most` of the connections that wait since before `then`, the oldest first.
    pub(crate) fn expired(&mut self, then: Instant, most: usize) -> Vec<T> {
        let mut expired = Vec::new();
        let mut at = 0;
        while at < self.entries.len() && expired.len() < most {
            if self.entries[at].since < then {
                expired.push(self.entries.remove(at).connection);
            } else {
                at += 1;
            }
        }
        expired
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}
