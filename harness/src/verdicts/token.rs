//! The token: proof, over a private descriptor, that the body of one particular test ended.
//!
//! Layout, little endian: magic `VTOK`, nonce `u64`, test number `u32`, payload length `u32`,
//! payload (the account as JSON; empty for a pass with nothing to tell). One token per run; anything
//! else on the descriptor voids it.
//!
//! The nonce is fresh for each run of each test, so neither text on stdout nor the token of another
//! test or an earlier run is accepted.

use std::io::{self, Write};

use crate::cases::account::{Account, BodyOutcome};

const MAGIC: [u8; 4] = *b"VTOK";
const HEADER_BYTES: usize = 4 + 8 + 4 + 4;

/// Bytes accepted from a test; 100 000 sub-results with long names fit.
pub const MAX_TOKEN_BYTES: usize = 32 << 20;

/// Which run of which test a token must speak for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    /// Fresh for each run of each test.
    pub nonce: u64,
    /// Position in the sorted list of tests.
    pub test: u32,
}

/// Why there is no account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenError {
    /// Nothing arrived.
    Missing,
    /// Cut short, too long, or not a token.
    Malformed,
    /// A token of another test or run.
    WrongIdentity,
}

impl TokenError {
    /// For messages: "… the token that proves …".
    pub fn describe(self) -> &'static str {
        match self {
            Self::Missing => "without the token that proves that the body returned",
            Self::Malformed => "with a damaged token",
            Self::WrongIdentity => "with a token that belongs to another test or run",
        }
    }
}

/// Writes a token.
pub fn send(mut to: impl Write, identity: Identity, account: &Account) -> io::Result<()> {
    let payload =
        if account.is_plain_pass() { String::new() } else { account.to_json().to_string() };
    let mut bytes = Vec::with_capacity(HEADER_BYTES + payload.len());
    bytes.extend_from_slice(&MAGIC);
    bytes.extend_from_slice(&identity.nonce.to_le_bytes());
    bytes.extend_from_slice(&identity.test.to_le_bytes());
    bytes.extend_from_slice(&(payload.len() as u32).to_le_bytes());
    bytes.extend_from_slice(payload.as_bytes());
    to.write_all(&bytes)?;
    to.flush()
}

/// Reads everything that arrived on the descriptor.
pub fn receive(bytes: &[u8], expected: Identity) -> Result<Account, TokenError> {
    if bytes.is_empty() {
        return Err(TokenError::Missing);
    }
    let (header, payload) = bytes.split_at_checked(HEADER_BYTES).ok_or(TokenError::Malformed)?;
    let (magic, header) = header.split_at(4);
    let (nonce, header) = header.split_at(8);
    let (test, length) = header.split_at(4);
    if magic != MAGIC || length != (payload.len() as u32).to_le_bytes() {
        return Err(TokenError::Malformed);
    }
    if nonce != expected.nonce.to_le_bytes() || test != expected.test.to_le_bytes() {
        return Err(TokenError::WrongIdentity);
    }
    if payload.is_empty() {
        return Ok(Account::of(BodyOutcome::Passed));
    }
    serde_json::from_slice(payload)
        .ok()
        .and_then(|value| Account::from_json(&value))
        .ok_or(TokenError::Malformed)
}
