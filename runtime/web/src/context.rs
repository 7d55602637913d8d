//! What the headers of a request say about its context: trace, caller's span, deadline.
//!
//! 1. `x-trace-id` and `x-span-id` (decimal, not 0) are the trace and the caller's span. If neither
//!    of them says anything, the W3C's `traceparent` does (Trace Context, level 1): of its trace id
//!    the lower 64 bits count.
//! 2. `x-deadline-ms` (decimal, not 0) is the time in which the caller wants the answer.
//! 3. A header that is not written as it should be, or comes several times, says nothing. What no
//!    header says is made anew; a request without a caller's span has none.
//!
//! Does not know what a context is made of.

use std::time::Duration;
use valk_http2::Request;
use valk_lang::RequestContext;

/// Parts of a `traceparent`: version, trace id, parent id, flags; their lengths.
const PARTS: [usize; 4] = [2, 32, 16, 2];

/// The length of 64 bits in hexadecimal digits.
const ID_DIGITS: usize = 16;

/// What a request says about its context.
pub(super) fn of_request(request: &Request) -> RequestContext {
    let (mut trace, mut parent_span) =
        (number(request, "x-trace-id"), number(request, "x-span-id"));
    if trace.is_none() && parent_span.is_none() {
        (trace, parent_span) = traceparent(request).unzip();
    }
    let deadline = number(request, "x-deadline-ms").map(Duration::from_millis);
    RequestContext { trace: trace.filter(|id| *id != 0), parent_span, deadline }
}

/// The value of a header that comes once.
fn single<'r>(request: &'r Request, name: &str) -> Option<&'r str> {
    let mut values = request.header_values(name);
    let value = values.next()?;
    if values.next().is_some() {
        return None;
    }
    std::str::from_utf8(value).ok().map(|text| text.trim_matches([' ', '\t']))
}

/// The positive number that a header is.
fn number(request: &Request, name: &str) -> Option<u64> {
    let text = single(request, name)?;
    // Rust reads a sign, too.
    let is_decimal = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|number| is_decimal && *number != 0)
}

/// Trace and caller's span of a `traceparent`.
fn traceparent(request: &Request) -> Option<(u64, u64)> {
    let text = single(request, "traceparent")?;
    let mut rest = text.split('-');
    let parts = PARTS.map(|length| rest.next().filter(|part| is_lower_hex(part, length)));
    let [Some(version), Some(trace), Some(span), Some(_)] = parts else { return None };
    // Later versions may have more parts, this one may not; ff is none.
    if version == "ff" || version == "00" && rest.next().is_some() {
        return None;
    }
    let (high, low) = trace.split_at(ID_DIGITS);
    let [high, low, span] =
        [high, low, span].map(|digits| u64::from_str_radix(digits, 16).unwrap_or(0));
    (span != 0 && (high != 0 || low != 0)).then_some((low, span))
}

/// Whether a text is so many hexadecimal digits without capitals.
fn is_lower_hex(text: &str, length: usize) -> bool {
    text.len() == length && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}
