//! A lane: the socket between one worker of the runner and its slot.
//!
//! Order, 12 bytes little endian: nonce `u64`, test number `u32`. Reply: length `u32`, then a test
//! record as JSON. Strictly one order, one reply.

use std::io::{self, Read, Write};

use crate::verdicts::result::TestResult;
use crate::verdicts::token::Identity;

/// Bytes of the largest reply: two spools and a token, escaped.
const MAX_REPLY_BYTES: usize = 256 << 20;

/// Orders a test.
pub fn send_order(mut lane: impl Write, identity: Identity) -> io::Result<()> {
    let mut order = [0; 12];
    order[..8].copy_from_slice(&identity.nonce.to_le_bytes());
    order[8..].copy_from_slice(&identity.test.to_le_bytes());
    lane.write_all(&order)
}

/// Waits for an order; an error when the runner has closed the lane.
pub fn receive_order(mut lane: impl Read) -> io::Result<Identity> {
    let (mut nonce, mut test) = ([0; 8], [0; 4]);
    lane.read_exact(&mut nonce)?;
    lane.read_exact(&mut test)?;
    Ok(Identity { nonce: u64::from_le_bytes(nonce), test: u32::from_le_bytes(test) })
}

/// Sends a reply.
pub fn send_result(mut lane: impl Write, result: &TestResult) -> io::Result<()> {
    let payload = result.to_json().to_string();
    let mut reply = Vec::with_capacity(4 + payload.len());
    reply.extend_from_slice(&(payload.len() as u32).to_le_bytes());
    reply.extend_from_slice(payload.as_bytes());
    lane.write_all(&reply)
}

/// Waits for a reply.
pub fn receive_result(mut lane: impl Read) -> io::Result<TestResult> {
    let mut length = [0; 4];
    lane.read_exact(&mut length)?;
    let length = u32::from_le_bytes(length) as usize;
    if length > MAX_REPLY_BYTES {
        return Err(invalid(format!("a reply of {length} bytes, more than {MAX_REPLY_BYTES}")));
    }
    let mut payload = vec![0; length];
    lane.read_exact(&mut payload)?;
    serde_json::from_slice(&payload)
        .ok()
        .and_then(|value| TestResult::from_json(&value))
        .ok_or_else(|| invalid("a reply that is no test record".into()))
}

fn invalid(message: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message)
}
