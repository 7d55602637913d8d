//! The channel: the socket between one worker thread of the runner and its supervisor.
//!
//! A request has 12 bytes, little endian: nonce `u64`, test number `u32`. A reply begins with 12
//! bytes: a length `u32` and a duration in microseconds `u64`, followed by a test record as JSON; for a
//! pass with nothing to tell the length is [`PLAIN_PASS`] and nothing follows. Each request has exactly one reply before the next request.
//!
//! The report of a builder of fixtures is an account with its length in front.

use std::io::{self, Read, Write};

use crate::cases::account::Account;
use crate::verdicts::result::TestResult;
use crate::verdicts::token::Identity;

/// Bytes of the largest reply: two output buffers and a token, escaped.
const MAX_REPLY_BYTES: usize = 256 << 20;

/// In the place of a length: the test passed, and a duration follows.
const PLAIN_PASS: u32 = u32::MAX;

/// Bytes before the record of a reply.
const HEAD_BYTES: usize = 12;

/// Requests a run of a test.
pub fn send_request(mut channel: impl Write, identity: Identity) -> io::Result<()> {
    let mut request = [0; 12];
    request[..8].copy_from_slice(&identity.nonce.to_le_bytes());
    request[8..].copy_from_slice(&identity.test.to_le_bytes());
    channel.write_all(&request)
}

/// Waits for a request. Returns an error when the runner has closed the channel.
pub fn receive_request(mut channel: impl Read) -> io::Result<Identity> {
    let mut request = [0; 12];
    channel.read_exact(&mut request)?;
    let [n0, n1, n2, n3, n4, n5, n6, n7, test @ ..] = request;
    let nonce = u64::from_le_bytes([n0, n1, n2, n3, n4, n5, n6, n7]);
    Ok(Identity { nonce, test: u32::from_le_bytes(test) })
}

/// Sends a reply.
pub fn send_result(mut channel: impl Write, result: &TestResult) -> io::Result<()> {
    let head = |length: u32| {
        let mut head = [0; HEAD_BYTES];
        head[..4].copy_from_slice(&length.to_le_bytes());
        head[4..].copy_from_slice(&result.duration_us.to_le_bytes());
        head
    };
    if result.is_plain_pass() {
        return channel.write_all(&head(PLAIN_PASS));
    }
    let payload = result.to_json().to_string();
    let reply = [&head(payload.len() as u32), payload.as_bytes()].concat();
    channel.write_all(&reply)
}

/// Waits for a reply.
pub fn receive_result(mut channel: impl Read) -> io::Result<TestResult> {
    let mut head = [0; HEAD_BYTES];
    channel.read_exact(&mut head)?;
    let [l0, l1, l2, l3, duration @ ..] = head;
    let length = [l0, l1, l2, l3];
    if u32::from_le_bytes(length) == PLAIN_PASS {
        return Ok(TestResult::plain_pass(u64::from_le_bytes(duration)));
    }
    let payload = receive_rest(channel, length)?;
    serde_json::from_slice(&payload)
        .ok()
        .and_then(|value| TestResult::from_json(&value))
        .ok_or_else(|| invalid("a reply that is no test record".into()))
}

/// Sends how a builder ended.
pub fn send_account(channel: impl Write, account: &Account) -> io::Result<()> {
    send_text(channel, &account.to_json().to_string())
}

/// Waits for [`send_account`].
pub fn receive_account(mut channel: impl Read) -> io::Result<Account> {
    let mut length = [0; 4];
    channel.read_exact(&mut length)?;
    let payload = receive_rest(channel, length)?;
    serde_json::from_slice(&payload)
        .ok()
        .and_then(|value| Account::from_json(&value))
        .ok_or_else(|| invalid("a report that is no account".into()))
}

fn send_text(mut channel: impl Write, payload: &str) -> io::Result<()> {
    let mut reply = Vec::with_capacity(4 + payload.len());
    reply.extend_from_slice(&(payload.len() as u32).to_le_bytes());
    reply.extend_from_slice(payload.as_bytes());
    channel.write_all(&reply)
}

fn receive_rest(mut channel: impl Read, length: [u8; 4]) -> io::Result<Vec<u8>> {
    let length = u32::from_le_bytes(length) as usize;
    if length > MAX_REPLY_BYTES {
        return Err(invalid(format!("a reply of {length} bytes, more than {MAX_REPLY_BYTES}")));
    }
    let mut payload = vec![0; length];
    channel.read_exact(&mut payload)?;
    Ok(payload)
}

fn invalid(message: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message)
}
