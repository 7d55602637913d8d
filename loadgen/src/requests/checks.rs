//! What an answer must be to count as `ok`.

use std::ops::RangeInclusive;

use crate::recording::error_kind::ErrorKind;

/// The checks of a group of requests.
#[derive(Clone, Debug, Default)]
pub struct Checks {
    /// Statuses that are right; empty: everything below 400.
    pub statuses: Vec<RangeInclusive<u16>>,
    /// Text that the body must hold.
    pub contains: Option<Vec<u8>>,
    /// Length that the body must have.
    pub bytes: Option<u64>,
    /// How much of the body is kept until the answer is complete, for captures.
    pub keep: usize,
}

impl Checks {
    /// Parses `200`, `2xx`, `200-204` and lists of them, divided by commas.
    ///
    /// # Errors
    /// Says what was found and what would be right.
    pub fn parse_statuses(text: &str) -> Result<Vec<RangeInclusive<u16>>, String> {
        text.split(',').map(|part| parse_status(part.trim())).collect()
    }

    fn is_right_status(&self, status: u16) -> bool {
        if self.statuses.is_empty() {
            return status < 400;
        }
        self.statuses.iter().any(|range| range.contains(&status))
    }
}

fn parse_status(text: &str) -> Result<RangeInclusive<u16>, String> {
    let wrong =
        || format!("`{text}` is not a status; write 200, 2xx or 200-204, several with commas");
    let number = |text: &str| match text.parse::<u16>() {
        Ok(status) if (100..=599).contains(&status) => Ok(status),
        _ => Err(wrong()),
    };
    if let Some(class) = text.strip_suffix("xx") {
        let from = number(&format!("{class}00"))?;
        return Ok(from..=from + 99);
    }
    match text.split_once('-') {
        Some((from, to)) => {
            let (from, to) = (number(from)?, number(to)?);
            if from > to { Err(wrong()) } else { Ok(from..=to) }
        }
        None => number(text).map(|status| status..=status),
    }
}

/// Bytes of memory for kept bodies that one check holds on to.
const KEPT_CAPACITY: usize = 16 << 10;

/// What has been seen of a body.
#[derive(Clone, Debug, Default)]
pub struct BodyCheck {
    bytes: u64,
    found: bool,
    /// The end of what came, one byte shorter than the text: it may begin there.
    tail: Vec<u8>,
    kept: Vec<u8>,
}

impl BodyCheck {
    /// The next part of the body.
    pub fn feed(&mut self, checks: &Checks, chunk: &[u8]) {
        self.bytes += chunk.len() as u64;
        let room = checks.keep - self.kept.len().min(checks.keep);
        self.kept.extend_from_slice(&chunk[..room.min(chunk.len())]);
        let Some(text) = checks.contains.as_deref().filter(|_| !self.found) else { return };
        self.tail.extend_from_slice(chunk);
        self.found = text.is_empty() || self.tail.windows(text.len()).any(|part| part == text);
        let keep = text.len().saturating_sub(1).min(self.tail.len());
        self.tail.drain(..self.tail.len() - keep);
    }

    /// Length of the body so far.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The begin of the body, as far as it is to be kept.
    pub fn kept(&self) -> &[u8] {
        &self.kept
    }

    /// Why a complete answer is not right, if it is not.
    pub fn verdict(&self, checks: &Checks, status: u16) -> Option<ErrorKind> {
        if !checks.is_right_status(status) {
            return Some(ErrorKind::Status(status));
        }
        if checks.bytes.is_some_and(|bytes| bytes != self.bytes) {
            return Some(ErrorKind::Size);
        }
        let missing = checks.contains.as_ref().is_some_and(|text| !text.is_empty() && !self.found);
        missing.then_some(ErrorKind::Contains)
    }

    /// Ready for another body. Gives back memory only behind a large one that was kept: a run may have a
    /// hundred thousand of these.
    pub fn reset(&mut self) {
        self.bytes = 0;
        self.found = false;
        self.tail.clear();
        self.kept.clear();
        self.kept.shrink_to(KEPT_CAPACITY);
    }
}
