//! The channel: the socket between one worker thread of the runner and its supervisor.
//!
//! A request has 12 bytes, little endian: nonce `u64`, test number `u32`. A reply is a length `u32`
//! and a test record as JSON. Each request has exactly one reply before the next request.

use std::io::{self, Read, Write};

use crate::verdicts::result::TestResult;
use crate::verdicts::token::Identity;

/// Bytes of the largest reply: two output buffers and a token, escaped.
const MAX_REPLY_BYTES: usize = 256 << 20;

/// Requests a run of a test.
pub fn send_request(mut channel: impl Write, identity: Identity) -> io::Result<()> {
    let mut request = [0; 12];
    request[..8].copy_from_slice(&identity.nonce.to_le_bytes());
    request[8..].copy_from_slice(&identity.test.to_le_bytes());
    channel.write_all(&request)
}

/// Waits for a request. Returns an error when the runner has closed the channel.
pub fn receive_request(mut channel: impl Read) -> io::Result<Identity> {
    let (mut nonce, mut test) = ([0; 8], [0; 4]);
    channel.read_exact(&mut nonce)?;
    channel.read_exact(&mut test)?;
    Ok(Identity { nonce: u64::from_le_bytes(nonce), test: u32::from_le_bytes(test) })
}

/// Sends a reply.
pub fn send_result(mut channel: impl Write, result: &TestResult) -> io::Result<()> {
    let payload = result.to_json().to_string();
    let mut reply = Vec::with_capacity(4 + payload.len());
    reply.extend_from_slice(&(payload.len() as u32).to_le_bytes());
    reply.extend_from_slice(payload.as_bytes());
    channel.write_all(&reply)
}

/// Waits for a reply.
pub fn receive_result(mut channel: impl Read) -> io::Result<TestResult> {
    let mut length = [0; 4];
    channel.read_exact(&mut length)?;
    let length = u32::from_le_bytes(length) as usize;
    if length > MAX_REPLY_BYTES {
        return Err(invalid(format!("a reply of {length} bytes, more than {MAX_REPLY_BYTES}")));
    }
    let mut payload = vec![0; length];
    channel.read_exact(&mut payload)?;
    serde_json::from_slice(&payload)
        .ok()
        .and_then(|value| TestResult::from_json(&value))
        .ok_or_else(|| invalid("a reply that is no test record".into()))
}

fn invalid(message: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message)
}
