//! A handler's [`Response`] turned into the head and body that go to the framing layer.
//!
//! Everything a handler can get wrong is found here, before a byte is sent, and said in words.

use std::fmt::Write as _;

use bytes::Bytes;
use http::header::{
    CONNECTION, CONTENT_LENGTH, DATE, HeaderMap, HeaderName, HeaderValue, TRANSFER_ENCODING,
    UPGRADE,
};
use http::{Method, StatusCode};

use crate::limits::{FIELD_OVERHEAD_BYTES, Limits};
use crate::message::Response;

/// Head and body ready for the framing layer; the body is empty where HTTP forbids one.
pub(crate) struct Encoded {
    pub(crate) head: http::Response<()>,
    pub(crate) body: Bytes,
}

impl Encoded {
    /// A response of a status alone.
    pub(crate) fn bare(status: StatusCode, date: HeaderValue) -> Self {
        let mut head = http::Response::new(());
        *head.status_mut() = status;
        head.headers_mut().insert(DATE, date);
        head.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(0));
        Self { head, body: Bytes::new() }
    }
}

/// Encodes `response` as the answer to a request with `method`, made at `date`; the error says what
/// is not HTTP.
pub(crate) fn encode(
    response: Response,
    method: &Method,
    limits: &Limits,
    date: &HeaderValue,
) -> Result<Encoded, String> {
    let Response { status, headers, body } = response;
    if !(200..=599).contains(&status) {
        return Err(format!("status {status}, expected a final status from 200 to 599"));
    }
    let status = StatusCode::from_u16(status).expect("the range above holds only valid codes");
    let mut map = encode_fields(headers, limits)?;
    if !map.contains_key(DATE) {
        map.insert(DATE, date.clone());
    }
    let bodiless = matches!(status.as_u16(), 204 | 205 | 304);
    let body = if bodiless { Bytes::new() } else { body };
    set_content_length(&mut map, status, body.len(), *method == Method::HEAD)?;
    let mut head = http::Response::new(());
    *head.status_mut() = status;
    *head.headers_mut() = map;
    let body = if *method == Method::HEAD { Bytes::new() } else { body };
    Ok(Encoded { head, body })
}

/// The head of a response whose body is not known, and whether it may have one.
pub(crate) fn encode_head(
    response: Response,
    method: &Method,
    limits: &Limits,
    date: &HeaderValue,
) -> Result<(http::Response<()>, bool), String> {
    let mut map = encode_fields(response.headers, limits)?;
    if !map.contains_key(DATE) {
        map.insert(DATE, date.clone());
    }
    let status = StatusCode::from_u16(response.status).map_err(|error| error.to_string())?;
    let mut head = http::Response::new(());
    *head.status_mut() = status;
    *head.headers_mut() = map;
    let has_body = *method != Method::HEAD && !matches!(status.as_u16(), 204 | 205 | 304);
    Ok((head, has_body))
}

/// Finds what is not HTTP in fields.
pub(crate) fn check_fields(fields: &Fields) -> Result<(), String> {
    fields.iter().try_for_each(|(name, value)| encode_field(name, value.clone()).map(drop))
}

type Fields = Vec<(std::borrow::Cow<'static, str>, Bytes)>;

fn encode_fields(fields: Fields, limits: &Limits) -> Result<HeaderMap, String> {
    if fields.len() > limits.header_fields {
        return Err(format!("{} fields, expected at most {}", fields.len(), limits.header_fields));
    }
    let mut map = HeaderMap::with_capacity(fields.len() + 2);
    let mut bytes = 0;
    for (name, value) in fields {
        bytes += name.len() + value.len() + FIELD_OVERHEAD_BYTES;
        let (name, value) = encode_field(&name, value)?;
        map.append(name, value);
    }
    if bytes > limits.header_list_bytes as usize {
        let most = limits.header_list_bytes;
        return Err(format!("{bytes} bytes of fields, expected at most {most}"));
    }
    Ok(map)
}

fn encode_field(name: &str, value: Bytes) -> Result<(HeaderName, HeaderValue), String> {
    let parsed = HeaderName::from_bytes(name.as_bytes())
        .map_err(|_| format!("{name:?} is not a field name, expected a token like x-trace-id"))?;
    if is_connection_specific(&parsed) {
        return Err(format!("field {parsed} belongs to HTTP/1 connections; leave it out"));
    }
    let padded = |byte: Option<&u8>| matches!(byte, Some(b' ' | b'\t'));
    if padded(value.first()) || padded(value.last()) {
        return Err(format!("the value of {parsed} begins or ends with white space"));
    }
    let value = HeaderValue::from_maybe_shared(value)
        .map_err(|_| format!("the value of {parsed} contains a control character"))?;
    Ok((parsed, value))
}

/// RFC 9113 section 8.2.2.
pub(crate) fn is_connection_specific(name: &HeaderName) -> bool {
    [CONNECTION, TRANSFER_ENCODING, UPGRADE].contains(name)
        || matches!(name.as_str(), "keep-alive" | "proxy-connection")
}

/// Sets `content-length`, or checks the handler's own: it may differ from the body only where the
/// body is not sent (RFC 9110 section 8.6).
fn set_content_length(
    map: &mut HeaderMap,
    status: StatusCode,
    body_bytes: usize,
    head_only: bool,
) -> Result<(), String> {
    let mut stated = map.get_all(CONTENT_LENGTH).iter();
    let (first, second) = (stated.next(), stated.next());
    let Some(first) = first else {
        if !matches!(status.as_u16(), 204 | 304) {
            map.insert(CONTENT_LENGTH, HeaderValue::from(body_bytes));
        }
        return Ok(());
    };
    let number = decimal(first.as_bytes());
    let unsent_body = (head_only && body_bytes == 0) || status == StatusCode::NOT_MODIFIED;
    let agrees = number == Some(body_bytes) || (number.is_some() && unsent_body);
    if agrees && second.is_none() && status != StatusCode::NO_CONTENT {
        return Ok(());
    }
    let mut reason = format!("content-length {first:?}");
    if second.is_some() {
        reason.push_str(" and another one");
    }
    let _ = write!(reason, ", but the body has {body_bytes} bytes; leave the field out");
    Err(reason)
}

/// The number that decimal digits alone are (RFC 9110 section 8.6); a sign makes it none.
pub(crate) fn decimal(text: &[u8]) -> Option<usize> {
    let is_decimal = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(text).ok().filter(|_| is_decimal)?.parse().ok()
}
