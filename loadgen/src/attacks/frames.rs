//! Frames by hand (RFC 9113 section 4.1) and header blocks without compression (RFC 7541 section 6).

/// What a client says first.
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Types of frames.
pub mod kind {
    /// DATA.
    pub const DATA: u8 = 0;
    /// HEADERS.
    pub const HEADERS: u8 = 1;
    /// PRIORITY.
    pub const PRIORITY: u8 = 2;
    /// `RST_STREAM`.
    pub const RST_STREAM: u8 = 3;
    /// SETTINGS.
    pub const SETTINGS: u8 = 4;
    /// `PUSH_PROMISE`.
    pub const PUSH_PROMISE: u8 = 5;
    /// PING.
    pub const PING: u8 = 6;
    /// GOAWAY.
    pub const GOAWAY: u8 = 7;
    /// `WINDOW_UPDATE`.
    pub const WINDOW_UPDATE: u8 = 8;
    /// CONTINUATION.
    pub const CONTINUATION: u8 = 9;
    /// `PRIORITY_UPDATE` (RFC 9218 section 7.1).
    pub const PRIORITY_UPDATE: u8 = 16;
}

/// Flag of the last frame of a stream, and of an acknowledgement.
pub const END_STREAM: u8 = 1;
/// Flag of an acknowledgement.
pub const ACK: u8 = 1;
/// Flag of the last frame of a header block.
pub const END_HEADERS: u8 = 4;

/// A frame.
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(9 + payload.len());
    bytes.extend_from_slice(&(payload.len() as u32).to_be_bytes()[1..]);
    bytes.extend_from_slice(&[kind, flags]);
    bytes.extend_from_slice(&stream.to_be_bytes());
    bytes.extend_from_slice(payload);
    bytes
}

/// SETTINGS with these values.
pub fn settings(values: &[(u16, u32)]) -> Vec<u8> {
    let mut payload = Vec::new();
    for (id, value) in values {
        payload.extend_from_slice(&id.to_be_bytes());
        payload.extend_from_slice(&value.to_be_bytes());
    }
    frame(kind::SETTINGS, 0, 0, &payload)
}

/// `WINDOW_UPDATE`.
pub fn window_update(stream: u32, increment: u32) -> Vec<u8> {
    frame(kind::WINDOW_UPDATE, 0, stream, &increment.to_be_bytes())
}

/// `RST_STREAM` with CANCEL.
pub fn reset(stream: u32) -> Vec<u8> {
    frame(kind::RST_STREAM, 0, stream, &8_u32.to_be_bytes())
}

/// HEADERS with a whole header block.
pub fn headers(stream: u32, is_last: bool, block: &[u8]) -> Vec<u8> {
    let flags = END_HEADERS | if is_last { END_STREAM } else { 0 };
    frame(kind::HEADERS, flags, stream, block)
}

/// DATA.
pub fn data(stream: u32, is_last: bool, payload: &[u8]) -> Vec<u8> {
    frame(kind::DATA, if is_last { END_STREAM } else { 0 }, stream, payload)
}

/// A field that enters no table: literal name and value.
pub fn field(name: &str, value: &str) -> Vec<u8> {
    let mut bytes = vec![0];
    text(&mut bytes, name.as_bytes());
    text(&mut bytes, value.as_bytes());
    bytes
}

/// A field that enters the dynamic table.
pub fn indexed_field(name: &str, value: &str) -> Vec<u8> {
    let mut bytes = field(name, value);
    bytes[0] = 0x40;
    bytes
}

/// The first field of the dynamic table again: one byte.
pub const NEWEST_FIELD: u8 = 0x80 | 0x3e;

fn text(into: &mut Vec<u8>, text: &[u8]) {
    integer(into, 0, 7, text.len() as u32);
    into.extend_from_slice(text);
}

/// An integer behind a prefix of `bits` bits (RFC 7541 section 5.1).
pub fn integer(into: &mut Vec<u8>, first: u8, bits: u8, value: u32) {
    let most = (1 << bits) - 1;
    if value < most {
        into.push(first | value as u8);
        return;
    }
    into.push(first | most as u8);
    let mut rest = value - most;
    while rest >= 128 {
        into.push(rest as u8 | 128);
        rest >>= 7;
    }
    into.push(rest as u8);
}

/// A header block of fields.
pub fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    fields.iter().flat_map(|(name, value)| field(name, value)).collect()
}

/// Pseudo-header fields of a request.
pub fn request(method: &str, path: &str) -> Vec<u8> {
    block(&[
        (":method", method),
        (":scheme", "http"),
        (":authority", "attack.test"),
        (":path", path),
    ])
}

/// The status of a response, if its header block begins with a form that needs no table and no full
/// decoder: as servers write it.
pub fn status(block: &[u8]) -> Option<u16> {
    // Updates of the table's size come first.
    let start = block.iter().position(|byte| byte & 0xe0 != 0x20)?;
    match &block[start..] {
        [indexed @ 0x88..=0x8e, ..] => {
            Some([200, 204, 206, 304, 400, 404, 500][usize::from(indexed - 0x88)])
        }
        // A literal value for the name in entries 8 to 14 of the static table.
        [first, length, value @ ..] if matches!(first & 0x0f, 8..=14) && first & 0x80 == 0 => {
            let value = value.get(..usize::from(length & 0x7f))?;
            let digits = if length & 0x80 == 0 { value.to_vec() } else { huffman_digits(value) };
            std::str::from_utf8(digits.get(..3)?).ok()?.parse().ok()
        }
        _ => None,
    }
}

/// Digits in the code of RFC 7541 appendix B: five bits for 0 to 2, six for the others.
fn huffman_digits(bytes: &[u8]) -> Vec<u8> {
    let bit = |at: usize| bytes.get(at / 8).is_none_or(|byte| byte >> (7 - at % 8) & 1 == 1);
    let number =
        |at: usize, count: usize| (at..at + count).fold(0_u8, |n, i| n << 1 | u8::from(bit(i)));
    let (mut at, mut digits) = (0, Vec::new());
    while at + 5 <= bytes.len() * 8 {
        match (number(at, 5), number(at, 6)) {
            (short @ 0..=2, _) => {
                digits.push(b'0' + short);
                at += 5;
            }
            (_, long @ 0x19..=0x1f) => {
                digits.push(b'3' + long - 0x19);
                at += 6;
            }
            _ => break,
        }
    }
    digits
}
