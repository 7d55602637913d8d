//! Requests that are malformed (RFC 9113 section 8.1.1): two readers would understand them
//! differently, so a server must refuse them.

use std::time::Duration;

use super::catalog::{Attack, Step, malformed};
use super::frames::{block, data, field, headers, request};

const SECTION: &str = "RFC 9113 section 8.2.1";
const PSEUDO: &str = "RFC 9113 section 8.3";

/// One GET with these fields behind a good request line.
fn with_fields(fields: &[(&str, &str)]) -> Vec<Step> {
    whole(&[request("GET", "/"), block(fields)].concat())
}

fn whole(fields: &[u8]) -> Vec<Step> {
    vec![Step::Send(headers(1, true, fields)), Step::Wait(Duration::from_secs(1))]
}

/// The table.
pub const MALFORMED: &[Attack] = &[
    malformed("field-line-break", SECTION, || with_fields(&[("x", "a\r\nhost: evil")])),
    malformed("field-zero-byte", SECTION, || with_fields(&[("x", "a\0b")])),
    malformed("field-upper-case", SECTION, || with_fields(&[("X-Upper", "a")])),
    malformed("field-name-blank", SECTION, || with_fields(&[("x y", "a")])),
    malformed("field-connection", "RFC 9113 section 8.2.2", || {
        with_fields(&[("connection", "close")])
    }),
    malformed("field-transfer-encoding", "RFC 9113 section 8.2.2", || {
        with_fields(&[("transfer-encoding", "chunked")])
    }),
    malformed("field-te", "RFC 9113 section 8.2.2", || with_fields(&[("te", "gzip")])),
    malformed("pseudo-twice", PSEUDO, || with_fields(&[(":path", "/other")])),
    malformed("pseudo-after-field", PSEUDO, || {
        let late = block(&[(":method", "GET"), (":scheme", "http"), ("x", "a"), (":path", "/")]);
        whole(&late)
    }),
    malformed("pseudo-unknown", PSEUDO, || with_fields(&[(":evil", "1")])),
    malformed("pseudo-status", PSEUDO, || with_fields(&[(":status", "200")])),
    malformed("pseudo-missing", PSEUDO, || whole(&block(&[(":method", "GET")]))),
    malformed("path-empty", "RFC 9113 section 8.3.1", || whole(&request("GET", ""))),
    malformed("connect-without-authority", "RFC 9113 section 8.5", || {
        whole(&block(&[(":method", "CONNECT")]))
    }),
    malformed("content-length-twice", "RFC 9110 section 8.6", || {
        let head =
            [request("POST", "/"), block(&[("content-length", "1"), ("content-length", "2")])];
        vec![
            Step::Send([headers(1, false, &head.concat()), data(1, true, b"x")].concat()),
            Step::Wait(Duration::from_secs(1)),
        ]
    }),
    malformed("content-length-lies", "RFC 9113 section 8.1.1", || {
        let head = [request("POST", "/"), field("content-length", "10")].concat();
        vec![
            Step::Send([headers(1, false, &head), data(1, true, b"x")].concat()),
            Step::Wait(Duration::from_secs(1)),
        ]
    }),
    malformed("pseudo-in-trailers", PSEUDO, || {
        let head = headers(1, false, &request("POST", "/"));
        let trailers = headers(1, true, &block(&[(":path", "/evil")]));
        vec![
            Step::Send([head, data(1, false, b"x"), trailers].concat()),
            Step::Wait(Duration::from_secs(1)),
        ]
    }),
];
