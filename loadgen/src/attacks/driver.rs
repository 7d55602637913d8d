//! Runs one attack on one connection, and sees what the server does about it.

use std::future::pending;
use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};

use super::catalog::{Attack, Expect, Reading, Step};
use super::frames::{PREFACE, kind, settings, status};
use crate::connections::dialer::Dialer;
use crate::connections::wire::Wire;
use crate::limits::{ATTACK_SEND_BUFFER, ATTACK_TIME};

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
    /// Bytes of the attack that the system had taken when the connection ended, or all.
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
        self.failure = self.failure.take().or_else(|| other.failure.clone());
    }
}

/// Runs the attack on one connection to its end, or until the server ends it.
pub async fn run(attack: &Attack, dialer: &Dialer) -> Seen {
    let dialer = match attack.expect {
        Expect::Ends { .. } => &dialer.clone().with_send_buffer(ATTACK_SEND_BUFFER),
        _ => dialer,
    };
    let wire = match dialer.connect().await {
        Ok(wire) => wire,
        Err(error) => return Seen { failure: Some(error.cause), ..Seen::default() },
    };
    let (mut reader, mut writer) = tokio::io::split(wire);
    let reads = attack.reading == Reading::Reads;
    let (mut seen, mut sent) = (Seen::default(), 0);
    let answered = async {
        if !reads {
            pending::<()>().await;
        }
        read(&mut reader, &mut seen).await;
    };
    let attacked = async {
        let written = write(attack, &mut writer, &mut sent).await;
        if written.is_err() && reads {
            // The connection is over. Why is said in what came before.
            pending::<()>().await;
        }
        written.is_err()
    };
    let ended = tokio::select! {
        biased;
        () = answered => true,
        ended = attacked => ended,
        // A server that takes nothing any more has stopped the attack, too; that it is in good order
        // is for the witness to say.
        () = tokio::time::sleep(ATTACK_TIME) => false,
    };
    Seen { ended, sent, ..seen }
}

async fn write(attack: &Attack, writer: &mut WriteHalf<Wire>, sent: &mut u64) -> io::Result<()> {
    let preface = attack.preface.then(|| Step::Send([PREFACE, &settings(&[])].concat()));
    for step in preface.into_iter().chain((attack.steps)()) {
        match step {
            Step::Send(bytes) => send(writer, &bytes, sent).await?,
            Step::Repeat(count, make) => repeat(writer, count, make, sent).await?,
            Step::Drip(count, pause, make) => {
                for i in 0..count {
                    send(writer, &make(i), sent).await?;
                    tokio::time::sleep(pause).await;
                }
            }
            Step::Wait(time) => tokio::time::sleep(time).await,
        }
    }
    Ok(())
}

/// Sends many small things in parts that a server may answer in between.
async fn repeat(
    writer: &mut WriteHalf<Wire>,
    count: u32,
    make: fn(u32) -> Vec<u8>,
    sent: &mut u64,
) -> io::Result<()> {
    const PART: usize = 4 * 1024;
    let mut part = Vec::with_capacity(2 * PART);
    for i in 0..count {
        part.extend_from_slice(&make(i));
        if part.len() >= PART || i + 1 == count {
            send(writer, &part, sent).await?;
            part.clear();
            // Lets the answers be seen.
            tokio::task::yield_now().await;
        }
    }
    Ok(())
}

/// Sends bytes, and counts those that the system took.
async fn send(writer: &mut WriteHalf<Wire>, mut bytes: &[u8], sent: &mut u64) -> io::Result<()> {
    while !bytes.is_empty() {
        let taken = writer.write(bytes).await?;
        writer.flush().await?;
        *sent += taken as u64;
        bytes = &bytes[taken..];
    }
    Ok(())
}

/// Reads frames until the connection has ended, or the server says that it will end it.
async fn read(reader: &mut ReadHalf<Wire>, seen: &mut Seen) {
    while let Some((kind, payload)) = read_frame(reader).await {
        let code = |at: usize| {
            payload.get(at..at + 4).and_then(|b| b.try_into().ok()).map(u32::from_be_bytes)
        };
        match kind {
            // Without an error it is polite: the end follows.
            kind::GOAWAY if code(4).is_some_and(|code| code != 0) => {
                seen.goaway = code(4);
                return;
            }
            kind::RST_STREAM => {
                seen.resets += 1;
                seen.reset_code = code(0);
            }
            kind::HEADERS => match status(&payload) {
                Some(400..) => seen.refused += 1,
                _ => seen.answered += 1,
            },
            _ => {}
        }
    }
}

/// Type and payload of the next frame.
async fn read_frame(reader: &mut ReadHalf<Wire>) -> Option<(u8, Vec<u8>)> {
    let mut head = [0; 9];
    reader.read_exact(&mut head).await.ok()?;
    let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
    let mut payload = vec![0; length];
    reader.read_exact(&mut payload).await.ok()?;
    Some((head[3], payload))
}
