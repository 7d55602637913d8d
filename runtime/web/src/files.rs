//! `http2/static`: the files below a directory.
//!
//! 1. A path names a file below the root by its segments. Those that are empty or begin with a dot, and
//!    links that lead out of the root, name nothing: 404. A directory stands for its `index.html`.
//! 2. A file's tag (`etag`) is made of its length and of when it was changed. Conditions and ranges are
//!    those of RFC 9110 sections 13 and 14; of several ranges the whole file is the answer, which is
//!    allowed.
//! 3. A file is read at once, [`FILE_BYTES_MAX`] at most: of larger ones only ranges are given.

use crate::request::RequestObject;
use crate::url::{decode, normal_path, path_of};
use bytes::Bytes;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use valk_heap::Value;
use valk_http2::Request;
use valk_lang::builtins::{fail, wrong_type};
use valk_lang::property_list::build;
use valk_vm::{Arity, NativeFn, Outcome, Vm};

pub(super) const TABLE: &[(&str, Arity, NativeFn)] = &[("http2/static", Arity::Curried(2), serve)];

/// Bytes of a file that one response has at most.
pub(super) const FILE_BYTES_MAX: u64 = 64 << 20;

/// Content types by the end of a name.
const TYPES: &[(&str, &str)] = &[
    ("css", "text/css; charset=utf-8"),
    ("csv", "text/csv; charset=utf-8"),
    ("gif", "image/gif"),
    ("htm", "text/html; charset=utf-8"),
    ("html", "text/html; charset=utf-8"),
    ("ico", "image/vnd.microsoft.icon"),
    ("jpeg", "image/jpeg"),
    ("jpg", "image/jpeg"),
    ("js", "text/javascript; charset=utf-8"),
    ("json", "application/json"),
    ("md", "text/markdown; charset=utf-8"),
    ("mjs", "text/javascript; charset=utf-8"),
    ("mp4", "video/mp4"),
    ("pdf", "application/pdf"),
    ("png", "image/png"),
    ("svg", "image/svg+xml"),
    ("txt", "text/plain; charset=utf-8"),
    ("wasm", "application/wasm"),
    ("webp", "image/webp"),
    ("woff2", "font/woff2"),
    ("xml", "application/xml"),
];

/// What a request asks of a file.
#[derive(Clone, Debug, Default)]
pub(super) struct Asked {
    pub is_head: bool,
    /// The path that is looked up, and the one that the client sees.
    pub path: String,
    pub seen_path: String,
    pub if_match: Option<String>,
    pub if_none_match: Option<String>,
    pub if_modified_since: Option<String>,
    pub if_unmodified_since: Option<String>,
    pub if_range: Option<String>,
    pub range: Option<String>,
}

impl Asked {
    fn of(request: &Request, path: &str) -> Asked {
        let field = |name: &str| {
            request.header(name).map(|value| String::from_utf8_lossy(&value).into_owned())
        };
        Asked {
            is_head: request.method() == "HEAD",
            path: path.to_owned(),
            seen_path: request.path().to_owned(),
            if_match: field("if-match"),
            if_none_match: field("if-none-match"),
            if_modified_since: field("if-modified-since"),
            if_unmodified_since: field("if-unmodified-since"),
            if_range: field("if-range"),
            range: field("range"),
        }
    }
}

/// What is answered.
#[derive(Debug, Default)]
pub(super) struct Answer {
    pub status: u16,
    pub fields: Vec<(&'static str, String)>,
    pub body: Bytes,
}

impl Answer {
    fn new(status: u16) -> Answer {
        Answer { status, ..Answer::default() }
    }

    fn text(status: u16, text: &'static str) -> Answer {
        Answer::new(status).with("content-type", "text/plain; charset=utf-8").with_body(text)
    }

    fn with(mut self, name: &'static str, value: impl Into<String>) -> Answer {
        self.fields.push((name, value.into()));
        self
    }

    fn with_body(mut self, body: impl Into<Bytes>) -> Answer {
        self.body = body.into();
        self
    }
}

/// The answer to a request for a file below `root`.
pub(super) fn answer(root: &Path, asked: &Asked) -> Answer {
    let Some(path) = below(root, &asked.path) else { return Answer::text(404, "not found\n") };
    let answered = match std::fs::metadata(&path) {
        Ok(found) if found.is_dir() && !path_of(&asked.path).ends_with('/') => {
            return beside(&asked.seen_path);
        }
        Ok(found) if found.is_dir() => open(root, &path.join("index.html"), asked),
        Ok(_) if path_of(&asked.path).ends_with('/') => Ok(None),
        Ok(_) => open(root, &path, asked),
        Err(error) => Err(error),
    };
    match answered {
        Ok(Some(answer)) => answer,
        Ok(None) => Answer::text(404, "not found\n"),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Answer::text(404, "not found\n"),
        Err(error) => {
            let path = path.display();
            tracing::warn!(target: super::LOG_TARGET, "http2/static: {path}: {error}; answered 404");
            Answer::text(404, "not found\n")
        }
    }
}

/// Where a directory is: behind its slash, on which links in its page depend.
fn beside(path: &str) -> Answer {
    let (path, query) =
        path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query)));
    let query = query.map_or(String::new(), |query| format!("?{query}"));
    // Two slashes would name another host.
    let path = path.trim_start_matches('/');
    Answer::new(308).with("location", format!("/{path}/{query}"))
}

/// The path below the root that a request names (rule 1).
fn below(root: &Path, path: &str) -> Option<PathBuf> {
    let path = normal_path(path)?;
    let path = path.strip_prefix('/')?;
    let path = path.strip_suffix('/').unwrap_or(path);
    let mut found = root.to_owned();
    if path.is_empty() {
        return Some(found);
    }
    for segment in path.split('/') {
        let segment = decode(segment)?;
        let is_strange = segment.is_empty() || segment.starts_with('.');
        if is_strange || segment.contains(['/', '\\', '\0', ':']) {
            return None;
        }
        found.push(segment);
    }
    Some(found)
}

/// Answers with a file; nothing when it is none, or not below the root.
fn open(root: &Path, path: &Path, asked: &Asked) -> io::Result<Option<Answer>> {
    let path = path.canonicalize()?;
    if !path.starts_with(root.canonicalize()?) {
        return Ok(None);
    }
    let mut file = File::open(&path)?;
    let found = file.metadata()?;
    if !found.is_file() {
        return Ok(None);
    }
    let changed = found.modified()?;
    let length = found.len();
    let since = changed.duration_since(UNIX_EPOCH).unwrap_or_default();
    let tag = format!("\"{:x}-{length:x}\"", since.as_nanos());
    let date = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(since.as_secs()));
    let described =
        |answer: Answer| answer.with("etag", tag.as_str()).with("last-modified", date.as_str());
    if let Some(status) = condition(asked, &tag, since.as_secs()) {
        return Ok(Some(described(Answer::new(status))));
    }
    let has_range = asked.if_range.as_deref().is_none_or(|asked| asked == tag || asked == date);
    let range = asked.range.as_deref().filter(|_| has_range && !asked.is_head);
    let (status, first, count) = match range.map_or(Range::Whole, |range| part(range, length)) {
        Range::Whole => (200, 0, length),
        Range::Part { first, last } => (206, first, last - first + 1),
        Range::Outside => {
            let answer = Answer::new(416).with("content-range", format!("bytes */{length}"));
            return Ok(Some(described(answer)));
        }
    };
    let mut answer = described(Answer::new(status))
        .with("accept-ranges", "bytes")
        .with("content-type", content_type(&path))
        .with("x-content-type-options", "nosniff");
    if status == 206 {
        let last = first + count - 1;
        answer = answer.with("content-range", format!("bytes {first}-{last}/{length}"));
    }
    if asked.is_head {
        return Ok(Some(answer.with("content-length", length.to_string())));
    }
    if count > FILE_BYTES_MAX {
        let path = path.display();
        tracing::warn!(target: super::LOG_TARGET, "http2/static: {path} is too large; answered 501");
        return Ok(Some(Answer::text(
            501,
            "the file is too large to be sent whole; ask for ranges\n",
        )));
    }
    file.seek(SeekFrom::Start(first))?;
    let mut bytes = Vec::with_capacity(count as usize);
    file.take(count).read_to_end(&mut bytes)?;
    if bytes.len() as u64 != count {
        return Err(io::Error::other("it became shorter while it was read"));
    }
    Ok(Some(answer.with_body(bytes)))
}

/// The status of a condition that does not hold, in the order of RFC 9110 section 13.2.2.
fn condition(asked: &Asked, tag: &str, changed_s: u64) -> Option<u16> {
    let date = |text: &Option<String>| -> Option<u64> {
        let date: SystemTime = httpdate::parse_http_date(text.as_deref()?).ok()?;
        Some(date.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs())
    };
    let names = |list: &str, is_weak: bool| {
        list.split(',').map(str::trim).any(|name| {
            name == "*" || name == tag || is_weak && name.strip_prefix("W/") == Some(tag)
        })
    };
    if let Some(list) = &asked.if_match {
        if !names(list, false) {
            return Some(412);
        }
    } else if date(&asked.if_unmodified_since).is_some_and(|date| changed_s > date) {
        return Some(412);
    }
    match &asked.if_none_match {
        Some(list) => names(list, true).then_some(304),
        None => date(&asked.if_modified_since).is_some_and(|date| changed_s <= date).then_some(304),
    }
}

/// What a `range` asks for.
#[derive(Debug, PartialEq, Eq)]
enum Range {
    Whole,
    Part { first: u64, last: u64 },
    Outside,
}

/// The range of a file of so many bytes (rule 2).
fn part(range: &str, length: u64) -> Range {
    let number = |text: &str| {
        let is_decimal = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        // What is too large for a number is larger than any file.
        is_decimal.then(|| text.parse().unwrap_or(u64::MAX))
    };
    let Some((first, last)) = range.strip_prefix("bytes=").and_then(|range| range.split_once('-'))
    else {
        return Range::Whole;
    };
    let (first, last) = match (first.trim(), last.trim()) {
        ("", last) => match number(last) {
            None => return Range::Whole,
            Some(0) => return Range::Outside,
            Some(count) => (length.saturating_sub(count), u64::MAX),
        },
        (first, "") => match number(first) {
            None => return Range::Whole,
            Some(first) => (first, u64::MAX),
        },
        (first, last) => match (number(first), number(last)) {
            (Some(first), Some(last)) if first <= last => (first, last),
            _ => return Range::Whole,
        },
    };
    if first >= length { Range::Outside } else { Range::Part { first, last: last.min(length - 1) } }
}

fn content_type(path: &Path) -> &'static str {
    let end = path.extension().and_then(|end| end.to_str()).unwrap_or_default();
    let known = TYPES.iter().find(|(known, _)| end.eq_ignore_ascii_case(known));
    known.map_or("application/octet-stream", |(_, name)| name)
}

fn serve(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let [root, request] = *arguments else { unreachable!("two by their arity") };
    let Some(root) = root.as_bytes(&vm.heap) else { return wrong_type(vm, root, "String") };
    let root = PathBuf::from(String::from_utf8_lossy(root).into_owned());
    let Some(object) = request.host::<RequestObject>(&vm.heap) else {
        return fail(vm, "http2/static: second argument must be http request");
    };
    if !matches!(object.request.method(), "GET" | "HEAD") {
        let refusal = Answer::text(405, "method not allowed\n").with("allow", "GET, HEAD");
        return response(vm, &refusal);
    }
    let asked = Asked::of(&object.request, object.path_left());
    Outcome::blocking(move || answer(&root, &asked), |vm, answer| response(vm, &answer))
}

/// The property list of an answer.
fn response(vm: &mut Vm, answer: &Answer) -> Outcome {
    if vm.heap.room(answer.body.len()).is_err() {
        return fail(vm, "http2/static: out of memory: the file does not fit the heap");
    }
    let body = vm.heap.string(&answer.body);
    let mut fields = Value::NIL;
    for (name, value) in answer.fields.iter().rev() {
        let value = vm.heap.string(value.as_bytes());
        let value = vm.heap.cons(value, Value::NIL, true);
        let name = vm.heap.string(name.as_bytes());
        let field = vm.heap.cons(name, value, true);
        fields = vm.heap.cons(field, fields, true);
    }
    let status = Value::fixnum(answer.status.into());
    build(vm, &[(":status", status), (":headers", fields), (":body", body)]).into()
}
