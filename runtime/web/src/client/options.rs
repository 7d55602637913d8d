//! The options of a request.

use super::arguments::{Checked, fields};
use bytes::Bytes;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use valk_heap::Value;
use valk_http2::{ClientRequest, RequestOptions, Trust};
use valk_lang::builtins::fail;
use valk_lang::property_list::{OptionKey, OptionKind, OptionTable, Options, WrongKind};
use valk_vm::Vm;

/// A PEM file with the authorities that count instead of the system's.
const AUTHORITY_FILE: &str = "VALK_CA_FILE";

const fn time(name: &'static str, default: i64, text: &'static str) -> OptionKey {
    OptionKey::integer(name, (1, u32::MAX as i64), default, "ms", text)
}

/// The options of a request.
pub static CLIENT: OptionTable = OptionTable {
    builtin: "http2/client-send",
    wrong_kind: WrongKind::Fails,
    keys: &[
        OptionKey::new(":method", OptionKind::Text, "The method; GET unless given."),
        OptionKey::new(":headers", OptionKind::List, "Fields, a list of {name value}."),
        OptionKey::new(":body", OptionKind::Text, "The body."),
        OptionKey::new(":trailers", OptionKind::List, "Fields behind the body."),
        OptionKey::new(":authority", OptionKind::Text, "The host that the request names."),
        OptionKey::new(":tls", OptionKind::Boolean, "TLS; otherwise clear text."),
        OptionKey::new(":verify", OptionKind::Boolean, "0: believe any certificate."),
        OptionKey::new(":ca", OptionKind::Text, "PEM file with the authorities to believe."),
        OptionKey::new(":on-data", OptionKind::Function, "Called with each part of the body."),
        time(":connect-timeout-ms", 30_000, "Time until a connection is ready."),
        time(":headers-timeout-ms", 60_000, "Time from the end of the request to the response."),
        time(":idle-timeout-ms", 60_000, "Longest pause between two parts of a body."),
        OptionKey::integer(
            ":timeout-ms",
            (0, u32::MAX as i64),
            0,
            "ms",
            "Time for everything together; 0 for no limit.",
        ),
        OptionKey::integer(
            ":max-response-size",
            (0, u32::MAX as i64),
            64 << 20,
            "bytes",
            "The largest body of a response.",
        ),
        OptionKey::integer(":redirects", (0, 100), 0, "redirects", "Redirects to follow."),
    ],
};

/// Sets what the options in `list` say; and the function that takes the body, if there is one.
pub(super) fn apply(
    vm: &mut Vm,
    builtin: &str,
    list: Value,
    request: ClientRequest,
) -> Checked<(ClientRequest, Option<Value>)> {
    let options = match CLIENT.read(vm, list) {
        Ok(options) => options,
        Err(problem) => return Err(fail(vm, &format!("{builtin}: {problem}"))),
    };
    let mut request = request;
    if let Some(method) = options.text(":method") {
        request.method = method;
    }
    if let Some(headers) = options.list(":headers") {
        request.headers.extend(fields(&vm.heap, headers));
    }
    if let Some(body) = options.bytes(":body") {
        request.body = Bytes::copy_from_slice(body);
    }
    if let Some(trailers) = options.list(":trailers") {
        request.trailers = fields(&vm.heap, trailers);
    }
    if let Some(authority) = options.text(":authority") {
        request.authority = Some(authority);
    }
    if let Some(is_tls) = options.boolean(":tls") {
        request.is_tls = is_tls;
    }
    request.options = Arc::new(sending(&options));
    Ok((request, options.function(":on-data")))
}

/// How a request is to be sent.
fn sending(options: &Options) -> RequestOptions {
    let time = |name: &str| Duration::from_millis(options.integer(name).cast_unsigned());
    let trust = match options.text(":ca") {
        _ if options.boolean(":verify") == Some(false) => Trust::Anyone,
        Some(file) => Trust::File(PathBuf::from(file)),
        None => {
            let file = std::env::var_os(AUTHORITY_FILE).filter(|file| !file.is_empty());
            Trust::Platform(file.map(PathBuf::from))
        }
    };
    RequestOptions {
        trust,
        connect_timeout: time(":connect-timeout-ms"),
        headers_timeout: time(":headers-timeout-ms"),
        idle_timeout: time(":idle-timeout-ms"),
        total_timeout: Some(time(":timeout-ms")).filter(|time| !time.is_zero()),
        response_bytes_max: options.integer(":max-response-size") as usize,
        redirects: options.integer(":redirects") as u32,
    }
}
