//! Servers that are weak on purpose: each attack must fail one of them.
//!
//! 1. The *naive* server answers whatever comes and ends nothing.
//! 2. The *fragile* server answers in the same way until it sees what no ordinary client sends; then
//!    it stops altogether.
//! 3. The one that *leaves once* is naive, but sends the first client that asks three times elsewhere,
//!    with GOAWAY and without an error.
//! 4. The *slow to end* one ends the connection of an attack, but not at once, and does not run for a
//!    while before that, as on a busy machine.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::attacks::frames::{PREFACE, frame, headers, kind, settings};

/// What is wrong with a server.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Weakness {
    Naive,
    Fragile,
    LeavesOnce,
    /// It ends the connection of an attack when it has read this many bytes.
    Ends {
        after: usize,
    },
}

/// How long a server that ends attacks does not run: long enough to fill every buffer.
const PAUSE: Duration = Duration::from_millis(300);

/// Starts a weak server and returns its base.
pub fn weak(weakness: Weakness) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let stopped = Arc::new(AtomicBool::new(false));
    std::thread::spawn(move || {
        for tcp in listener.incoming().map_while(Result::ok) {
            let stopped = Arc::clone(&stopped);
            std::thread::spawn(move || serve(tcp, weakness, &stopped));
        }
    });
    base
}

/// Ends when the connection does; the error is of no interest.
fn serve(mut tcp: TcpStream, weakness: Weakness, stopped: &AtomicBool) -> Option<()> {
    tcp.set_nodelay(true).ok()?;
    tcp.read_exact(&mut [0; PREFACE.len()]).ok()?;
    tcp.write_all(&settings(&[])).ok()?;
    let mut counts = [0_u32; 256];
    let mut bytes_read = 0;
    let mut is_attack = false;
    loop {
        let mut head = [0; 9];
        tcp.read_exact(&mut head).ok()?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]) & 0x7fff_ffff;
        let mut payload = vec![0; length];
        tcp.read_exact(&mut payload).ok()?;
        let (kind, flags) = (head[3], head[4]);
        counts[usize::from(kind)] += 1;
        let ordinary = match kind {
            kind::DATA | kind::HEADERS => !payload.windows(11).any(|part| part == b"attack.test"),
            kind::SETTINGS | kind::PING => counts[usize::from(kind)] < 5,
            kind::WINDOW_UPDATE => payload[..] != [0, 0, 0, 1],
            kind::GOAWAY | kind::RST_STREAM => true,
            _ => false,
        };
        bytes_read += head.len() + length;
        match weakness {
            Weakness::LeavesOnce if stream == 5 && !stopped.swap(true, Ordering::SeqCst) => {
                // The third request has not begun.
                tcp.write_all(&frame(kind::GOAWAY, 0, 0, &[0, 0, 0, 3, 0, 0, 0, 0])).ok()?;
                return end(tcp);
            }
            Weakness::Fragile if !ordinary => stopped.store(true, Ordering::SeqCst),
            Weakness::Ends { .. } if !ordinary && !is_attack => {
                is_attack = true;
                std::thread::sleep(PAUSE);
            }
            Weakness::Ends { after } if is_attack && bytes_read >= after => {
                let calm = [0, 0, 0, 0, 0, 0, 0, 11];
                tcp.write_all(&frame(kind::GOAWAY, 0, 0, &calm)).ok()?;
                return end(tcp);
            }
            _ => {}
        }
        if weakness == Weakness::Fragile && stopped.load(Ordering::SeqCst) {
            std::thread::park();
        }
        if kind == kind::SETTINGS && flags == 0 {
            tcp.write_all(&frame(kind::SETTINGS, 1, 0, &[])).ok()?;
        }
        if (kind == kind::HEADERS || kind == kind::DATA) && flags & 1 == 1 {
            tcp.write_all(&headers(stream, true, &[0x88])).ok()?;
        }
    }
}

/// Ends the connection in good order: a close with unread bytes would reset it, and what was written
/// last could be lost.
fn end(mut tcp: TcpStream) -> Option<()> {
    tcp.shutdown(Shutdown::Write).ok()?;
    std::io::copy(&mut tcp, &mut std::io::sink()).ok()?;
    Some(())
}
