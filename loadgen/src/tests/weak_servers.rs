//! Servers that are weak on purpose: each attack must fail one of them.
//!
//! 1. The *naive* server answers whatever comes and ends nothing.
//! 2. The *fragile* server answers in the same way until it sees what no ordinary client sends; then
//!    it stops altogether.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::attacks::frames::{PREFACE, frame, headers, kind, settings};

/// Starts a weak server and returns its base.
pub fn weak(fragile: bool) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let stopped = Arc::new(AtomicBool::new(false));
    std::thread::spawn(move || {
        for tcp in listener.incoming().map_while(Result::ok) {
            let stopped = Arc::clone(&stopped);
            std::thread::spawn(move || serve(tcp, fragile, &stopped));
        }
    });
    base
}

/// Ends when the connection does; the error is of no interest.
fn serve(mut tcp: TcpStream, fragile: bool, stopped: &AtomicBool) -> Option<()> {
    tcp.set_nodelay(true).ok()?;
    tcp.read_exact(&mut [0; PREFACE.len()]).ok()?;
    tcp.write_all(&settings(&[])).ok()?;
    let mut counts = [0_u32; 256];
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
        if fragile && !ordinary {
            stopped.store(true, Ordering::SeqCst);
        }
        if stopped.load(Ordering::SeqCst) {
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
