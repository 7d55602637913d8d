//! Standard input, read with a deadline or without.
//!
//! 1. A read without a deadline reads on its own thread, when nothing is left of earlier ones.
//! 2. A read with one waits for a chunk that another thread reads, of which there is one at a time.
//!    When the deadline comes first, what the thread gets later is kept for the next read.
//! 3. No byte is lost or given twice, and their order is kept.

use std::io::{self, BufRead, Read};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Instant;

/// How much is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extent {
    /// Up to the end of a line, and that.
    Line,
    /// Up to the end of the input.
    All,
}

impl Extent {
    fn read(self, input: &mut impl BufRead, bytes: &mut Vec<u8>) -> io::Result<usize> {
        match self {
            Extent::Line => input.read_until(b'\n', bytes),
            Extent::All => input.read_to_end(bytes),
        }
    }

    /// Where it ends in these bytes.
    fn end(self, bytes: &[u8]) -> Option<usize> {
        match self {
            Extent::Line => memchr::memchr(b'\n', bytes).map(|at| at + 1),
            Extent::All => None,
        }
    }
}

/// What a thread has read that nobody has taken.
struct Kept {
    bytes: Vec<u8>,
    /// A thread reads the next chunk.
    is_reading: bool,
    /// What became of the last chunk, if it brought no bytes: the end, or an error.
    stopped: Option<io::Result<()>>,
}

/// The input of the process, as the reads with a deadline see it.
pub(super) struct StandardInput {
    kept: Mutex<Kept>,
    arrived: Condvar,
    /// Reads a chunk; an empty one at the end. May block for ever.
    next_chunk: fn() -> io::Result<Vec<u8>>,
}

/// The input of this process.
pub(super) static STANDARD_INPUT: StandardInput = StandardInput::new(|| {
    let mut input = io::stdin().lock();
    let chunk = input.fill_buf()?.to_vec();
    input.consume(chunk.len());
    Ok(chunk)
});

impl StandardInput {
    const fn new(next_chunk: fn() -> io::Result<Vec<u8>>) -> StandardInput {
        let kept = Kept { bytes: Vec::new(), is_reading: false, stopped: None };
        StandardInput { kept: Mutex::new(kept), arrived: Condvar::new(), next_chunk }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads no more than `limit` bytes; nothing at the end of the input. `None` when the deadline
    /// came first.
    ///
    /// # Errors
    /// What the system says.
    pub fn read(
        &'static self,
        extent: Extent,
        limit: usize,
        deadline: Option<Instant>,
    ) -> io::Result<Option<Vec<u8>>> {
        let mut kept = self.kept();
        if deadline.is_none() && kept.bytes.is_empty() && !kept.is_reading {
            drop(kept);
            let mut bytes = Vec::new();
            extent.read(&mut io::stdin().lock().take(limit as u64), &mut bytes)?;
            return Ok(Some(bytes));
        }
        loop {
            let length = kept.bytes.len();
            if let Some(end) = extent.end(&kept.bytes).or((length >= limit).then_some(limit)) {
                return Ok(Some(kept.bytes.drain(..end.min(limit)).collect()));
            }
            if let Some(stopped) = kept.stopped.take() {
                return stopped.map(|()| Some(std::mem::take(&mut kept.bytes)));
            }
            if !kept.is_reading {
                kept.is_reading = true;
                let reader = thread::Builder::new().name("standard-input".to_owned());
                if let Err(error) = reader.spawn(|| self.read_chunk()) {
                    kept.is_reading = false;
                    return Err(error);
                }
            }
            kept = match deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()))
            {
                None => self.arrived.wait(kept).unwrap_or_else(PoisonError::into_inner),
                Some(left) if left.is_zero() => return Ok(None),
                Some(left) => {
                    let waited = self.arrived.wait_timeout(kept, left);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }

    fn read_chunk(&self) {
        let chunk = (self.next_chunk)();
        let mut kept = self.kept();
        kept.is_reading = false;
        match chunk {
            Ok(chunk) if !chunk.is_empty() => kept.bytes.extend_from_slice(&chunk),
            end => kept.stopped = Some(end.map(|_| ())),
        }
        self.arrived.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::{Extent, StandardInput};
    use std::io;
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::{Duration, Instant};

    fn after(time: Duration) -> Option<Instant> {
        Instant::now().checked_add(time)
    }

    const SOON: Duration = Duration::from_millis(10);
    const LATER: Duration = Duration::from_mins(1);

    valk_harness::test! {
        fn what_comes_after_the_deadline_is_for_the_next_read() {
            static GATE: Mutex<()> = Mutex::new(());
            static CHUNKS: Mutex<Vec<&str>> = Mutex::new(Vec::new());
            static INPUT: StandardInput = StandardInput::new(|| {
                drop(GATE.lock());
                Ok(CHUNKS.lock().expect("no panic").pop().unwrap_or_default().as_bytes().to_vec())
            });
            // The last comes first.
            *CHUNKS.lock().expect("no panic") = vec!["d\ne", "a\nb"];
            let closed = GATE.lock().expect("no panic");
            let line = |deadline| INPUT.read(Extent::Line, 100, deadline).expect("no error");
            assert_eq!(line(after(SOON)), None);
            assert_eq!(line(after(SOON)), None, "the same thread still reads");
            drop(closed);
            assert_eq!(line(None).as_deref(), Some(b"a\n".as_slice()));
            assert_eq!(line(after(LATER)).as_deref(), Some(b"bd\n".as_slice()), "a line in two chunks");
            let rest = INPUT.read(Extent::All, 100, None).expect("no error");
            assert_eq!(rest.as_deref(), Some(b"e".as_slice()), "what is left, to the end");
            assert_eq!(line(after(LATER)).as_deref(), Some(b"".as_slice()), "the end again");
        }

        fn a_read_has_a_limit_and_errors_are_told() {
            static FAILS: AtomicBool = AtomicBool::new(false);
            static INPUT: StandardInput = StandardInput::new(|| {
                if FAILS.load(Ordering::SeqCst) {
                    return Err(io::Error::other("unplugged"));
                }
                Ok(b"0123456789".to_vec())
            });
            let read = INPUT.read(Extent::All, 4, after(LATER)).expect("no error");
            assert_eq!(read.as_deref(), Some(b"0123".as_slice()));
            FAILS.store(true, Ordering::SeqCst);
            let error = INPUT.read(Extent::Line, 100, after(LATER)).expect_err("it fails");
            assert_eq!(error.to_string(), "unplugged");
        }
    }
}
