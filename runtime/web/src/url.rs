//! Percent-decoding, paths and name-value pairs of URLs and forms.

/// A byte that two hexadecimal digits behind a `%` stand for.
fn escaped(digits: Option<&[u8]>) -> Option<u8> {
    let digit = |byte: u8| (byte as char).to_digit(16);
    let [high, low] = *digits? else { return None };
    Some((digit(high)? * 16 + digit(low)?) as u8)
}

/// The text that a percent-encoded text stands for, without the escapes that `keep` chooses;
/// `None` for a broken escape or what is not UTF-8.
fn decode_but(text: &[u8], keep: fn(u8) -> bool) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut at = 0;
    while at < text.len() {
        if text[at] != b'%' {
            bytes.push(text[at]);
            at += 1;
            continue;
        }
        match escaped(text.get(at + 1..at + 3))? {
            byte if keep(byte) => bytes.extend_from_slice(&text[at..at + 3]),
            byte => bytes.push(byte),
        }
        at += 3;
    }
    String::from_utf8(bytes).ok()
}

/// The text that a percent-encoded text stands for; `None` for a broken escape or what is not
/// UTF-8.
pub(super) fn decode(text: &str) -> Option<String> {
    decode_but(text.as_bytes(), |_| false)
}

/// A path as routes are compared with it: without query and escapes, except for those of `/` and
/// `%`, which [`decode`] takes away when the path has been cut into segments.
pub(super) fn normal_path(path: &str) -> Option<String> {
    decode_but(path_of(path).as_bytes(), |byte| matches!(byte, b'/' | b'%'))
}

/// A path without its query.
pub(super) fn path_of(path: &str) -> &str {
    path.split_once('?').map_or(path, |(path, _)| path)
}

/// The query of a path, empty without one.
pub(super) fn query_of(path: &str) -> &str {
    path.split_once('?').map_or("", |(_, query)| query)
}

/// The pairs of a query or a form (`application/x-www-form-urlencoded`) in their order. What is not
/// well-formed stands as it is.
pub(super) fn pairs(text: &str) -> Vec<(String, String)> {
    let part = |part: &str| {
        let spaced = part.replace('+', " ");
        decode(&spaced).unwrap_or(spaced)
    };
    let given = text.split('&').filter(|pair| !pair.is_empty());
    given
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(n, v)| (part(n), part(v)))
        .collect()
}
