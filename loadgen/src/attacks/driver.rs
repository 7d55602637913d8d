//! Runs one attack on one connection, and sees what the server does about it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};

use super::catalog::{Attack, Reading, Step};
use super::frames::{PREFACE, kind, settings, status};
use crate::connections::dialer::Dialer;
use crate::connections::wire::Wire;
use crate::limits::ATTACK_TIME;

/// What came back on one connection.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// Code of the last GOAWAY with an error.
    pub goaway: Option<u32>,
    /// Streams that the server reset.
    pub resets: u64,
    /// Code of the last reset.
    pub reset_code: Option<u32>,
    /// Responses with a status below 400.
    pub answered: u64,
    /// Responses with a status of 400 and above.
    pub refused: u64,
    /// Whether the server ended the connection, or said that it will: all of them, of several.
    pub ended: bool,
    /// Bytes of the attack that had left when the connection ended, or all.
    pub sent: u64,
    /// Why the connection could not be opened, if so.
    pub failure: Option<String>,
}

impl Seen {
    /// Adds what was seen on another connection.
    pub fn add(&mut self, other: &Seen) {
        self.goaway = self.goaway.or(other.goaway);
        self.resets += other.resets;
        self.reset_code = self.reset_code.or(other.reset_code);
        self.answered += other.answered;
        self.refused += other.refused;
        self.ended &= other.ended;
        self.sent += other.sent;
        if self.failure.is_none() {
            self.failure.clone_from(&other.failure);
        }
    }
}

#[derive(Default)]
struct Shared {
    seen: Mutex<Seen>,
    over: AtomicBool,
    sent: AtomicU64,
}

impl Shared {
    fn change(&self, change: impl FnOnce(&mut Seen)) {
        change(&mut self.seen.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn end(&self, change: impl FnOnce(&mut Seen)) {
        let sent = self.sent.load(Ordering::SeqCst);
        let first = !self.over.swap(true, Ordering::SeqCst);
        self.change(|seen| {
            change(seen);
            seen.ended = true;
            if first {
                seen.sent = sent;
            }
        });
    }
}

/// Runs the attack on one connection to its end, or until the server ends it.
pub async fn run(attack: &Attack, dialer: &Dialer) -> Seen {
    let wire = match dialer.connect().await {
        Ok(wire) => wire,
        Err(error) => return Seen { failure: Some(error.cause), ..Seen::default() },
    };
    let (reader, writer) = tokio::io::split(wire);
    let shared = Arc::new(Shared::default());
    let reading = match attack.reading {
        Reading::Reads => Some(tokio::spawn(read(reader, Arc::clone(&shared)))),
        // The half is kept: dropping it changes nothing, but nobody reads.
        Reading::Ignores => None,
    };
    let deadline = Instant::now() + ATTACK_TIME;
    let attacked = tokio::time::timeout_at(deadline.into(), write(attack, writer, &shared)).await;
    if let Some(reading) = reading {
        reading.abort();
    }
    // A server that takes nothing any more has stopped the attack, too; that it is in good order is
    // for the witness to say.
    let _ = attacked;
    let mut seen = shared.seen.lock().unwrap_or_else(PoisonError::into_inner).clone();
    if !shared.over.load(Ordering::SeqCst) {
        seen.sent = shared.sent.load(Ordering::SeqCst);
    }
    seen
}

async fn write(attack: &Attack, mut writer: WriteHalf<Wire>, shared: &Shared) {
    if attack.preface && !send(&mut writer, &[PREFACE, &settings(&[])].concat(), shared).await {
        return;
    }
    for step in (attack.steps)() {
        let goes_on = match step {
            Step::Send(bytes) => send(&mut writer, &bytes, shared).await,
            Step::Repeat(count, make) => repeat(&mut writer, count, make, shared).await,
            Step::Drip(count, pause, make) => {
                let mut goes_on = true;
                for i in 0..count {
                    goes_on =
                        send(&mut writer, &make(i), shared).await && wait(pause, shared).await;
                    if !goes_on {
                        break;
                    }
                }
                goes_on
            }
            Step::Wait(time) => wait(time, shared).await,
        };
        if !goes_on {
            break;
        }
    }
}

/// Sends many small things in parts that a server may answer in between.
async fn repeat(
    writer: &mut WriteHalf<Wire>,
    count: u32,
    make: fn(u32) -> Vec<u8>,
    shared: &Shared,
) -> bool {
    const PART: usize = 4 * 1024;
    let mut part = Vec::with_capacity(2 * PART);
    for i in 0..count {
        part.extend_from_slice(&make(i));
        if part.len() >= PART || i + 1 == count {
            if !send(writer, &part, shared).await {
                return false;
            }
            part.clear();
            // The reader runs on the same thread.
            tokio::task::yield_now().await;
        }
    }
    true
}

async fn send(writer: &mut WriteHalf<Wire>, bytes: &[u8], shared: &Shared) -> bool {
    if shared.over.load(Ordering::SeqCst) {
        return false;
    }
    let sent = writer.write_all(bytes).await.is_ok() && writer.flush().await.is_ok();
    if sent {
        shared.sent.fetch_add(bytes.len() as u64, Ordering::SeqCst);
    } else {
        shared.end(|_| {});
    }
    sent
}

/// Waits; false as soon as the connection is over.
async fn wait(time: Duration, shared: &Shared) -> bool {
    const LOOK: Duration = Duration::from_millis(10);
    let until = Instant::now() + time;
    while Instant::now() < until {
        if shared.over.load(Ordering::SeqCst) {
            return false;
        }
        tokio::time::sleep(LOOK.min(until - Instant::now())).await;
    }
    true
}

/// Reads frames until the end of the connection.
async fn read(mut reader: ReadHalf<Wire>, shared: Arc<Shared>) {
    loop {
        let Some((kind, stream, payload)) = read_frame(&mut reader).await else {
            shared.end(|_| {});
            return;
        };
        let code = |at: usize| {
            payload.get(at..at + 4).and_then(|b| b.try_into().ok()).map(u32::from_be_bytes)
        };
        match kind {
            kind::GOAWAY => match code(4) {
                // Without an error it is polite: the end follows.
                Some(0) | None => {}
                reason => shared.end(|seen| seen.goaway = reason),
            },
            kind::RST_STREAM => shared.change(|seen| {
                seen.resets += 1;
                seen.reset_code = code(0);
            }),
            kind::HEADERS if stream != 0 => match status(&payload) {
                Some(400..) => shared.change(|seen| seen.refused += 1),
                _ => shared.change(|seen| seen.answered += 1),
            },
            _ => {}
        }
    }
}

/// Kind, stream and payload of the next frame.
async fn read_frame(reader: &mut ReadHalf<Wire>) -> Option<(u8, u32, Vec<u8>)> {
    let mut head = [0; 9];
    reader.read_exact(&mut head).await.ok()?;
    let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
    let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]) & 0x7fff_ffff;
    let mut payload = vec![0; length];
    reader.read_exact(&mut payload).await.ok()?;
    Some((head[3], stream, payload))
}
